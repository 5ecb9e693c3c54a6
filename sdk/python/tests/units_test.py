#!/usr/bin/env python3
"""The SDK's parts without a market."""
import ast
import asyncio
import base64
import contextlib
import dataclasses
import datetime
import inspect
import io
import json
import math
import os
import pathlib
import pickle
import random
import re
import struct
import subprocess
import sys
import tempfile
import unittest
from decimal import Decimal
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import ROOT, fallow, main

from fallow import (_box, _forward, _http, _job, _matrix, _plain, _progress, _reach, _worker, artifacts, config, models, money, receipts,
                    requirements)
from fallow._routes import ROUTES
from fallow._sse import EventParser
from fallow._wire import decode

SDK = ROOT / "sdk" / "python"


class MoneyTest(unittest.TestCase):
    def test_is_exact(self):
        self.assertEqual(money.micros_of("0.1"), 100_000)
        self.assertEqual(money.micros_of(3), 3_000_000)
        self.assertEqual(money.micros_of(Decimal("-0.000001")), -1)
        self.assertEqual(money.amount_of_micros(123_456_789), Decimal("123.456789"))
        self.assertEqual(money.format_amount("12.5"), "12.50")
        self.assertEqual(money.format_micros(-1), "-0.000001")

    def test_refuses_floats_and_what_is_no_amount(self):
        for wrong in (0.1, True, None, [1]):
            with self.assertRaises(TypeError):
                money.micros_of(wrong)
        for wrong in ("0.1234567", "x", "", "NaN", "Infinity", Decimal("1E-7")):
            with self.assertRaises(ValueError):
                money.micros_of(wrong)


class ConfigTest(unittest.TestCase):
    def load(self, text=None, **environment):
        with tempfile.TemporaryDirectory() as folder:
            if text is not None:
                path = pathlib.Path(folder, "fallow", "config.toml")
                path.parent.mkdir()
                path.write_text(text)
            with mock.patch.dict(os.environ, {"XDG_CONFIG_HOME": folder, **environment}, clear=True):
                return config.load_config()

    def test_environment_stands_above_the_file(self):
        text = f'url = "https://a:1"\napi_key = "fk_a"\ncertificate = "{"a" * 64}"\n'
        self.assertEqual(self.load(text), config.Config("https://a:1", "fk_a", "a" * 64))
        self.assertEqual(self.load(text, FALLOW_URL="http://b:2", FALLOW_API_KEY=""),
                         config.Config("http://b:2", "fk_a", "a" * 64))
        self.assertEqual(self.load(text + 'team = "7"\n').team, "7")
        self.assertEqual(self.load(text + 'team = "7"\n', FALLOW_TEAM="9").team, "9")

    def test_says_what_is_wrong(self):
        for text, words in (('url = "ftp://x"', "cannot be used"), ("url = 3", "not a setting"),
                            ('colour = "red"', "colour"), ("url = ", "correct or delete"), (None, "no market is named"),
                            ('url="https://a"\ncertificate="00"', "64 hex digits")):
            with self.assertRaisesRegex(fallow.ConfigError, words):
                self.load(text)

    def test_a_key_is_not_shown(self):
        self.assertNotIn("secret", repr(config.Config("http://x", "fk_secret")))


