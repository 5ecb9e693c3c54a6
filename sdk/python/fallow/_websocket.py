"""One WebSocket to the market: a stream of bytes both ways, for what HTTP's questions and answers cannot carry.

Framed by wsproto over the connection that the rest uses, so the pinned certificate is seen before the first byte here, too.
wsproto is an extra: only who reaches into leases needs it.
"""
import asyncio
from typing import Any, Dict, List, Mapping, Tuple

from ._connection import Lost, open_stream
from .config import Config
from .errors import FallowError

# The server asks after 20 seconds of silence.
SILENCE_S_MAX = 45.0
# It may have to wait for the node for 15.
ANSWER_S_MAX = 30.0
FAREWELL_S_MAX = 2.0
REFUSAL_BYTES_MAX = 1 << 16
_READ_BYTES = 1 << 16


class Rejected(Exception):
    """It answered with something else than a WebSocket: status, headers (lower case), body."""

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes):
        self.status = status
        self.headers = headers
        self.content = content
        super().__init__(f"the server answered {status}")


def _wsproto() -> Any:
    try:
        import wsproto  # type: ignore[import-not-found,unused-ignore]
        import wsproto.events  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise FallowError("reaching into a lease needs the package wsproto: pip install 'fallow[reach]', or on Debian "
                          "apt install python3-wsproto") from None
    return wsproto


class WebSocket:
    """One event loop. One task receives; any number send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._lib = _wsproto()
        self._reader = reader
        self._writer = writer
        self._protocol = self._lib.WSConnection(self._lib.ConnectionType.CLIENT)
        self._turn = asyncio.Lock()
        self._early: List[Any] = []  # came together with the answer to the handshake
        self._is_silent = False
        self._timer = asyncio.get_running_loop().call_later(ANSWER_S_MAX, self._fall_silent)

    @classmethod
    async def open(cls, config: Config, tls: Any, target: str, headers: Mapping[str, str]) -> "WebSocket":
        """Rejected, Lost, Distrusted; FallowError without wsproto."""
        _wsproto()
        reader, writer, host = await open_stream(config, tls)
        socket = cls(reader, writer)
        try:
            await socket._shake_hands(host, target, headers)
        except BaseException:
            socket.abort()
            raise
        return socket

    async def _shake_hands(self, host: str, target: str, headers: Mapping[str, str]) -> None:
        events = self._lib.events
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._writer.write(self._protocol.send(events.Request(host=host, target=target, extra_headers=extra)))
        status, found, content = 0, {}, b""
        while True:
            found_events = await self._events()
            for at, event in enumerate(found_events):
                if isinstance(event, events.AcceptConnection):
                    self._early = found_events[at + 1:]
                    return
                if isinstance(event, events.RejectConnection):
                    status, found = event.status_code, _texts(event.headers)
                    if not event.has_body:
                        raise Rejected(status, found, b"")
                elif isinstance(event, events.RejectData):
                    content += event.data
                    if event.body_finished or len(content) > REFUSAL_BYTES_MAX:
                        raise Rejected(status, found, content)

    async def _events(self) -> List[Any]:
        """What has come, after waiting for more. Lost."""
        try:
            data = await self._reader.read(_READ_BYTES)
            self._protocol.receive_data(data or None)
            found = list(self._protocol.events())
        except (OSError, self._lib.utilities.ProtocolError) as error:
            raise self._lost(str(error) or type(error).__name__) from None
        if not data and not found:
            raise self._lost("it closed the connection")
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SILENCE_S_MAX, self._fall_silent)
        return found

    def _fall_silent(self) -> None:
        self._is_silent = True
        self.abort()

    def _lost(self, why: str) -> Lost:
        self.abort()
        return Lost("nothing was heard of it any more" if self._is_silent else why)

    async def receive(self) -> List[bytes]:
        """The next pieces of the stream, at least one. Lost, with the reason that it was closed for."""
        events = self._lib.events
        pieces: List[bytes] = []
        while not pieces:
            found, self._early = self._early or await self._events(), []
            for event in found:
                if isinstance(event, events.BytesMessage):
                    pieces.append(bytes(event.data))
                elif isinstance(event, events.Ping):
                    self._writer.write(self._protocol.send(event.response()))
                elif isinstance(event, events.CloseConnection):
                    raise self._lost(event.reason or f"it was closed with code {int(event.code)}")
                elif isinstance(event, events.TextMessage):
                    raise self._lost("it sent what is no tunnel")
        return pieces

    def write(self, data: bytes) -> None:
        """For the little that must not wait."""
        if not self._writer.transport.is_closing():
            self._writer.write(self._protocol.send(self._lib.events.BytesMessage(data=data)))

    async def send(self, data: bytes) -> None:
        """In turn with all who send, and not faster than the other side takes it. Lost."""
        async with self._turn:
            self.write(data)
            try:
                await self._writer.drain()
            except OSError as error:
                raise Lost(str(error) or "the connection was closed") from None

    async def close(self, reason: str) -> None:
        """With a farewell, if it can still be sent."""
        self._timer.cancel()
        try:
            if not self._writer.transport.is_closing():
                self._writer.write(self._protocol.send(self._lib.events.CloseConnection(code=1000, reason=reason)))
                await asyncio.wait_for(self._writer.drain(), FAREWELL_S_MAX)
        except (OSError, asyncio.TimeoutError, self._lib.utilities.ProtocolError):
            pass
        self._writer.close()

    def abort(self) -> None:
        self._timer.cancel()
        self._writer.transport.abort()


def _texts(headers: List[Tuple[bytes, bytes]]) -> Dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
