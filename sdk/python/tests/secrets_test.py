#!/usr/bin/env python3
"""Jobs with secrets: what is read, sealed and handed over, and to whom it is not; then over a real market."""
import asyncio
import base64
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings
from unittest import mock

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from harness import PATIENCE, QUERY, ROOT, MarketTest, fallow, main
from nacl.public import PrivateKey, SealedBox

from fallow import _secrets, models
from fallow._secret_keeper import SecretKeeper, SecretKeeping, sealed_for

TOKEN = "hunter2-of-the-renter"
OPEN, DONE = models.OrderState.OPEN, models.OrderState.ORDER_DONE


def refused(status, code):
    return fallow.errors.refusal(status, {"detail": "no", "code": code})


class SourcesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        patch = mock.patch.dict(os.environ, {"TOKEN": TOKEN})
        patch.start()
        self.addCleanup(patch.stop)

    def file(self, data):
        path = self.folder / "secret"
        path.write_bytes(data)
        return f"file:{path}"

    def test_are_those_of_the_command_line(self):
        for given in (["TOKEN"], ("TOKEN",), iter(["TOKEN"]), {"TOKEN": "env:TOKEN"}, {"TOKEN": self.file(TOKEN.encode())}):
            found = _secrets.read(given)
            self.assertEqual((found.names, TOKEN.encode() in found.for_lease(1)), (["TOKEN"], True))
            self.assertNotIn(TOKEN, repr(found))
        # A line end at a file's end is its editor's; a second one is the secret's.
        for written, value in ((b"a\n", b"a"), (b"a\r\n", b"a"), (b"a\r", b"a"), (b"a\n\n", b"a\n"), (b"a\nb", b"a\nb"),
                               (b"", b"")):
            whole = _secrets.read({"A": self.file(written)}).for_lease(0)
            self.assertEqual(whole, _secrets.Secrets({"A": value.decode()}).for_lease(0), written)
        self.assertFalse(_secrets.read())
        self.assertTrue(_secrets.read(image_user="me", image_password="env:TOKEN"))

    def test_what_is_wrong_is_said_and_no_value_shown(self):
        lost = fallow.SecretFailed
        for options, error, said in (
                ({"secrets": ["NOT_SET"]}, lost, "environment variable NOT_SET, which is not set"),
                ({"secrets": {"A": "file:/no/such/file"}}, lost, "the secret A cannot be read: .*No such file"),
                ({"secrets": {"A": f"file:{self.folder}"}}, lost, "the secret A cannot be read"),
                ({"secrets": {"A": self.file(b"x" * 32769)}}, lost, "at most 32768 bytes"),
                ({"secrets": {"A": self.file(b"x\0y")}}, lost, "without zero bytes"),
                ({"secrets": {"A": self.file(b"\xff")}}, lost, "UTF-8"),
                ({"secrets": {"A": TOKEN}}, ValueError, "never the value itself"),
                ({"secrets": {"A": "env:"}}, ValueError, "never the value itself"),
                ({"secrets": {"A": None}}, ValueError, "never the value itself"),
                ({"secrets": [f"A={TOKEN}"]}, ValueError, "letters, digits and underscores"),
                ({"secrets": {TOKEN: "env:TOKEN"}}, ValueError, "letters, digits and underscores"),
                ({"secrets": "TOKEN"}, TypeError, "no single text"),
                ({"image_user": "me"}, lost, "FALLOW_IMAGE_PASSWORD, which is not set"),
                ({"image_user": "me", "image_password": TOKEN}, ValueError, "never the password itself")):
            with self.subTest(options), self.assertRaisesRegex(error, said) as caught:
                _secrets.read(**options)
            self.assertNotIn(TOKEN, str(caught.exception))
        two = self.file(b"x" * 32768)
        with self.assertRaisesRegex(lost, "60 KiB together"):
            _secrets.read({"A": two, "B": two})

    def test_pynacl_is_needed_for_secrets_alone(self):
        script = ("import sys; sys.modules['nacl'] = None\nimport fallow, fallow._secrets as s, fallow._function\n"
                  "assert not s.read()\n"
                  "try:\n  s.read(['TOKEN'])\nexcept fallow.SecretFailed as error:\n  print(error)")
        done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True, cwd=ROOT / "sdk" / "python")
        self.assertIn("apt install python3-nacl", done.stdout, done.stderr)
        self.assertIn("pip install 'fallow[secrets]'", done.stdout)

    @unittest.skipUnless(shutil.which("protoc"), "apt-get install protobuf-compiler")
    def test_the_bytes_are_protobufs(self):
        for lease, environment, user, password in (
                (1, {"A": "b"}, "", ""), (300, {}, "me", "geheim"),
                ((1 << 64) - 1, {"A": "", "B": "ü" * 100, "C": "x" * 20_000}, "a", "")):
            text = f'lease: {lease}\nimage_user: "{user}"\nimage_password: "{password}"\n' + "".join(
                f'environment {{ name: "{name}" value: "{value}" }}\n' for name, value in environment.items())
            done = subprocess.run(["protoc", f"-I{ROOT / 'proto'}", "--encode=fallow.v1.LeaseSecrets", "fallow/v1/agent.proto"],
                                  input=text.encode(), capture_output=True, check=True)
            self.assertEqual(_secrets.Secrets(environment, user, password).for_lease(lease), done.stdout)