class WireTest(unittest.TestCase):
    def test_reads_what_the_api_writes(self):
        view = decode(models.LeaseView, {
            "id": "18446744073709551615", "state": "RUNNING", "price_per_hour": "0.36", "proven": "12.500001s",
            "placed_at": "2026-11-21T10:00:00.250Z", "devices": [0, 3], "reason": "A_NEW_WORD", "surprise": 1})
        self.assertEqual(view.id, 2**64 - 1)
        self.assertIs(view.state, models.LeaseState.RUNNING)
        self.assertEqual(view.price_per_hour, Decimal("0.36"))
        self.assertEqual(view.proven, datetime.timedelta(seconds=12, microseconds=500001))
        self.assertEqual(view.placed_at, datetime.datetime(2026, 11, 21, 10, 0, 0, 250000, datetime.timezone.utc))
        self.assertIsNone(view.ended_at)
        self.assertEqual(view.reason, "A_NEW_WORD")
        offer = decode(models.OfferView, {"price_floor_per_hour": "", "spot_floor_set_per_hour": "",
                                          "discounts": {"day_basis_points": 500}})
        self.assertIsNone(offer.price_floor_per_hour)
        self.assertIsNone(offer.spot_floor_set_per_hour)
        self.assertEqual(offer.discounts.day_basis_points, 500)

    def test_no_money_is_a_float(self):
        # Whatever the schema calls a price, an amount or a charge is a Decimal or whole micros.
        for _, model in inspect.getmembers(models, dataclasses.is_dataclass):
            for field in dataclasses.fields(model):
                if re.search(r"((price|amount|charged|refunded|budget|held|total|_hour|price_per_gb|micros)|^credited|^owed)$", field.name):
                    self.assertRegex(str(field.type), r"Decimal|int", f"{model.__name__}.{field.name}")

    def test_what_was_not_measured_is_not_zero(self):
        for sample in (models.DeviceSample(device=1), models.HostSample(), models.WorkloadSample(lease=1)):
            self.assertIsNone(sample.memory_mb, type(sample).__name__)

    def test_generated_files_are_current(self):
        subprocess.run([sys.executable, str(SDK / "tools" / "generate_models.py"), "--check"], check=True)

    def test_every_requirement_is_a_field_of_the_schema(self):
        self.assertLessEqual(set(requirements._NAMES.values()), ROUTES["CreateQuote"].in_body)
        document = requirements.to_json("gpu_ram>=24", 3, {"max_price": "0.4", "tier": "spot", "share": Decimal("0.5")})
        self.assertEqual(document, {"query": "gpu_ram>=24", "tasks": 3, "max_price_per_hour": "0.40", "tier": "SPOT",
                                    "device_share": 0.5})
        self.assertEqual(requirements.to_json("", 0, {"nodes": 4, "term": "3d", "bid": "0.1", "near": "eu"}), {
            "query": "", "nodes": 4, "hours": 72.0, "max_price_per_hour": "0.10", "near": "eu"})
        self.assertEqual(requirements.to_json("", 1, {"egress_gb": 2}), {
            "query": "", "tasks": 1, "egress_gb": 2, "network": "EGRESS"})
        with self.assertRaisesRegex(TypeError, "gpuss"):
            requirements.to_json("", 1, {"gpuss": 1})
        self.assertEqual(requirements.wishes("a", 2, {"hours": 1, "any_of": [{"gpus": 2}, {"query": "b", "hours": 3}]}), [
            {"query": "a", "tasks": 2, "hours": 1, "gpus": 2}, {"query": "b", "tasks": 2, "hours": 3}])
        for wrong in ([], [{"any_of": []}], [{"gpuss": 1}]):
            with self.assertRaises(TypeError):
                requirements.wishes("", 0, {"any_of": wrong})
        for both in ({"hours": 1, "term": "1h"}, {"max_price": "1", "bid": "1"}):
            with self.assertRaisesRegex(TypeError, "say the same"):
                requirements.to_json("", 1, both)
        for gangs in ({"nodes": 2}, {"any_of": [{"gpus": 2}, {"nodes": 2}]}):
            with self.assertRaisesRegex(TypeError, "nodes"):
                fallow.function(**gangs)(len)
            with self.assertRaisesRegex(TypeError, "one machine"):
                fallow.AsyncClient(config.Config("http://nowhere")).rent("", **gangs)

    def test_each_alternative_of_a_sweep_has_its_own_number_of_tasks(self):
        alternatives = {"nodes": 3, "any_of": [{"gpus": 2}, {"nodes": 2}, {"nodes": 1, "query": "b"}]}
        self.assertEqual(requirements.wishes("a", 0, alternatives, 4), [
            {"query": "a", "tasks": 12, "nodes": 3, "gpus": 2}, {"query": "a", "tasks": 8, "nodes": 2},
            {"query": "b", "tasks": 4, "nodes": 1}])
        self.assertEqual(requirements.wishes("a", 0, {}, 4), [{"query": "a", "tasks": 4}])

    def test_a_matrix_gives_each_task_its_values(self):
        sweep = {"RATE": [0.1, "it's"], "SEED": [1, 2, 3]}
        self.assertEqual(_matrix.combinations_of(sweep), 6)
        command = _matrix.swept(sweep, ["sh", "-c", 'echo "$1 $RATE $SEED"', "x", "a b"])
        for nodes in (1, 2):
            said = [subprocess.run(command, capture_output=True, text=True, check=True,
                                   env={**os.environ, "FALLOW_TASK": str(task), "FALLOW_NODES": str(nodes)}).stdout
                    for task in range(0, 6 * nodes, nodes)]
            self.assertEqual(said, [f"a b {rate} {seed}\n" for rate in sweep["RATE"] for seed in sweep["SEED"]])
        for wrong in ({"A-B": [1]}, {"FALLOW_TASK": [1]}, {"A": []}, {"A": "xy"}):
            with self.assertRaises((TypeError, ValueError)):
                _matrix.combinations_of(wrong)

    def test_terms_are_the_command_lines(self):
        for text, hours in (("90m", 1.5), ("12h", 12), ("1.5d", 36), ("2w", 336), ("week", 168), ("month", 720), ("hour", 1)):
            self.assertEqual(requirements.hours_of_term(text), hours, text)
        for text in ("", "3", "h3", "0h", ".h", "1.2.3d", "3 d", "-1h", "year"):
            with self.assertRaises(ValueError, msg=text):
                requirements.hours_of_term(text)

    def test_every_field_of_a_job_file_has_its_keyword(self):
        # docs/job.schema.json: where Python says it otherwise, it is said here how.
        schema = json.loads((ROOT / "docs" / "job.schema.json").read_text())["properties"]
        otherwise = {"run": "command", "setup": "command", "wait": "no_wait", "restart": "no_restart"}
        submit = set(inspect.signature(fallow.AsyncClient.submit).parameters)
        # Ports are reached by reach(lease).forward().
        for name in schema:
            if name not in ("resources", "ports"):
                self.assertIn(otherwise.get(name, name), submit, name)
        names = set(schema["resources"]["properties"]) - {"query"}
        self.assertEqual(set(requirements.Requirements.__annotations__) - {"term", "bid"}, names)

    def test_both_clients_are_the_same(self):
        for one, other, only in ((fallow.AsyncClient, fallow.Client, {"follow_logs"}), (fallow.AsyncJob, fallow.Job, set()),
                                 (fallow.AsyncReach, fallow.Reach, {"tunnel", "aclose"}),
                                 (fallow.AsyncBox, fallow.Box, {"tunnel", "aclose"}),
                                 (_reach.AsyncProcess, _box.Process, {"aclose"}),
                                 (_forward.AsyncForward, _box.Forward, {"aclose", "listen"})):
            names = {name for name, _ in inspect.getmembers(one, callable) if not name.startswith("_")} - only
            for name in names:
                self.assertEqual(list(inspect.signature(getattr(one, name)).parameters),
                                 list(inspect.signature(getattr(other, name)).parameters), name)


