#!/usr/bin/env python3
"""What the SDK takes for an answer, against a server of the test's own."""
import asyncio
import contextlib
import dataclasses
import enum
import inspect
import json
import pathlib
import tempfile
import typing
import unittest
from decimal import Decimal
from unittest import mock

from harness import fallow, main

from fallow import _http, artifacts, config, models
from fallow._routes import ROUTES
from fallow._wire import scalars_of

HEARTBEAT = b": still here\n\n"


def answer(body, *, chunked=False):
    head = b"HTTP/1.1 200 x\r\n"
    if chunked:
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


@contextlib.asynccontextmanager
async def serving(answer_to):
    """An Http of a server that sends answer_to(target) and closes the connection."""
    async with serving_requests(lambda request: answer_to(request.split(b" ")[1].decode())) as http:
        yield http


@contextlib.asynccontextmanager
async def serving_requests(answer_to):
    """The same of the request's whole head."""
    async def serve(reader, writer):
        try:
            writer.write(answer_to(await reader.readuntil(b"\r\n\r\n")))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    http = _http.Http(config.Config(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    with mock.patch.multiple(_http, BACKOFF_FIRST_S=0.001, BACKOFF_MAX_S=0.002):
        yield http
    await http.close()
    server.close()


class StreamTest(unittest.TestCase):
    def test_heartbeats_keep_it(self):
        # Nothing happens for long, on a line that never holds for long: no reason to give up.
        connections = []

        def answer_to(_):
            connections.append(None)
            body = HEARTBEAT if len(connections) < 3 * _http.ATTEMPTS_MAX else b"event: end\ndata: {}\n\n"
            return b"HTTP/1.1 200 x\r\nContent-Type: text/event-stream\r\n\r\n" + body

        async def follow():
            async with serving(answer_to) as http:
                return [event async for event in http.stream("FollowEvents", {})]

        self.assertEqual(asyncio.run(follow()), [])
        self.assertEqual(len(connections), 3 * _http.ATTEMPTS_MAX)

    def test_goes_on_where_it_began_before_anything_came(self):
        ids = []

        def answer_to(request):
            fields = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if line)
            ids.append({name.lower(): value for name, value in fields.items()}.get(b"last-event-id"))
            bodies = [b"id: 41\n\n", b'id: 41\n\nid: 42\ndata: {"index": "42"}\n\n', b"event: end\ndata: {}\n\n"]
            return b"HTTP/1.1 200 x\r\nContent-Type: text/event-stream\r\n\r\n" + bodies[len(ids) - 1]

        async def follow():
            async with serving_requests(answer_to) as http:
                return [event.index async for event in http.stream("FollowEvents", {})]

        self.assertEqual(asyncio.run(follow()), [42])
        self.assertEqual(ids, [None, b"41", b"42"])

    def test_a_problem_that_comes_every_time_is_raised(self):
        problem = b'event: error\ndata: {"status": 503, "code": "busy", "detail": "why"}\n\n'
        for before in (b"", b"id: 7\n\n"):
            connections = []

            def answer_to(_):
                connections.append(None)
                ends = len(connections) > 3 * _http.ATTEMPTS_MAX  # were it asked for ever
                return (b"HTTP/1.1 200 x\r\nContent-Type: text/event-stream\r\n\r\n"
                        + (b"event: end\ndata: {}\n\n" if ends else before + problem))

            async def follow():
                async with serving(answer_to) as http:
                    return [event async for event in http.stream("FollowEvents", {})]

            with self.assertRaises(fallow.Refused) as caught:
                asyncio.run(follow())
            self.assertEqual((caught.exception.code, len(connections)), ("busy", _http.ATTEMPTS_MAX))

    def test_what_is_no_stream_of_events_is_not_asked_for_again(self):
        connections = []

        def answer_to(_):
            connections.append(None)
            return b"HTTP/1.1 200 x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Please log in"

        async def follow():
            async with serving(answer_to) as http:
                return [event async for event in http.stream("FollowEvents", {})]

        with self.assertRaisesRegex(fallow.Unreachable, "text/html"):
            asyncio.run(follow())
        self.assertEqual(len(connections), 1)

    def test_a_server_that_says_nothing_is_given_up(self):
        async def follow():
            async with serving(lambda _: b"HTTP/1.1 200 x\r\nContent-Type: text/event-stream\r\n\r\n") as http:
                return [event async for event in http.stream("FollowEvents", {})]

        with self.assertRaises(fallow.Unreachable):
            asyncio.run(follow())


class StoreTest(unittest.TestCase):
    def test_asks_each_time_which_keeps_it_from_being_swept(self):
        targets = []

        def answer_to(target):
            targets.append(target)
            return answer(b"")

        async def play():
            async with serving(answer_to) as http:
                store = artifacts.Store(http)
                return [await store.put(b"the same") for _ in range(2)]

        digest = artifacts.digest_of(b"the same")
        self.assertEqual(asyncio.run(play()), [digest] * 2)
        self.assertEqual(targets, [f"/v1/artifacts/{digest}"] * 2)


class SizeTest(unittest.TestCase):
    def test_a_strangers_blob_has_a_largest_size(self):
        data = bytes(1000)

        async def play(chunked):
            async with serving(lambda _: answer(data, chunked=chunked)) as http:
                store = artifacts.Store(http)
                digest = artifacts.digest_of(data)
                self.assertEqual(await store.get(digest, len(data)), data)
                self.assertEqual(await store.get(digest), data)
                with self.assertRaisesRegex(_http.TooLarge, "999 bytes"):
                    await store.get(digest, len(data) - 1)

        for chunked in (False, True):
            asyncio.run(play(chunked))

    def test_a_manifest_has_one_too(self):
        async def play():
            async with serving(lambda _: answer(bytes(1000))) as http:
                with mock.patch.object(artifacts, "_TEXT_BYTES_MAX", 999):
                    await artifacts.Store(http).files_of(artifacts.digest_of(bytes(1000)))

        with self.assertRaisesRegex(artifacts.ArtifactError, "no manifest"):
            asyncio.run(play())

    def test_a_folder_comes_whole_or_says_what_is_wrong(self):
        whole = bytes(range(256)) * 10_000
        good = artifacts.File("a/b", artifacts.digest_of(whole), len(whole))

        def blobs_of(files, cut_first):
            text = artifacts.manifest_text(files)
            cuts = [cut_first]

            def answer_to(target):
                if target.endswith(artifacts.digest_of(text)):
                    return answer(text)
                return answer(whole)[:5000 if cuts and cuts.pop() else None]
            return artifacts.digest_of(text), answer_to

        async def get(files, folder, cut_first=False):
            manifest, answer_to = blobs_of(files, cut_first)
            async with serving(answer_to) as http:
                return await artifacts.Store(http).get_folder(manifest, folder)

        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            # Half of it came first, and the second time all of it.
            self.assertEqual(asyncio.run(get([good], root / "good", cut_first=True)), [root / "good" / "a" / "b"])
            self.assertEqual((root / "good" / "a" / "b").read_bytes(), whole)
            for wrong, words in ((dataclasses.replace(good, size=len(whole) - 1), "larger than"),
                                 (dataclasses.replace(good, digest="0" * 64), "not the answer")):
                with self.assertRaisesRegex(fallow.FallowError, words):
                    asyncio.run(get([wrong], root / "wrong"))
                self.assertEqual([path for path in (root / "wrong").rglob("*") if path.is_file()], [])
            with self.assertRaisesRegex(artifacts.ArtifactError, "exists already"):
                asyncio.run(get([good], root / "good"))


def example_of(kind):
    """A value of the API's JSON for a field of this kind."""
    if typing.get_origin(kind) is list:
        return []
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return next(iter(kind)).value
    return {bool: False, float: 0.0}.get(kind, "0")


def document_of(model):
    hints = typing.get_type_hints(model)
    return {name: example_of(hints[name]) for name in scalars_of(model)}


class AnswerTest(unittest.TestCase):
    ANSWERS = sorted({route.answer for route in ROUTES.values() if route.answer and not route.is_stream},
                     key=lambda model: model.__name__)

    def is_of(self, model, document, asked_id=None):
        return _http._is_of(model, _http.Answer(200, {}, json.dumps(document).encode()), asked_id)

    def test_an_older_server_does_not_know_the_newest_fields(self):
        for model in self.ANSWERS:
            document = document_of(model)
            if not document:
                continue
            newest = [("new_word", str, ""), ("new_price", Decimal, Decimal(0))]
            newer = dataclasses.make_dataclass(model.__name__, newest, bases=(model,), frozen=True)
            self.assertTrue(self.is_of(newer, document), model)
            self.assertTrue(self.is_of(model, {**document, "newest": ""}), model)
            for core in {"id", "state"} & document.keys():
                self.assertFalse(self.is_of(model, {key: document[key] for key in document if key != core}), model)

    def test_no_answer_passes_for_another(self):
        for model in self.ANSWERS:
            self.assertTrue(self.is_of(model, document_of(model)))
            for other in self.ANSWERS:
                # One that holds every field of the other could not be told from it by any rule.
                if not scalars_of(other) <= scalars_of(model):
                    self.assertFalse(self.is_of(other, document_of(model)), f"{model} for {other}")
            for nothing in ([], None, "word", *([{}, {"code": "x", "detail": "y"}] if scalars_of(model) else [])):
                self.assertFalse(self.is_of(model, nothing), model)

    def test_another_ones_answer_is_none(self):
        document = document_of(models.OrderView)
        self.assertTrue(self.is_of(models.OrderView, {**document, "id": "7"}, "7"))
        self.assertFalse(self.is_of(models.OrderView, {**document, "id": "8"}, "7"))


if __name__ == "__main__":
    main()