class Node:
    """Asks as an agent does."""

    def __init__(self):
        self.node_key = Ed25519PrivateKey.generate()
        self.box_key = PrivateKey.generate()

    def ask(self, of, **changes):
        public_key = bytes(self.box_key.public_key)
        signed = b"fallow secret ask v1" + of.to_bytes(8, "little") + changes.pop("signed_key", public_key)
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        view = {"lease": of, "node": 7, "node_name": "seven", "node_key": self.node_key.public_key().public_bytes(*raw).hex(),
                "public_key": public_key.hex(), "signature": self.node_key.sign(signed).hex()}
        return models.SecretAskView(**{**view, **changes})


class FakeMarket:
    """In the place of an AsyncClient, as far as a keeper needs one: each round of asks is one list, or what it raises."""

    def __init__(self, *rounds):
        self.rounds = list(rounds)
        self.sent = {}
        self.refusals = {}

    async def call(self, operation, **fields):
        if operation == "GetOrder":
            return models.OrderView(id=1, state=OPEN if self.rounds else DONE)
        if operation == "ListSecretAsks":
            asks = self.rounds.pop(0) if self.rounds else []
            if isinstance(asks, Exception):
                raise asks
            return models.ListSecretAsksResponse(asks=asks)
        if fields["lease"] in self.refusals:
            raise self.refusals[fields["lease"]]
        self.sent[fields["lease"]] = base64.b64decode(fields["sealed"], validate=True)
        return models.DeliverSecretsResponse()


class SealTest(unittest.TestCase):
    def setUp(self):
        self.node = Node()
        self.secrets = _secrets.Secrets({"TOKEN": TOKEN})

    def keep(self, market):
        keeper = SecretKeeper(market, 1, self.secrets)
        asyncio.run(asyncio.wait_for(keeper.keep(), 20))
        return [ask.lease for ask in keeper.handed]

    def test_only_who_asked_opens_it(self):
        sealed = sealed_for(self.node.ask(300), self.secrets)
        self.assertNotIn(TOKEN.encode(), sealed)
        self.assertEqual(SealedBox(self.node.box_key).decrypt(sealed), self.secrets.for_lease(300))

    def test_nothing_is_sealed_for_a_key_that_the_node_has_not_signed(self):
        other = Node()
        null = bytes(32)  # a point of small order: everybody would know what follows from it
        for lie in ({"public_key": bytes(other.box_key.public_key).hex()}, {"node_key": other.ask(300).node_key},
                    {"lease": 301}, {"lease": 1 << 64}, {"lease": -1}, {"signature": ""}, {"signature": "no hex"},
                    {"node_key": "00"}, {"public_key": null.hex(), "signed_key": null},
                    {"public_key": "00", "signed_key": b"\0"}):
            with self.subTest(lie):
                market = FakeMarket([self.node.ask(300, **lie)])
                with self.assertRaisesRegex(fallow.SecretFailed, "lease -?[0-9]+ with a key that it has not signed"):
                    self.keep(market)
                self.assertEqual(market.sent, {})

    def test_what_may_pass_is_passed_over(self):
        market = FakeMarket(fallow.Unreachable("away"), refused(503, "busy"), [self.node.ask(lease) for lease in (1, 2, 3)])
        market.refusals = {1: refused(409, "not_asked"), 2: fallow.Unreachable("away")}
        self.assertEqual(self.keep(market), [3])
        self.assertEqual(SealedBox(self.node.box_key).decrypt(market.sent[3]), self.secrets.for_lease(3))
        for error in (refused(404, "not_found"), refused(401, "key_unknown")):
            with self.assertRaises(type(error)):
                self.keep(FakeMarket(error, []))
        market = FakeMarket([self.node.ask(1)])
        market.refusals = {1: refused(403, "not_allowed")}
        with self.assertRaises(fallow.NotAllowed):
            self.keep(market)

    def test_who_leaves_an_open_job_is_warned(self):
        async def play(market, leave):
            keeping = SecretKeeping(SecretKeeper(market, 1, self.secrets), 1)
            await asyncio.sleep(0.05)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                if leave:
                    leave(keeping)
                await asyncio.wait_for(keeping.aclose(), 5)
            self.assertTrue(keeping.is_done)
            return [str(warning.message) for warning in caught]

        self.assertIn("fallow secrets 1", asyncio.run(play(FakeMarket([], []), None))[0])
        self.assertEqual(asyncio.run(play(FakeMarket([], []), SecretKeeping.end)), [])
        self.assertEqual(asyncio.run(play(FakeMarket(), None)), [])  # it has ended


