#!/usr/bin/env python3
"""Checkpoints: a training that is killed and moved ends with the same weights. numpy always; PyTorch where it is."""
import importlib.util
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy

from harness import PATIENCE, main

from fallow import _plain
from fallow import checkpoint as checkpoint_module
from fallow.checkpoint import Batches, Checkpoint, CheckpointError

HERE = pathlib.Path(__file__).resolve().parent
HAS_TORCH = importlib.util.find_spec("torch") is not None


class Part:
    def __init__(self, **state):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


class CheckpointTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fallow-checkpoint-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))

    def blobs(self):
        return sorted(path.name for path in (self.folder / "blobs").iterdir())

    def test_saves_what_changed(self):
        part = Part(large=numpy.zeros(100_000), small=numpy.ones(10), words={"a": (1, None), 3: [0.5, "x"]})
        checkpoint = Checkpoint(self.folder, part=part)
        checkpoint.save()
        first = checkpoint.bytes_written
        self.assertGreater(first, 800_000)
        part.state["small"] = part.state["small"] + 1
        checkpoint.save()
        self.assertLess(checkpoint.bytes_written - first, 50_000)
        other = Part()
        self.assertTrue(Checkpoint(self.folder, part=other).restore())
        numpy.testing.assert_array_equal(other.state["small"], part.state["small"])
        self.assertEqual(other.state["words"], part.state["words"])

    def test_of_a_large_array_only_the_pieces_that_changed(self):
        part = {"table": numpy.random.RandomState(1).randn(1_000_000)}
        checkpoint = Checkpoint(self.folder, model=part)
        checkpoint.save()
        first = checkpoint.bytes_written
        self.assertGreater(first, 8_000_000)
        part["table"][500_000:500_010] = 0
        checkpoint.save()
        self.assertLess(checkpoint.bytes_written - first, 3 << 20)
        other = {"nothing": 1}
        self.assertTrue(Checkpoint(self.folder, model=other).restore())
        self.assertEqual(list(other), ["table"])
        numpy.testing.assert_array_equal(other["table"], part["table"])

    def test_what_one_piece_each_held_is_still_read(self):
        # The folders of the first version.
        part = {"array": numpy.arange(5)}
        Checkpoint(self.folder, model=part).save()
        index = next(self.folder.glob("checkpoint-*"))
        sealed = index.read_bytes()[32:]
        tree = _plain.decode(sealed)
        tree["parts"]["model"]["array"][checkpoint_module._ARRAY] = tree["parts"]["model"]["array"][
            checkpoint_module._ARRAY][0]
        index.write_bytes(checkpoint_module._sealed(_plain.encode(tree)))
        part["array"] = None
        self.assertTrue(Checkpoint(self.folder, model=part).restore())
        self.assertEqual(part["array"].tolist(), list(range(5)))

    def test_generators_of_ones_own(self):
        for made in (numpy.random.default_rng(1), numpy.random.Generator(numpy.random.MT19937(1)),
                     numpy.random.Generator(numpy.random.SFC64(1))):
            folder = tempfile.mkdtemp(dir=self.folder)
            made.random(5)
            checkpoint = Checkpoint(folder, chance=made)
            checkpoint.save()
            drawn = made.random(5).tolist()
            self.assertTrue(checkpoint.restore())
            self.assertEqual(made.random(5).tolist(), drawn)

    def test_old_ones_go(self):
        part = Part(array=numpy.zeros(3))
        checkpoint = Checkpoint(self.folder, keep=2, part=part)
        for number in range(5):
            part.state["array"] = numpy.full(3, number)
            checkpoint.save()
        indexes = sorted(path.name for path in self.folder.glob("checkpoint-*"))
        self.assertEqual(indexes, ["checkpoint-000000000004", "checkpoint-000000000005"])
        checkpoint.restore()
        self.assertEqual(part.state["array"][0], 4)

    def test_a_torn_one_gives_way_to_the_one_before(self):
        part = Part(array=numpy.zeros(3))
        checkpoint = Checkpoint(self.folder, part=part)
        checkpoint.save()
        part.state["array"] = numpy.ones(3)
        before = set(self.blobs())
        last = checkpoint.save()
        for harm in (lambda: last.write_bytes(last.read_bytes()[:-1]), lambda: last.write_bytes(b""),
                     lambda: (self.folder / "blobs" / (set(self.blobs()) - before).pop()).write_bytes(b"x")):
            whole = tempfile.mkdtemp()
            shutil.copytree(self.folder, whole, dirs_exist_ok=True)
            harm()
            other = Part()
            self.assertTrue(Checkpoint(self.folder, part=other).restore())
            self.assertEqual(other.state["array"][0], 0)
            shutil.copytree(whole, self.folder, dirs_exist_ok=True)
            shutil.rmtree(whole)

    def test_a_damaged_array_is_written_again(self):
        part = Part(array=numpy.zeros(3))
        checkpoint = Checkpoint(self.folder, part=part)
        checkpoint.save()
        before = set(self.blobs())
        part.state["array"] = numpy.ones(3)
        checkpoint.save()
        (self.folder / "blobs" / (set(self.blobs()) - before).pop()).write_bytes(b"x")
        self.assertTrue(checkpoint.restore())
        self.assertEqual(part.state["array"][0], 0)
        part.state["array"] = numpy.ones(3)
        checkpoint.save()
        part.state["array"] = None
        self.assertTrue(checkpoint.restore())
        self.assertEqual(part.state["array"][0], 1)

    def test_says_what_does_not_fit(self):
        self.assertFalse(Checkpoint(self.folder, part=Part()).restore())
        Checkpoint(self.folder, part=Part()).save()
        with self.assertRaisesRegex(CheckpointError, "has no model"):
            Checkpoint(self.folder, part=Part(), model=Part()).restore()
        with self.assertRaises(TypeError):
            Checkpoint(self.folder, part=3)
        with self.assertRaises(CheckpointError):
            Checkpoint("/dev/null/nowhere", part=Part()).save()

    def test_random_generators_go_on(self):
        checkpoint = Checkpoint(self.folder)
        random.seed(1)
        numpy.random.seed(2)
        checkpoint.save()
        drawn = (random.random(), numpy.random.rand(3).tolist())
        checkpoint.restore()
        self.assertEqual((random.random(), numpy.random.rand(3).tolist()), drawn)

    def test_asked_to_leave_it_saves_first(self):
        part = Part(count=0)
        checkpoint = Checkpoint(self.folder, part=part, due_after_s=3600)
        self.assertFalse(checkpoint.save_when_due())
        part.state["count"] = 7
        os.kill(os.getpid(), signal.SIGTERM)
        with self.assertRaises(SystemExit) as left:
            checkpoint.save_when_due()
        self.assertEqual(left.exception.code, 143)
        part.state["count"] = 0
        checkpoint.restore()
        self.assertEqual(part.state["count"], 7)

    def test_the_folder_is_the_nodes_when_it_offers_one(self):
        os.environ["FALLOW_CHECKPOINT_DIR"] = str(self.folder / "node")
        self.addCleanup(os.environ.pop, "FALLOW_CHECKPOINT_DIR")
        self.assertEqual(Checkpoint().folder, self.folder / "node")