class EventsTest(unittest.TestCase):
    STREAM = b'id: 7\ndata: {"a":1}\n\n: still here\n\nevent: end\ndata: {}\n\ndata: one\r\ndata: two\r\n\r\n'

    def test_any_cut_gives_the_same_events(self):
        for seed in range(50):
            cuts = sorted(random.Random(seed).sample(range(len(self.STREAM)), 5))
            parser = EventParser()
            events = []
            for begin, end in zip([0, *cuts], [*cuts, len(self.STREAM)]):
                events += parser.feed(self.STREAM[begin:end])
            self.assertEqual([(event.name, event.data, event.id) for event in events],
                             [("message", '{"a":1}', "7"), ("end", "{}", None), ("message", "one\ntwo", None)])


class ManifestTest(unittest.TestCase):
    # docs/formats/artifact.md, "Worked example"
    FILES = [artifacts.File("run.sh", "008ee53e94c1e0fff627cfe82080cdd0f267457b2feb846dfb7d654e49115eb1", 10, True),
             artifacts.File("in/a.txt", "de9543b2ae1b2b87434a730727db17f5ac8b8c020b84a5cb8c5fbcc1423443ba", 3)]

    def test_worked_example(self):
        text = artifacts.manifest_text(self.FILES)
        self.assertEqual(len(text), 174)
        self.assertEqual(artifacts.digest_of(text), "19390b32db3620e0ff26001f4d72d5b862294556fbbadb478cf3ac35193373f1")
        self.assertEqual(artifacts.parse_manifest(text), sorted(self.FILES, key=lambda file: file.path))
        self.assertEqual(artifacts.digest_of(b"hi\n"), self.FILES[1].digest)

    def test_no_path_leads_out(self):
        for path in ("/etc/passwd", "../x", "a/../../x", "a//b", "./a", "", "a\x00b", "a\nb", "x" * 256):
            line = f"fallow manifest v1\n{'0' * 64} 1 - {path}\n".encode()
            with self.assertRaises(artifacts.ArtifactError, msg=repr(path)):
                artifacts.parse_manifest(line)

    def test_only_the_canonical_text(self):
        text = artifacts.manifest_text(self.FILES)
        lines = text.splitlines(keepends=True)
        for wrong in (text[:-1], text + lines[1], lines[0] + lines[2] + lines[1], b"", text.replace(b" 3 ", b" 03 "),
                      text.replace(b"v1", b"v2"),
                      artifacts.manifest_text([artifacts.File("a", "0" * 64, 1)]) + b"0" * 64 + b" 1 - a/b\n"):
            with self.assertRaises(artifacts.ArtifactError):
                artifacts.parse_manifest(wrong)

    def test_a_link_in_the_destination_is_not_followed(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "outside").mkdir()
            (root / "inside").mkdir()
            (root / "inside" / "link").symlink_to(root / "outside")
            with self.assertRaises(artifacts.ArtifactError):
                with artifacts._created_below(root / "inside", artifacts.File("link/x", "", 1)):
                    self.fail("it was created")
            self.assertEqual(list((root / "outside").iterdir()), [])