class SecretsTest(MarketTest):
    nodes = ("one",)

    def setUp(self):
        patch = mock.patch.dict(os.environ, {"TOKEN": TOKEN})
        patch.start()
        self.addCleanup(patch.stop)

    def words(self, text):
        return ["sh", "-c", f'echo "{text}"']

    def test_a_job_and_a_rental_have_them(self):
        job = fallow.run(QUERY, self.words("has $TOKEN $OTHER"), hours=0.1,
                         secrets={"TOKEN": "env:TOKEN", "OTHER": "env:TOKEN"})
        self.assertIn(f"has {TOKEN} {TOKEN}\n", job.output())
        # Names, and nothing more, are for everybody who audits.
        self.assertEqual(job.view.workload.secrets, ["TOKEN", "OTHER"])
        self.assertNotIn(TOKEN, repr(job.view))
        with fallow.rent(QUERY, hours=0.1, secrets=["TOKEN"]) as box:
            there = box.exec(["sh", "-c", "tr '\\0' '\\n' < /proc/1/environ; cat /proc/[0-9]*/environ | tr '\\0' '\\n'"])
            self.assertIn(f"TOKEN={TOKEN}\n", there.text)
        self.assert_nothing_open()

    def test_a_map_has_them(self):
        @fallow.function(gpu=QUERY, hours=0.1, secrets=["TOKEN"], batch=2)
        def token_and(x):
            return f"{os.environ['TOKEN']} {x}"

        self.assertEqual(list(token_and.map(range(6))), [f"{TOKEN} {x}" for x in range(6)])
        self.assertEqual(token_and.remote(7), f"{TOKEN} 7")

    def test_with_await_and_for_a_job_that_nobody_follows(self):
        async def play():
            async with fallow.AsyncClient(self.client.config) as client:
                job = await client.submit(QUERY, self.words("has $TOKEN"), secrets=["TOKEN"], hours=0.1)
                self.assertEqual((await job.wait(30)).state, DONE)
                return await job.output()

        self.assertIn(f"has {TOKEN}\n", asyncio.run(play()))
        order = self.client.call("CreateOrder", name="detached", requirements={"query": QUERY, "hours": 0.1}, workload={
            "command": self.words("has $TOKEN"), "secrets": ["TOKEN"]})
        with self.assertRaisesRegex(ValueError, "no secret of the name OTHER; it names TOKEN"):
            fallow.deliver_secrets(order.id, {"OTHER": "env:TOKEN"})
        handed = fallow.deliver_secrets(order.id)
        job = self.client.job(order.id)
        self.assertEqual(job.view.state, DONE)
        self.assertIn(f"has {TOKEN}\n", job.output())
        self.assertEqual([(ask.lease, len(ask.node_key)) for ask in handed], [(job.leases()[0].id, 64)])

    def test_a_program_that_ends_before_its_job_says_so(self):
        script = f"import fallow; fallow.submit({QUERY!r}, ['sleep', '300'], secrets=['TOKEN'], hours=0.1)"
        config = self.client.config
        environment = dict(os.environ, FALLOW_URL=config.url, FALLOW_API_KEY=config.api_key,
                           FALLOW_CERTIFICATE=config.certificate)
        done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True, env=environment,
                              cwd=ROOT / "sdk" / "python", timeout=10 * PATIENCE)
        (job,) = self.client.jobs(open_only=True)
        job.stop()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"`fallow secrets {job.id}`", done.stderr)
        self.assert_nothing_open()

    def test_what_is_missing_is_said_before_anything_is_ordered(self):
        def count():
            return len(self.client.jobs())

        before = count()
        lost = fallow.function(gpu=QUERY, hours=0.1, secrets=["NOT_SET"])(lambda x: x)
        for order in (lambda: fallow.run(QUERY, ["true"], secrets=["NOT_SET"], input="/no/such/folder"),
                      lambda: fallow.submit(QUERY, ["true"], secrets=["NOT_SET"]),
                      lambda: fallow.rent(QUERY, secrets=["NOT_SET"]), lambda: lost.remote(1), lambda: lost.map([1])):
            with self.assertRaisesRegex(fallow.SecretFailed, "NOT_SET, which is not set"):
                order()
        with self.assertRaisesRegex(fallow.Refused, "name the image"):
            fallow.run(QUERY, ["true"], image_user="me", image_password="env:TOKEN")
        with self.assertRaisesRegex(fallow.Refused, "is the market's to set"):
            fallow.run(QUERY, ["true"], secrets={"FALLOW_X": "env:TOKEN"})
        self.assertEqual(count(), before)


if __name__ == "__main__":
    main()
