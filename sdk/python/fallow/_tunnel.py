"""A tunnel into a running lease: many streams over one WebSocket, with credit for each.

docs/formats/tunnel.md is the contract. What came and was not taken is at most a window for each stream; a sender waits until
the other side has room, so a stream that is not read holds up none but itself.
"""
import asyncio
import collections
from typing import Deque, Dict, Optional

from . import _frames
from ._connection import Lost
from ._frames import Broken, Frame
from ._progress import defused
from ._websocket import WebSocket
from .errors import ReachFailed, WayLost

WINDOW_BYTES = 512 * 1024
STREAMS_MAX = 64
# Whatever is granted in smaller pieces costs more frames than it helps.
GRANT_BYTES_MIN = WINDOW_BYTES // 4
# With it a socket's closing is passed on: nothing went wrong.
CLOSED_REASON = "the connection at the other end was closed"


class Stream:
    """Made by Tunnel.open(). One task receives, one sends; any may reset()."""

    def __init__(self, tunnel: "Tunnel", number: int):
        self._tunnel = tunnel
        self.number = number
        self._came: Deque[Frame] = collections.deque()
        self._credit = WINDOW_BYTES
        self._granted = WINDOW_BYTES
        self._owed = 0
        self._moved = asyncio.Event()  # something came: frames, credit, the end
        self._failure: Optional[ReachFailed] = None
        self.has_ended = False  # this side
        self.peer_ended = False

    # ---- what comes ---------------------------------------------------------------------------------
    async def receive(self) -> Frame:
        """The next frame of data or notes, or the other side's end, once. ReachFailed when it was reset, WayLost."""
        while not self._came:
            if self._failure is not None:
                raise self._failure
            await self._wait()
        found = self._came.popleft()
        self._owe(len(found.payload))
        return found

    async def _wait(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    def _owe(self, count: int) -> None:
        self._owed += count
        if self._owed >= GRANT_BYTES_MIN and not self.peer_ended and self._failure is None:
            self._tunnel.write(_frames.frame(_frames.WINDOW, 0, self.number, _frames.u32(self._owed)))
            self._granted += self._owed
            self._owed = 0

    def take(self, came: Frame) -> None:
        """From the tunnel. Broken."""
        if came.kind in (_frames.DATA, _frames.NOTE):
            is_note = came.kind == _frames.NOTE
            if not came.payload or (self.peer_ended and not is_note):
                raise Broken("data behind a stream's end, or of no bytes")
            if len(came.payload) > self._granted:
                raise Broken("more data than was granted")
            self._granted -= len(came.payload)
            # Who takes a note need not ask whether it is one. Of a kind that is not known here it is not kept.
            if is_note and _frames.note_of(came.payload) is None:
                self._owe(len(came.payload))
            else:
                self._came.append(came)
        elif came.kind == _frames.WINDOW:
            self._credit += _frames.u32_of(came.payload)
            if self._credit > WINDOW_BYTES:
                raise Broken("more was granted than a window holds")
        elif came.kind == _frames.END:
            if self.peer_ended:
                raise Broken("a stream ended twice")
            self.peer_ended = True
            self._came.append(came)
        elif came.kind == _frames.RESET:
            self.fail(ReachFailed(defused(came.payload.decode("utf-8", "replace"))))
        else:
            raise Broken("a frame that no stream knows")
        self._moved.set()

    def fail(self, failure: ReachFailed) -> None:
        self._failure = self._failure or failure
        self._moved.set()

    # ---- what goes ----------------------------------------------------------------------------------
    async def send(self, data: bytes, channel: int = 0) -> None:
        """Waits for the other side's room. ReachFailed, WayLost."""
        if self.has_ended:
            raise ReachFailed("this side of it was closed before")
        at = 0
        while at < len(data):
            await self._room(1)
            piece = data[at:at + min(self._credit, _frames.PAYLOAD_BYTES_MAX)]
            at += len(piece)
            self._credit -= len(piece)
            await self._tunnel.send(_frames.frame(_frames.DATA, channel, self.number, piece))

    async def note(self, payload: bytes) -> None:
        if len(payload) > _frames.PAYLOAD_BYTES_MAX:
            raise ReachFailed("what is to be said is longer than 32 KiB")
        await self._room(len(payload))
        self._credit -= len(payload)
        await self._tunnel.send(_frames.frame(_frames.NOTE, 0, self.number, payload))

    async def _room(self, count: int) -> None:
        while self._credit < count or self._failure is not None:
            if self._failure is not None:
                raise self._failure
            await self._wait()

    async def end(self) -> None:
        """Sends no more data."""
        if not self.has_ended and self._failure is None:
            self.has_ended = True
            await self._tunnel.send(_frames.frame(_frames.END, 0, self.number))
            self._tunnel.forget_if_over(self)

    def reset(self, reason: str) -> None:
        """Over at once, both ways; nothing when it is over already."""
        if self._failure is None and not (self.has_ended and self.peer_ended):
            said = reason.encode()[:_frames.REASON_BYTES_MAX]
            self._tunnel.write(_frames.frame(_frames.RESET, 0, self.number, said))
        self.fail(ReachFailed(reason))
        self._tunnel.forget(self)


class Tunnel:
    """One event loop."""

    def __init__(self, socket: WebSocket, lease: int):
        self._socket = socket
        self._lease = lease
        self._streams: Dict[int, Stream] = {}
        self._last_stream = 0
        self._greeted = False
        self.end: Optional[WayLost] = None
        """Why it is over; None: it is not."""
        self.write(_frames.frame(_frames.HELLO, _frames.VERSION, 0))
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        decoder = _frames.Decoder()
        try:
            while True:
                for piece in await self._socket.receive():
                    for came in decoder.feed(piece):
                        self._take(came)
        except Lost as error:
            self._over(str(error))
            self._socket.abort()
        except Broken as error:
            why = f"the tunnel's protocol was broken: {error}"
            self.write(_frames.frame(_frames.GOODBYE, 0, 0, why.encode()[:_frames.REASON_BYTES_MAX]))
            self._over(why)
            await self._socket.close("protocol error")

    def _take(self, came: Frame) -> None:
        if came.kind == _frames.GOODBYE:
            raise Lost(came.payload.decode("utf-8", "replace"))
        if not self._greeted:
            if came.kind != _frames.HELLO:
                raise Broken("the first frame is not a greeting")
            if came.channel != _frames.VERSION:
                raise Broken(f"one side speaks version {_frames.VERSION} of it, the other version {came.channel}; update "
                             "the older one")
            self._greeted = True
            return
        stream = self._streams.get(came.stream)
        if stream is not None and came.kind not in (_frames.HELLO, _frames.OPEN):
            stream.take(came)
            if came.kind == _frames.RESET:
                self.forget(stream)
            else:
                self.forget_if_over(stream)
        elif came.kind in (_frames.HELLO, _frames.OPEN) or not 0 < came.stream <= self._last_stream:
            raise Broken("a frame of a stream that was never opened")

    def _over(self, why: str) -> None:
        if self.end is None:
            self.end = WayLost(f"the way into lease {self._lease} was lost: {defused(why)}")
        for stream in list(self._streams.values()):
            stream.fail(self.end)
        self._streams.clear()

    def write(self, data: bytes) -> None:
        if self.end is None:
            self._socket.write(data)

    async def send(self, data: bytes) -> None:
        """WayLost."""
        if self.end is not None:
            raise self.end
        try:
            await self._socket.send(data)
        except Lost as error:
            self._over(str(error))
            assert self.end is not None
            raise self.end from None

    async def open(self, request: bytes) -> Stream:
        """ReachFailed, WayLost."""
        if len(request) > _frames.PAYLOAD_BYTES_MAX:
            raise ReachFailed("the command and its environment are longer than 32 KiB; put them into a script and put() "
                              "that")
        if len(self._streams) >= STREAMS_MAX:
            raise ReachFailed(f"{STREAMS_MAX} commands, copies and connections are open at once; close one")
        if self.end is not None:
            raise self.end
        self._last_stream += 1
        stream = self._streams[self._last_stream] = Stream(self, self._last_stream)
        # At once: streams go out in the order of their numbers.
        self.write(_frames.frame(_frames.OPEN, 0, stream.number, request))
        return stream

    def forget(self, stream: Stream) -> None:
        self._streams.pop(stream.number, None)

    def forget_if_over(self, stream: Stream) -> None:
        if stream.has_ended and stream.peer_ended:
            self.forget(stream)

    async def close(self) -> None:
        self._over("it was closed here")
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close("done")