class PlainTest(unittest.TestCase):
    VALUES = [None, True, 0, -(10**30), 1.5, math.inf, "ü\ud800\x00", b"\x00\xff", bytearray(b"x"), [], [1, [2]], (1, (2,)),
              {"a": 1, 2: (3,)}, {1, 2}, frozenset("ab"), 1 + 2j, Decimal("0.10"), datetime.date(2026, 1, 2),
              datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.timezone.utc), datetime.time(1, 2),
              datetime.timedelta(days=-1, microseconds=3)]

    def test_round_trip(self):
        for value in [*self.VALUES, self.VALUES]:
            back = _plain.decode(_plain.encode(value))
            self.assertEqual((type(back), back), (type(value), value))
        self.assertTrue(math.isnan(_plain.decode(_plain.encode(math.nan))))

    def test_arrays(self):
        import numpy

        for array in (numpy.arange(6, dtype="<i2").reshape(2, 3).T, numpy.zeros((0, 3)), numpy.array("word"),
                      numpy.array([True, False]), numpy.array(["2026-01-01"], dtype="datetime64[D]"),
                      numpy.float32(2.5), numpy.array([1 + 2j])):
            back = _plain.decode(_plain.encode([array]))[0]
            self.assertEqual(back.dtype, array.dtype)
            self.assertEqual(back.shape, array.shape)
            numpy.testing.assert_array_equal(back, array)
        for wrong in (numpy.array([object()]), numpy.zeros(1, dtype=[("a", "i4")])):
            with self.assertRaises(_plain.NotPlain):
                _plain.encode(wrong)

    def test_other_things_are_refused_with_advice(self):
        loop = []
        loop.append(loop)
        for wrong in (object(), len, EventParser(), loop, models.LeaseState.ENDED):
            with self.assertRaises(_plain.NotPlain):
                _plain.encode(wrong)

    def test_a_strangers_bytes_only_fail(self):
        class Evil:
            def __reduce__(self):
                return (os.system, ("echo evil >&2; exit 1",))

        samples = [b"", b"FPV1", pickle.dumps(Evil()), _plain.MAGIC + b"\xff\xff\xff\xff{}",
                   _plain.encode([1]).replace(b"[1]", b"[[]"), plain_of({"array": ["|O", [1], [0, 8]]}),
                   plain_of({"array": ["<i4", [10**9], [0, 4]]}), plain_of({"bytes": [-1, 5]}),
                   plain_of([{"bytes": [0, 5]}, {"bytes": [0, 3]}]), plain_of([{"bytes": [4, 4]}, {"bytes": [0, 4]}]),
                   plain_of({"eval": "1"}), plain_of({"set": [[1]]}), plain_of({"dict": [[{}, 1]]}),
                   plain_of({"decimal": "x"}), plain_of({"a": 1, "b": 2}),
                   _plain.MAGIC + (100_000).to_bytes(4, "little") + b"[" * 50_000 + b"]" * 50_000]
        for sample in samples:
            with self.assertRaises(_plain.NotPlain, msg=repr(sample[:60])):
                _plain.decode(sample)
        whole = _plain.encode(self.VALUES)
        chance = random.Random(1)
        for _ in range(2000):
            altered = bytearray(whole)
            for _ in range(chance.randint(1, 4)):
                altered[chance.randrange(len(altered))] = chance.randrange(256)
            try:
                _plain.decode(bytes(altered))
            except _plain.NotPlain:
                pass


def plain_of(tree):
    header = json.dumps(tree).encode()
    return _plain.MAGIC + len(header).to_bytes(4, "little") + header + b"12345678"


