#!/usr/bin/env python3
"""The job files of examples/jobs run as they are written, and do what they say. What the machine lacks is skipped, and said."""
import gzip
import json
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.request
import zlib

from harness import BUILD, PATIENCE, ROOT, SystemTest, main

JOBS = ROOT / "examples" / "jobs"
sys.path.insert(0, str(JOBS / "blender"))

import join as blender_join  # noqa: E402

# Odd in height, so that halves are not alike; a scene that fills it unevenly and moves.
SCENE = """
import bpy
scene = bpy.context.scene
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 48, 31, 100
scene.render.engine = "CYCLES"
scene.cycles.samples = 4
scene.render.dither_intensity = 1
cube = bpy.data.objects["Cube"]
cube.rotation_euler = (0.3, 0.2, 0)
cube.keyframe_insert("rotation_euler", frame=1)
cube.rotation_euler = (0.9, 0.5, 1)
cube.keyframe_insert("rotation_euler", frame=2)
bpy.ops.wm.save_as_mainfile(filepath="{path}")
"""


def write_png(path, rows, filters):
    """8-bit RGBA; `rows` of bytes, each stored with its filter."""
    stored, above = b"", bytes(len(rows[0]))
    for row, kind in zip(rows, filters):
        guess = {0: lambda i: 0, 1: lambda i: row[i - 4] if i >= 4 else 0, 2: lambda i: above[i],
                 3: lambda i: ((row[i - 4] if i >= 4 else 0) + above[i]) // 2,
                 4: lambda i: paeth(row[i - 4] if i >= 4 else 0, above[i], above[i - 4] if i >= 4 else 0)}[kind]
        stored += bytes([kind]) + bytes((row[i] - guess(i)) & 0xFF for i in range(len(row)))
        above = row
    head = struct.pack(">IIBBBBB", len(rows[0]) // 4, len(rows), 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"tEXt", b"Frame\x00001"), (b"IDAT", zlib.compress(stored)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks))


def paeth(left, above, corner):
    far = left + above - corner
    a, b, c = abs(far - left), abs(far - above), abs(far - corner)
    return left if a <= b and a <= c else above if b <= c else corner
FALLOW = str(BUILD / "src" / "fallow")


class TemplatesTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.jobs = self.folder / "jobs"
        shutil.copytree(JOBS, self.jobs)
        self.join("node", count=4)

    def run_file(self, name):
        """The order, and what it wrote."""
        order = self.market.run("run", "-f", str(self.jobs / name), key=self.renter, timeout=300 * PATIENCE)[0]
        self.assertEqual(order["state"], "ORDER_DONE")
        return order, self.output(order["id"])

    def start_file(self, name):
        """The order's number and the lease's, once that runs."""
        done = subprocess.run([FALLOW, "run", "-d", "-f", str(self.jobs / name)], capture_output=True, text=True, check=True,
                              env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        order = done.stdout.strip()
        return order, str(self.wait_running(order)[0]["id"])

    def test_all_of_them_are_right_and_in_the_table(self):
        table = (JOBS / "README.md").read_text()
        files = sorted(path.relative_to(JOBS) for path in JOBS.rglob("*.yaml"))
        self.assertGreater(len(files), 5)
        for path in files:
            done = subprocess.run([FALLOW, "validate", str(JOBS / path)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"]({path})", table)

    def test_a_shell(self):
        order, lease = self.start_file("shell.yaml")
        done = subprocess.run([FALLOW, "exec", lease, "--", "sh", "-c", "echo $((6 * 7))"], capture_output=True, text=True,
                              env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        self.assertEqual(done.stdout, "42\n")
        self.market.run("stop", order, key=self.renter)
        self.assertEqual(self.wait_end(order)["state"], "ORDER_STOPPED")

    def test_a_notebook(self):
        if not shutil.which("jupyter-notebook", path="/usr/bin"):
            done = subprocess.run([FALLOW, "run", "-f", str(self.jobs / "jupyter.yaml")], capture_output=True, text=True,
                                  env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
            self.assertEqual(done.returncode, 1)
            self.assertIn("no Jupyter: name an image", done.stdout + done.stderr)
            self.skipTest("Jupyter is not installed here (apt install jupyter-notebook): only that it says so was tried")
        order, lease = self.start_file("jupyter.yaml")
        found = self.market.wait_until("its address", lambda: re.search(r"token=([0-9a-f]+)", self.output(order)), 120 * PATIENCE)
        forward = subprocess.Popen([FALLOW, "--json", "port-forward", lease, "8888:0"], stdout=subprocess.PIPE, text=True,
                                   env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        try:
            port = json.loads(forward.stdout.readline())["local_port"]
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents?token={found[1]}", timeout=60 * PATIENCE)
            self.assertEqual(json.loads(page.read())["type"], "directory")
        finally:
            forward.send_signal(signal.SIGINT)
            forward.communicate()
        self.market.run("stop", order, key=self.renter)
        self.wait_end(order)

    def test_a_sweep(self):
        self.run_file("sweep.yaml")
        results = [(self.jobs / "results" / str(task) / "result.txt").read_text() for task in range(4)]
        self.assertEqual(results[:2], ["rate 0.1: x = 3.000000\n", "rate 0.01: x = 3.000000\n"])
        self.assertTrue(results[3].startswith("rate 0.0001: x = 8."))

    def test_files(self):
        for name in ("a", "b b", "deep/c", "d", "e", "f"):
            (self.jobs / "files" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.jobs / "files" / name).write_text(f"this is {name}")
        self.run_file("files.yaml")
        found = {str(path.relative_to(self.jobs / "results").with_suffix("")).split("/", 1)[1]: gzip.decompress(path.read_bytes())
                 for path in (self.jobs / "results").rglob("*.gz")}
        self.assertEqual(found, {name: f"this is {name}".encode() for name in ("a", "b b", "deep/c", "d", "e", "f")})

    def test_a_training(self):
        if subprocess.run(["/usr/bin/python3", "-c", "import torch"], capture_output=True).returncode != 0:
            self.skipTest("the machine's own Python has no PyTorch: apt install python3-torch")
        train = self.jobs / "train"
        shutil.copytree(ROOT / "sdk" / "python" / "fallow", train / "fallow", ignore=shutil.ignore_patterns("__pycache__"))
        _, said = self.run_file("train/train.yaml")
        self.assertIn("begins with epoch 0", said)
        self.assertGreater(float(re.search(r"done: ([0-9.]+)% right", said)[1]), 90)
        self.assertTrue((train / "results" / "model.pt").exists())
        # Some epochs more, from its checkpoint.
        (train / "results" / "checkpoint").rename(train / "checkpoint")
        shutil.rmtree(train / "results")
        (train / "train.py").write_text((train / "train.py").read_text().replace("EPOCHS = 20", "EPOCHS = 22"))
        _, said = self.run_file("train/train.yaml")
        self.assertIn("goes on in epoch 20", said)
        self.assertEqual(re.findall(r"epoch (\d+), loss", said), ["21"])

    def test_frames_of_a_scene(self):
        blender = shutil.which("blender", path="/usr/bin")
        folder = self.jobs / "blender"
        (folder / "scene").mkdir()
        if not blender:
            (folder / "scene" / "scene.blend").write_text("none")
            done = subprocess.run([FALLOW, "run", "-f", str(folder / "blender.yaml")], capture_output=True, text=True,
                                  env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
            self.assertEqual(done.returncode, 1)
            self.assertIn("no Blender: name an image", done.stdout + done.stderr)
            self.skipTest("Blender is not installed here (apt install blender): only that it says so was tried")
        subprocess.run([blender, "--background", "--factory-startup", "--python-exit-code", "1", "--python-expr",
                        SCENE.format(path=folder / "scene" / "scene.blend")], check=True, capture_output=True,
                       env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder)})
        self.run_file("blender/blender.yaml")
        blender_join.main(folder / "strips", folder / "frames")
        # The same frames whole.
        text = (folder / "blender.yaml").read_text()
        whole = text.replace('PARTS: "2"', 'PARTS: "1"').replace("tasks: 4", "tasks: 2").replace("./strips", "./whole")
        self.assertNotEqual(whole, text)
        (folder / "blender.yaml").write_text(whole)
        self.run_file("blender/blender.yaml")
        pictures = []
        for frame in (1, 2):
            (path,) = (folder / "whole").rglob(f"frame-{frame:06d}-*.png")
            pictures.append(list(blender_join.Picture(path).pixels()))
            joined = blender_join.Picture(folder / "frames" / f"frame-{frame:06d}.png")
            self.assertEqual((joined.width, joined.height), (48, 31))
            self.assertEqual(list(joined.pixels()), pictures[-1], f"frame {frame}")
            self.assertGreater(len(set(pictures[-1])), 10, "there is something to be seen")
        self.assertNotEqual(*pictures)

    def test_a_picture(self):
        program = BUILD / "examples" / "pathtrace" / "pathtrace"
        (self.jobs / "scene").mkdir()
        for path in (program, ROOT / "examples" / "scenes" / "field.obj", ROOT / "examples" / "scenes" / "field.mtl"):
            shutil.copy(path, self.jobs / "scene")
        # Small, and on one processor: this node's device is there by name only.
        text = (self.jobs / "pathtrace.yaml").read_text()
        small = re.sub("OPTIONS: .*", "OPTIONS: --device host --width 48 --height 27 --samples 1", text)
        self.assertNotEqual(small, text)
        (self.jobs / "pathtrace.yaml").write_text(small)
        self.run_file("pathtrace.yaml")
        subprocess.run([program, "assemble", "--out", self.jobs / "picture.png", self.jobs / "tiles"], check=True,
                       capture_output=True)
        self.assertEqual((self.jobs / "picture.png").read_bytes()[1:4], b"PNG")


class JoinTest(unittest.TestCase):
    """blender/join.py on strips of every filter that a PNG's rows can have; no Blender is needed for it."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fallow-join-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def strip(self, part, parts, rows, filters, folder="strips"):
        path = self.folder / folder / str(part) / f"frame-000007-part-{part:03d}-of-{parts:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, rows, filters)

    def join(self, folder="strips"):
        return subprocess.run([sys.executable, JOBS / "blender" / "join.py", self.folder / folder, self.folder / "frames"],
                              capture_output=True, text=True)

    def test_strips_become_the_picture_that_they_are_of(self):
        rows = [bytes((x * 7 + y * 13 + x * y) % 256 for x in range(4 * 9)) for y in range(11)]
        for first in range(5):  # the filter of each strip's first row
            kinds = [(first + i) % 5 for i in range(11)]
            for cuts in ((0, 11), (0, 5, 11), (0, 1, 2, 11), (0, 4, 8, 11)):
                shutil.rmtree(self.folder / "strips", ignore_errors=True)
                for part, (begin, end) in enumerate(zip(cuts, cuts[1:])):
                    self.strip(part, len(cuts) - 1, rows[begin:end], kinds[:end - begin])
                done = self.join()
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(list(blender_join.Picture(self.folder / "frames" / "frame-000007.png").pixels()), rows)

    def test_what_is_missing_or_wrong_is_said(self):
        rows = [bytes(range(8)), bytes(range(8))]
        self.assertIn("no strips", self.join("none").stderr)
        self.strip(0, 2, rows, [0, 0])
        self.assertIn("frame 7 lacks part 1 of 2", self.join().stderr)
        self.strip(1, 2, [bytes(16)], [0])
        self.assertIn("another form", self.join().stderr)
        path = self.folder / "strips" / "1" / "frame-000007-part-001-of-002.png"
        for wrong in (b"", b"GIF89a", path.read_bytes()[:-20], path.read_bytes()[:30]):
            path.write_bytes(wrong)
            done = self.join()
            self.assertEqual(done.returncode, 1, wrong)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    main(processes=2)
