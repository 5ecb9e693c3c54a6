#!/usr/bin/env python3
"""The SDK's end of a tunnel against a sandbox of the test's own, which may lie: docs/formats/tunnel.md."""
import asyncio
import contextlib
import os
import pathlib
import random
import re
import struct
import sys
import tempfile
import unittest
from unittest import mock

import wsproto
from wsproto import events

from harness import ROOT, fallow, main

from fallow import _files, _frames, config
from fallow._tunnel import WINDOW_BYTES

HELLO = _frames.frame(_frames.HELLO, _frames.VERSION, 0)


class FormatTest(unittest.TestCase):
    def test_the_worked_example(self):
        text = (ROOT / "docs" / "formats" / "tunnel.md").read_text().split("## Worked example")[1]
        there, back = map(example, text.split("and from the sandbox:"))
        stream = _frames.exec_request(["true"], {})
        self.assertEqual(HELLO + _frames.frame(_frames.OPEN, 0, 1, stream) + _frames.frame(_frames.END, 0, 1), there)
        frames = list(_frames.Decoder().feed(back))
        self.assertEqual([frame.kind for frame in frames], [_frames.HELLO, _frames.NOTE, _frames.END])
        self.assertEqual(_frames.note_of(frames[1].payload), _frames.Exit(0, ""))

    def test_any_cut_gives_the_same_frames(self):
        chance = random.Random(1)
        whole = b"".join(_frames.frame(chance.randint(1, 8), number % 3, number, os.urandom(chance.randrange(300)))
                         for number in range(100))
        expected = list(_frames.Decoder().feed(whole))
        self.assertEqual(len(expected), 100)
        for _ in range(30):
            cuts = sorted(chance.sample(range(len(whole)), 20))
            decoder = _frames.Decoder()
            got = [frame for begin, end in zip([0, *cuts], [*cuts, len(whole)]) for frame in decoder.feed(whole[begin:end])]
            self.assertEqual(got, expected)

    def test_a_strangers_notes_only_fail(self):
        chance = random.Random(2)
        notes = [_frames.entry_note(_frames.Entry(False, 0o644, 1 << 40, "a/b", "c")), b"x" + struct.pack("<II", 7, 2) + b"no",
                 b"l" + struct.pack("<I", 3) + b"why"]
        self.assertEqual(_frames.note_of(notes[0]).size, 1 << 40)
        for note in notes:
            for end in range(1, len(note)):
                with self.assertRaises(_frames.Broken):
                    _frames.note_of(note[:end])
            with self.assertRaises(_frames.Broken):
                _frames.note_of(note + b"x")
        for _ in range(5000):
            try:
                _frames.note_of(bytes(chance.randrange(256) for _ in range(chance.randrange(40))))
            except _frames.Broken:
                pass
        self.assertIsNone(_frames.note_of(b"?new"))


def example(text):
    """The bytes of an indented block, up to what is said of each line."""
    lines = [re.match(r" {4,7}((?:[0-9a-f]{2}(?: {1,2}|$))+)", line) for line in text.splitlines()]
    return bytes.fromhex("".join(line[1].replace(" ", "") for line in lines if line))


class Sandbox:
    """A server whose every tunnel is played by `play(sandbox)`: send() and frames() are its two ways."""

    def __init__(self, play, first=HELLO):
        self._play = play
        self._first = first
        self.failures = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.client = fallow.AsyncClient(config.Config(f"http://127.0.0.1:{port}", "fk_x"))
        return self.client.reach(17)

    async def __aexit__(self, *_):
        await self.client.close()
        self._server.close()

    async def _serve(self, reader, writer):
        self._reader, self._writer = reader, writer
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        self._decoder = _frames.Decoder()
        try:
            while True:
                self._protocol.receive_data(await reader.read(65536) or None)
                for event in self._protocol.events():
                    if isinstance(event, events.Request):
                        # In one piece with the answer, as it may come.
                        answer = self._protocol.send(events.AcceptConnection())
                        writer.write(answer + self._protocol.send(events.BytesMessage(data=self._first)))
                        await self._play(self)
                        return
        except (OSError, wsproto.utilities.ProtocolError):
            pass
        except Exception as error:
            self.failures.append(error)
        finally:
            writer.close()

    async def send(self, *frames):
        for frame in frames:
            self._writer.write(self._protocol.send(events.BytesMessage(data=frame)))
        await self._writer.drain()

    async def frames(self):
        while True:
            data = await self._reader.read(65536)
            if not data:
                return
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                if isinstance(event, events.BytesMessage):
                    for frame in self._decoder.feed(bytes(event.data)):
                        yield frame