class ReceiptFieldsTest(unittest.TestCase):
    def test_numbers_are_those_of_the_schema(self):
        proto = "".join((ROOT / "proto" / "fallow" / "v1" / f"{name}.proto").read_text()
                        for name in ("receipt", "types", "commands"))
        kinds = {"int64": "i", "uint64": "u", "uint32": "u", "bytes": "b", "string": "s", "bool": "?"}
        for message, fields in receipts._FIELDS.items():
            text = re.search(r"\nmessage %s \{(.*?)\n\}" % message, proto, re.S)[1]
            found = {int(number): (name, ("+" if repeated else "") + kinds.get(kind, kind))
                     for repeated, kind, name, number in
                     re.findall(r"^  (repeated )?(\w+) (\w+) = (\d+);", text, re.M)}
            self.assertEqual(found, fields, message)
        for name in ("EndReason", "Blame", "Tier", "DeviceKind", "ProofState"):
            text = re.search(r"\nenum %s \{(.*?)\n\}" % name, proto, re.S)[1]
            numbers = [(int(number), word) for word, number in re.findall(r"^  (\w+) = (\d+);", text, re.M)]
            self.assertEqual(numbers, list(receipts.enum_words(name).items()), name)

    def credited(self):
        """A bill of 10 s, of which its devices lost 3: 0.003 of 0.01 come back."""
        body = receipts._read("ReceiptBody", b"")
        body.update(lease=7, rate_hour_micros=3_600_000, fee_basis_points=500, hold_micros=1_000_000,
                    time_us_max=3_600_000_000, reason="COMPLETED", proven_us=10_000_000, charged_micros=10_000,
                    fee_micros=500, slowed_us=3_000_000, credit_basis_points_max=5_000, credited_micros=3_000,
                    refunded_micros=3_000, paid_micros=7_000)
        return body

    def test_a_credit_follows_from_the_slowed_time(self):
        receipts._check_amounts(self.credited())
        by_proof = dict(self.credited(), slow_basis_points=4_000, credited_micros=4_000, refunded_micros=4_000,
                        paid_micros=6_000)
        receipts._check_amounts(by_proof)
        whole = dict(self.credited(), slow_basis_points=10_000, credit_basis_points_max=10_000, credited_micros=9_500,
                     refunded_micros=9_500, paid_micros=500)
        receipts._check_amounts(whole)
        for changes, word in (({"credited_micros": 2_999}, "credit"), ({"slowed_us": 3_000_001}, "credit"),
                              ({"credit_basis_points_max": 2_999}, "credit"), ({"refunded_micros": 0}, "refund"),
                              ({"slow_basis_points": 10_001}, "more than all"), ({"blame": "BLAME_PROVIDER"}, "credit"),
                              ({"blame": "BLAME_OWNER", "refunded_micros": 0}, "refund")):
            with self.assertRaisesRegex(fallow.ReceiptInvalid, word, msg=str(changes)):
                receipts._check_amounts(dict(self.credited(), **changes))

    def test_slowed_time_is_signed_with_the_record(self):
        node = Ed25519PrivateKey.generate()
        key = node.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

        def bill(*records):
            body = self.credited()
            leaves = []
            body["node_public_key"] = key
            for sequence, (running_us, slowed_us) in enumerate(records, 1):
                numbers = struct.pack("<QIqq", 7, sequence, running_us, 5)
                signed = (b"fallow meter v2" + key + numbers + struct.pack("<q", slowed_us) if slowed_us
                          else b"fallow meter v1" + key + numbers)
                record = {"lease": 7, "sequence": sequence, "running_us": running_us, "measured_at_us": 5,
                          "slowed_us": slowed_us, "egress_bytes": 0, "signature": node.sign(signed)}
                body["meters"].append(record)
                leaves.append(signed + record["signature"])
            body["meters_root"] = receipts._merkle_root(leaves)
            return body

        right = (5_000_000, 0), (10_000_000, 3_000_000)
        receipts._check_meters(bill(*right))
        altered = bill(*right)
        altered["meters"][1]["slowed_us"] = altered["slowed_us"] = 2_000_000
        with self.assertRaisesRegex(fallow.ReceiptInvalid, "signed by the node"):
            receipts._check_meters(altered)
        for wrong, word in ((((5_000_000, 4_000_000), right[1]), "slowed time that cannot be"),
                            (((5_000_000, 5_000_001), right[1]), "slowed time that cannot be"),
                            ((right[0], (10_000_000, 2_000_000)), "said to be slowed down")):
            with self.assertRaisesRegex(fallow.ReceiptInvalid, word):
                receipts._check_meters(bill(*wrong))

    def test_what_was_sent_is_billed_beside_the_time(self):
        # 10 s for 0.01; of 2 GB at 0.05 each that were held for, 1.5 were sent.
        sent = dict(self.credited(), egress_gb_micros=50_000, egress_bytes_max=2_000_000_000, egress_bytes=1_500_000_000,
                    egress_micros=75_000, charged_micros=85_000, fee_micros=4_250, paid_micros=82_000)
        receipts._check_amounts(sent)
        for changes, word in (({"egress_bytes": 1_500_020_000}, "what was sent"), ({"egress_micros": 74_999}, "what was sent"),
                              ({"egress_bytes_max": 1_400_000_000}, "what was sent"), ({"egress_bytes": -1}, "negative"),
                              ({"hold_micros": 99_999}, "does not cover"), ({"hold_micros": 109_999}, "what was sent"),
                              ({"charged_micros": 10_000}, "what was sent"), ({"credited_micros": 25_500}, "credit")):
            with self.assertRaisesRegex(fallow.ReceiptInvalid, word, msg=str(changes)):
                receipts._check_amounts(dict(sent, **changes))

    def test_what_was_sent_is_signed_with_the_record(self):
        node = Ed25519PrivateKey.generate()
        key = node.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

        def bill(*records):
            body = dict(self.credited(), node_public_key=key, slowed_us=0, egress_bytes=2_000, meters=[])
            leaves = []
            for sequence, (running_us, egress_bytes) in enumerate(records, 1):
                signed = b"fallow meter v3" + key + struct.pack("<QIqqqq", 7, sequence, running_us, 5, 0, egress_bytes)
                record = {"lease": 7, "sequence": sequence, "running_us": running_us, "measured_at_us": 5,
                          "slowed_us": 0, "egress_bytes": egress_bytes, "signature": node.sign(signed)}
                body["meters"].append(record)
                leaves.append(signed + record["signature"])
            body["meters_root"] = receipts._merkle_root(leaves)
            return body

        receipts._check_meters(bill((5_000_000, 1_000), (10_000_000, 2_000)))
        for wrong, word in ((((5_000_000, 2_001), (10_000_000, 2_000)), "takes back"),
                            (((5_000_000, 1_000), (10_000_000, 1_999)), "said to be sent")):
            with self.assertRaisesRegex(fallow.ReceiptInvalid, word):
                receipts._check_meters(bill(*wrong))

    def test_what_is_no_receipt(self):
        for wrong in ("", "[]", "{}", '{"body": 3}', b"\xff",
                      json.dumps({"body": "?", "signature": "", "market_public_key": ""})):
            with self.assertRaisesRegex(fallow.ReceiptInvalid, "not a receipt"):
                fallow.verify_receipt(wrong)
        empty = {"body": "", "signature": base64.b64encode(bytes(64)).decode(),
                 "market_public_key": base64.b64encode(bytes(32)).decode()}
        with self.assertRaisesRegex(fallow.ReceiptInvalid, "signature"):
            fallow.verify_receipt(empty)