class BatchesTest(unittest.TestCase):
    def test_any_interruption_gives_the_same_batches(self):
        data = numpy.arange(23)
        whole = [batch.tolist() for batch in Batches(data, 4, seed=5).epochs(3)]
        self.assertEqual(sorted(sum(whole[:6], [])), list(range(23)))
        self.assertNotEqual(whole[:6], whole[6:12])
        for cut in range(len(whole) + 1):
            first = Batches(data, 4, seed=5)
            source = first.epochs(3)
            got = [next(source).tolist() for _ in range(cut)]
            second = Batches(data, 4, seed=99)
            second.load_state_dict(first.state_dict())
            got += [batch.tolist() for batch in second.epochs(3)]
            self.assertEqual(got, whole, cut)
        with self.assertRaises(CheckpointError):
            Batches(data, 5).load_state_dict(first.state_dict())


class MovedTrainingTest(unittest.TestCase):
    """tests/training.py: ended at random moments, its folder carried elsewhere by hand each time."""

    def setUp(self):
        self.seed = int(os.environ.get("FALLOW_TEST_SEED", time.time_ns() % 1_000_000))
        print(f"FALLOW_TEST_SEED={self.seed}", flush=True)
        self.chance = random.Random(self.seed)

    def train(self, kind, folder, number=None, after_s=0.0):
        """(its last line, or None when it was ended; seconds from its beginning on; whether it went on)"""
        process = subprocess.Popen([sys.executable, "-B", str(HERE / "training.py"), kind], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "FALLOW_CHECKPOINT_DIR": str(folder)})
        first, began = process.stdout.readline(), time.monotonic()
        if number is not None:
            time.sleep(after_s)
            process.send_signal(number)
        output, _ = process.communicate(timeout=300 * PATIENCE)
        self.assertIn(process.returncode, {0} if number is None else {0, -signal.SIGKILL, 128 + signal.SIGTERM})
        line = output.splitlines()[-1] if process.returncode == 0 else None
        return line, time.monotonic() - began, first == "goes on\n"

    def interrupted(self, kind, root, numbers, span_s):
        """(the folder, how often it went on) after one interruption each; None when one came too late."""
        place, went_on = pathlib.Path(tempfile.mkdtemp(dir=root)) / "0", 0
        for n, number in enumerate(numbers, 1):
            line, _, again = self.train(kind, place, number, self.chance.uniform(0, span_s))
            if line is not None:
                return None
            went_on += again
            if place.exists():
                place = pathlib.Path(shutil.move(place, place.with_name(f"{n}")))
        return place, went_on

    def moved(self, kind, *rounds):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            straight, took_s, _ = self.train(kind, root / "straight")
            self.assertTrue(straight.startswith("weights "))
            share = 0.45
            for numbers in rounds:
                # What else the machine did may have made the undisturbed one slower than these are.
                while (left := self.interrupted(kind, root, numbers, took_s * share)) is None:
                    share /= 2
                    self.assertGreater(share, 0.001, "it does not end when it is asked to")
                place, went_on = left
                line, _, again = self.train(kind, place)
                self.assertEqual(line, straight)
                print(f"{kind}: ended by {[number.name for number in numbers]} before its end, went on {went_on + again} times",
                      flush=True)

    def test_with_numpy(self):
        self.moved("numpy", (signal.SIGTERM, signal.SIGKILL), (signal.SIGKILL, signal.SIGTERM),
                   (signal.SIGKILL, signal.SIGKILL), (signal.SIGTERM, signal.SIGTERM))

    @unittest.skipUnless(HAS_TORCH, "PyTorch is not installed here: apt install python3-torch, or pip install torch")
    def test_with_torch(self):
        self.moved("torch", (signal.SIGTERM, signal.SIGKILL))

    @unittest.skipUnless(HAS_TORCH, "PyTorch is not installed here: apt install python3-torch, or pip install torch")
    def test_tensors_of_every_kind(self):
        import torch

        tensors = {"bf16": torch.randn(3, 2).to(torch.bfloat16), "scalar": torch.tensor(2.5), "none": torch.empty(0, 3),
                   "bool": torch.tensor([True, False]), "long": torch.arange(4).reshape(2, 2).t()}
        with tempfile.TemporaryDirectory() as folder:
            Checkpoint(folder, part=Part(**tensors)).save()
            other = Part()
            Checkpoint(folder, part=other).restore()
        for name, tensor in tensors.items():
            self.assertEqual(other.state[name].dtype, tensor.dtype)
            self.assertTrue(torch.equal(other.state[name], tensor), name)


if __name__ == "__main__":
    main()