def entry(path, size=0, is_folder=False, name=""):
    return _frames.frame(_frames.NOTE, 0, 1, _frames.entry_note(_frames.Entry(is_folder, 0o755, size, path, name)))


def data(payload, channel=0):
    return _frames.frame(_frames.DATA, channel, 1, payload)


END = _frames.frame(_frames.END, 0, 1)
EXIT = _frames.frame(_frames.NOTE, 0, 1, b"x" + struct.pack("<II", 0, 0))


def answering(*answer):
    """Sends this when the first stream was opened, and reads on to the end."""
    async def play(sandbox):
        async for frame in sandbox.frames():
            if frame.kind == _frames.OPEN:
                await sandbox.send(*answer)

    return play


class LyingSandboxTest(unittest.TestCase):
    def test_what_breaks_the_protocol_ends_the_way(self):
        window = _frames.frame(_frames.WINDOW, 0, 1, _frames.u32(WINDOW_BYTES))
        too_much = [data(bytes(32768))] * (WINDOW_BYTES // 32768 + 1)
        for words, answer in (("unknown kind", [b"\xff" * 8]), ("never opened", [_frames.frame(_frames.DATA, 0, 7, b"x")]),
                              ("more was granted", [window]), ("of no bytes", [data(b"")]), ("ended twice", [END, END]),
                              ("behind a stream's end", [END, data(b"x")]), ("never opened", [HELLO]),
                              ("more data than was granted", too_much), ("cut off", [_frames.frame(_frames.NOTE, 0, 1, b"x")]),
                              ("it said why", [_frames.frame(_frames.GOODBYE, 0, 0, b"it said why\x1b[2J")])):
            async def play(answer=answer):
                async with Sandbox(answering(*answer)) as reach:
                    process = await reach.start(["true"])
                    await asyncio.sleep(0.1)  # nothing is read, so what was granted is all that there is
                    with self.assertRaises(fallow.ReachFailed):
                        await process.wait()
                    end = reach._tunnel.end
                    await reach.aclose()
                    return str(end)

            said = asyncio.run(play())
            self.assertIn(words, said)
            self.assertNotIn("\x1b", said)

    def test_what_nobody_reads_has_a_bound(self):
        skipped = _frames.frame(_frames.NOTE, 0, 1, b"l" + struct.pack("<I", 0))
        unknown = _frames.frame(_frames.NOTE, 0, 1, b"?" * 1000)

        async def play(answer):
            async with Sandbox(answering(*answer)) as reach:
                process = await reach.start(["true"])
                end = asyncio.get_running_loop().time() + 60
                kept = 0
                while reach._tunnel.end is None and asyncio.get_running_loop().time() < end:
                    await asyncio.sleep(0.05)
                    kept = max(kept, sum(len(frame.payload) for frame in process._stream._came))
                end = reach._tunnel.end
                await reach.aclose()
                return kept, str(end)

        # Notes take credit until they are read, and the empty ones, which take none, are not allowed.
        kept, end = asyncio.run(play([skipped * 1000] * (WINDOW_BYTES // 5000 + 2)))
        self.assertIn("more data than was granted", end)
        self.assertLessEqual(kept, WINDOW_BYTES)
        self.assertIn("of no bytes", asyncio.run(play([_frames.frame(_frames.NOTE, 0, 1)]))[1])
        # What a newer sandbox says is passed over.
        kept, end = asyncio.run(play([unknown * 10] * 100 + [_frames.frame(_frames.GOODBYE, 0, 0, b"that is all")]))
        self.assertEqual(kept, 0)
        self.assertIn("that is all", end)

    def test_another_version_is_said(self):
        async def play():
            async with Sandbox(answering(), first=_frames.frame(_frames.HELLO, 2, 0)) as reach:
                with self.assertRaisesRegex(fallow.WayLost, "version 2; update the older"):
                    await reach.exec(["true"])
                await reach.aclose()

        asyncio.run(play())

    def test_no_file_leads_out(self):
        for answer in ([entry("", is_folder=True), entry("../x", 1), data(b"x")], [entry("", is_folder=True), entry("/x", 1)],
                       [entry("a", 1)], [entry("", 1, name="../x"), data(b"xy")], [entry("", 5), data(b"abc"), END],
                       [entry("", 1), data(b"a"), entry("", 1)], [entry("", 1), data(b"a"), entry("x", 1)], [END],
                       [entry("", is_folder=True), entry("link/x", 1), data(b"x"), END], [data(b"x")],
                       [entry("", is_folder=True), entry("a//b", 1)], [entry("", is_folder=True), entry("a\0b", 1)],
                       [entry("", is_folder=True), entry("x" * 256, 1)], [entry("", is_folder=True), entry("deep/x", 1)]):
            async def play(folder, answer=answer):
                async with Sandbox(answering(*answer)) as reach:
                    with self.assertRaises(fallow.ReachFailed, msg=str(answer)):
                        await reach.get("results", folder / "inside" / "results")
                    await reach.aclose()

            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                (folder / "inside" / "results").mkdir(parents=True)
                (folder / "inside" / "results" / "results").mkdir()
                (folder / "inside" / "results" / "results" / "link").symlink_to(folder)
                before = sorted(folder.rglob("*"))
                asyncio.run(play(folder))
                self.assertEqual([path for path in folder.rglob("*") if path not in before and path.is_file()
                                  and path.name != "results"], [])

    def test_a_name_is_ours_to_choose(self):
        async def play(folder):
            answer = [entry("", 2, name=".bashrc"), data(b"hi"), END]
            async with Sandbox(answering(*answer)) as reach:
                copied = await reach.get("/out/result", folder)
                await reach.aclose()
                return copied

        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(asyncio.run(play(folder)).path, os.path.join(folder, "result"))
            self.assertEqual(os.listdir(folder), ["result"])

    def test_a_sender_waits_for_credit(self):
        sent = []

        async def play(sandbox):
            async for frame in sandbox.frames():
                if frame.kind == _frames.DATA:
                    sent.append(len(frame.payload))
                    if sum(sent) == WINDOW_BYTES:
                        await asyncio.sleep(0.2)
                        sent.append(0)
                        await sandbox.send(_frames.frame(_frames.WINDOW, 0, 1, _frames.u32(300)))
                if sum(sent) == WINDOW_BYTES + 300:
                    sent.append(0)
                    await sandbox.send(EXIT, END)
                    return await asyncio.sleep(1)

        async def renter():
            sandbox = Sandbox(play)
            async with sandbox as reach:
                done = await asyncio.wait_for(reach.exec(["cat"], input=bytes(1 << 20)), 20)
                await reach.aclose()
            self.assertEqual((done.code, sandbox.failures), (0, []))

        asyncio.run(renter())
        self.assertEqual(sum(sent), WINDOW_BYTES + 300)
        self.assertEqual(sent[-3:], [0, 300, 0])

    def test_what_was_read_is_granted_again(self):
        total = 4 * WINDOW_BYTES

        async def play(sandbox):
            credit = 0
            async for frame in sandbox.frames():
                if frame.kind in (_frames.OPEN, _frames.WINDOW):
                    credit += WINDOW_BYTES if frame.kind == _frames.OPEN else _frames.u32_of(frame.payload)
                while credit >= 32768 and sandbox.left:
                    credit -= 32768
                    sandbox.left -= 32768
                    await sandbox.send(data(bytes(32768)))
                    if not sandbox.left:
                        await sandbox.send(EXIT, END)

        async def renter():
            sandbox = Sandbox(play)
            sandbox.left = total
            async with sandbox as reach:
                done = await asyncio.wait_for(reach.exec(["cat"]), 20)
                await reach.aclose()
            self.assertEqual(len(done.stdout), total)

        asyncio.run(renter())

    def test_without_wsproto_it_says_what_to_install(self):
        async def play():
            client = fallow.AsyncClient(config.Config("http://127.0.0.1:9", "fk_x"))
            with mock.patch.dict(sys.modules, {"wsproto": None}):
                with self.assertRaisesRegex(fallow.FallowError, r"pip install 'fallow\[reach\]'.*apt install python3-wsproto"):
                    await client.reach(17).exec(["true"])

        asyncio.run(play())


class FilesTest(unittest.TestCase):
    def test_where_things_land(self):
        self.assertEqual([_files.name_of(path) for path in ("", ".", "/work", "/out/", "/", "a/b", "a/b/", "/out/x")],
                         ["files"] * 5 + ["b", "b", "x"])
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(_files.landing_of("/out/x", folder), (pathlib.Path(folder), "x"))
            self.assertEqual(_files.landing_of("/out/x", folder + "/y"), (pathlib.Path(folder), "y"))

    def test_a_full_disk_is_said_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            with contextlib.ExitStack() as stack:
                receiver = stack.enter_context(_files.Receiver(folder, "x"))
                receiver.entry(_frames.Entry(False, 0o644, 10, "", ""))
                stack.enter_context(mock.patch("os.write", side_effect=OSError(28, "No space left on device")))
                with self.assertRaisesRegex(fallow.ReachFailed, "cannot write x: No space left"):
                    receiver.data(b"12345")
            self.assertEqual(list(folder.iterdir()), [])


if __name__ == "__main__":
    main()