class ProgressTest(unittest.TestCase):
    def test_a_workload_cannot_speak_to_the_terminal(self):
        self.assertEqual(_progress.defused("a\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J\tb"),
                         "a\x1b[31mred\x1b[0m?]0;title??2J\tb")

    def test_in_a_terminal_one_line_follows_below_what_is_printed(self):
        out, error = io.StringIO(), mock.Mock(wraps=io.StringIO())
        error.isatty.return_value = True
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            progress = _progress.make("square")
            progress.update(done=3, total=10, running=2, failed=1, charged=Decimal("0.01"))
            progress.print("a word\x1b[2J", False)
            progress.close()
        self.assertEqual(out.getvalue(), "a word?[2J\n")
        line = "\r\x1b[2Ksquare: 3/10 done, 2 running, 1 failed, charged 0.01"
        self.assertEqual("".join(call.args[0] for call in error.write.call_args_list), line + "\r\x1b[2K" + line
                         + "\r\x1b[2K")

    def test_in_a_notebook_one_place_is_kept_up_to_date(self):
        handle = mock.Mock()
        shell = mock.Mock(config={"IPKernelApp": {}})
        display = mock.Mock(display=mock.Mock(return_value=handle))
        modules = {"IPython": mock.Mock(get_ipython=lambda: shell, display=display), "IPython.display": display}
        with mock.patch.dict(sys.modules, modules):
            self.assertTrue(_progress.wanted(io.StringIO()))
            progress = _progress.make("job 7")
            progress.update(done=1, total=2)
            progress.close()
        handle.update.assert_called_once_with({"text/plain": "job 7: 1/2 done"}, raw=True)

    def test_a_pipe_gets_no_progress(self):
        error = io.StringIO()
        with contextlib.redirect_stderr(error):
            _progress.make("job 7").update(done=1, total=2)
        self.assertEqual(error.getvalue(), "")

    def test_lines_are_put_together(self):
        shown = []
        progress = mock.Mock(print=lambda text, error: shown.append((text, error)))
        printer = _progress.LinePrinter(progress, several=True)
        for lease, error, data in ((1, False, b"on"), (2, False, b"x\ny"), (1, True, b"e\n"), (1, False, b"e\n")):
            printer.print(models.LogLine(lease=lease, task=lease + 10, error_stream=error, data=data))
        printer.flush()
        self.assertEqual(shown, [("[12] x", False), ("[11] e", True), ("[11] one", False), ("[12] y", False)])


class CancellationTest(unittest.TestCase):
    def test_one_that_comes_with_the_answer_is_not_lost(self):
        # Whatever the moment: who is cancelled while it waits for an answer ends.
        async def serve(reader, writer):
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    await asyncio.sleep(0.001)
                    writer.write(b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n{}")
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        async def ask_for_ever(http):
            while True:
                await http.send("GET", "/")

        async def play():
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            http = _http.Http(config.Config(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
            for number in range(150):
                task = asyncio.ensure_future(ask_for_ever(http))
                await asyncio.sleep(0.004 + number * 0.00003)
                task.cancel()
                done, _ = await asyncio.wait({task}, timeout=2)
                self.assertTrue(done, number)
                self.assertTrue(task.cancelled())
            await http.close()
            server.close()

        asyncio.run(play())


class LogsTest(unittest.TestCase):
    def test_what_comes_twice_is_given_out_once(self):
        # A stream that begins anew brings old bytes again, cut elsewhere.
        pieces = [(1, 0, b"abc"), (1, 0, b"ab"), (1, 2, b"cd"), (2, 0, b"x"), (1, 0, b"abcdef")]

        class Http:
            def __init__(self, *_):
                pass

            async def stream(self, *_):
                for lease, offset, data in pieces:
                    yield models.LogLine(lease=lease, offset=offset, data=data)

        async def read():
            client = fallow.AsyncClient(config.Config("http://nowhere"))
            client._http = Http()
            return [(line.lease, line.offset, line.data) async for line in client.follow_logs("FollowOrderLogs")]

        self.assertEqual(asyncio.run(read()), [(1, 0, b"abc"), (1, 3, b"d"), (2, 0, b"x"), (1, 4, b"ef")])


class PlacingTest(unittest.TestCase):
    """What reaches the market of an order: calls are written down, each quote is a new one, and refusals are told."""

    def setUp(self):
        self.client = fallow.AsyncClient(config.Config("http://nowhere"))
        self.client._http = self
        self.quotes, self.orders, self.refusals = [], [], []

    async def call(self, operation, fields, key=None):
        if operation == "CreateQuote":
            self.quotes.append(fields)
            return models.QuoteView(id=f"q{len(self.quotes)}", tasks=fields.get("tasks", 1), tasks_at_once=1)
        self.orders.append((json.loads(json.dumps(fields)), key))
        if self.refusals:
            raise self.refusals.pop(0)
        return models.OrderView(id=7)

    def submit(self, **options):
        return asyncio.run(self.client.submit("a", ["true"], **options))

    def test_a_sweep_runs_whole_whichever_alternative_it_takes(self):
        self.submit(matrix={"SEED": [1, 2, 3, 4]}, any_of=[{"nodes": 2}, {"gpus": 1}])
        self.assertEqual([quote["tasks"] for quote in self.quotes], [8, 4])

    def test_a_quote_for_another_number_of_tasks_is_not_taken(self):
        sweep = {"SEED": [1, 2, 3, 4]}
        gangs = models.Requirements(nodes=2)
        for wrong in (models.QuoteView(id="q", tasks=1), models.QuoteView(id="q", tasks=4, requirements=gangs)):
            with self.assertRaisesRegex(TypeError, f"for {wrong.tasks} tasks"):
                self.submit(matrix=sweep, quote=wrong)
        with self.assertRaisesRegex(TypeError, "for 2 tasks, and 3"):
            self.submit(tasks=3, quote=models.QuoteView(id="q", tasks=2))
        with self.assertRaisesRegex(TypeError, "the quote itself"):
            self.submit(matrix=sweep, quote="q")
        with self.assertRaisesRegex(TypeError, "for 2 tasks, and 1"):
            self.client.rent("a", quote=models.QuoteView(id="q", tasks=2))
        self.assertEqual(self.orders, [])
        self.submit(matrix=sweep, quote=models.QuoteView(id="q", tasks=4, requirements=models.Requirements()))
        self.submit(matrix=sweep, quote=models.QuoteView(id="q", tasks=8, requirements=gangs))
        self.submit(quote="q")
        self.assertEqual([fields["quote"] for fields, _ in self.orders], ["q"] * 3)

    def test_a_key_goes_with_alternatives_once_a_quote_has_chosen(self):
        choice = [{"gpus": 1}, {"gpus": 2}]
        for place in (self.submit, lambda **options: self.client.rent("a", **options)):
            with self.assertRaisesRegex(TypeError, "take a quote first"):
                place(any_of=choice, idempotency_key="mine")
        self.assertEqual((self.quotes, self.orders), ([], []))
        quote = asyncio.run(self.client.quote("a", any_of=choice))
        for _ in range(2):
            self.submit(quote=quote, any_of=choice, idempotency_key="mine")
        self.assertEqual(self.orders[0], self.orders[1])

    def test_a_rental_is_ordered_again_as_it_was_ordered_first(self):
        box = self.client.rent("a", any_of=[{"gpus": 1}, {"gpus": 2}])
        lost, gone = fallow.Unreachable("no answer"), fallow.QuoteGone(models.Problem(status=410, code="quote_gone"))
        self.refusals = [lost, gone, lost]
        for refused in list(self.refusals):
            with self.assertRaises(type(refused)):
                asyncio.run(box.open())
        first, again, anew = self.orders
        self.assertEqual(first, again)
        self.assertEqual((anew[1], anew[0]["quote"] == first[0]["quote"]), (first[1], False))
        self.assertEqual(len(self.quotes), 4)


class LargeOrderTest(unittest.TestCase):
    # An order's view lists its first tasks only.
    VIEW = models.OrderView(id=7, tasks_total=3, tasks_failed=2, state=models.OrderState.ORDER_FAILED,
                            tasks=[models.TaskView(index=0, state=models.TaskState.DONE)])

    def test_the_files_of_all_tasks_are_fetched(self):
        fetched = []

        class Client:
            store = mock.Mock()

            async def tasks(self, order):
                self.asked = order
                return [models.TaskView(index=index, output_manifest=name) for index, name in enumerate(("a", "", "c"))]

        async def get_folder(manifest, into):
            fetched.append((manifest, str(into)))
            return [into]

        client = Client()
        client.store.get_folder = get_folder
        paths = asyncio.run(_job.AsyncJob(client, self.VIEW).download("out"))
        self.assertEqual(fetched, [("a", "out/0"), ("c", "out/2")])
        self.assertEqual((client.asked, len(paths)), (7, 2))

    def test_what_failed_is_counted(self):
        self.assertIn("2 of its later tasks failed", str(fallow.JobFailed(self.VIEW)))


class WorkerTest(unittest.TestCase):
    @unittest.skipIf(sys.version_info < (3, 10), "needs sys.stdlib_module_names")
    def test_needs_nothing_but_the_standard_library(self):
        # It runs where neither the SDK nor its dependencies are.
        for name in ("_worker", "_plain"):
            tree = ast.parse((SDK / "fallow" / f"{name}.py").read_text())
            imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
            self.assertLessEqual({each.split(".")[0] for each in imported} - {"_plain", "numpy"},
                                 set(sys.stdlib_module_names), name)

    def test_another_python_is_said(self):
        import zipfile

        from fallow._package import package_function, package_inputs

        with tempfile.TemporaryDirectory() as folder:
            archive, inputs = pathlib.Path(folder, "job.pyz"), pathlib.Path(folder, "inputs")
            archive.write_bytes(package_function(len, (), "plain"))
            with zipfile.ZipFile(archive) as read:
                files = {name: read.read(name) for name in read.namelist()}
            files["meta.json"] = json.dumps({"python": [3, 1], "results": "plain"}).encode()
            with zipfile.ZipFile(archive, "w") as write:
                for name, data in files.items():
                    write.writestr(name, data)
            inputs.write_bytes(package_inputs([b"x"]))
            done = subprocess.run([sys.executable, str(archive), str(inputs), "1"], capture_output=True, check=True,
                                  env={**os.environ, "FALLOW_OUT": folder})
            kind, _, text = done.stdout.split(b" ")
            self.assertEqual(kind, _worker.BROKEN)
            self.assertIn("sent by Python 3.1", json.loads(base64.b64decode(text))["text"])


if __name__ == "__main__":
    main()
