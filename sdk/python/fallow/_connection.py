"""One HTTP/1.1 connection on asyncio, parsed by h11.

Ours, because two things have to be certain that HTTP libraries leave to chance: that the server has shown the pinned
certificate before the first byte is sent, and that bytes nobody has asked for (an answer that a line delivered twice)
are never taken for the next answer.
"""
import asyncio
import hashlib
import ssl
import urllib.parse
from typing import Any, Awaitable, Coroutine, Dict, List, Optional, Tuple, TypeVar

import h11

from .config import Config

CONNECT_S_MAX = 10.0
_READ_BYTES = 1 << 16
_PIECE_BYTES = 1 << 18


class Lost(Exception):
    """The connection ended, or brought no HTTP, before the answer was here."""


class Distrusted(Exception):
    """It is not the server that we trust: asking again changes nothing."""


def tls_of(config: Config) -> Optional[ssl.SSLContext]:
    """None for plain HTTP."""
    if not config.url.startswith("https:"):
        return None
    if not config.certificate:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the pin alone decides: open() compares it
    return context


Value = TypeVar("Value")


async def _opened(connecting: Coroutine[Any, Any, Any]) -> asyncio.Transport:
    task = asyncio.ensure_future(connecting)
    try:
        done, _ = await asyncio.wait({task}, timeout=CONNECT_S_MAX)
    except asyncio.CancelledError:
        task.add_done_callback(lambda late: None if late.cancelled() or late.exception() else late.result()[0].abort())
        task.cancel()
        raise
    if not done:
        task.cancel()
        raise asyncio.TimeoutError
    return task.result()[0]  # type: ignore[no-any-return]


class _Reader(asyncio.StreamReader):
    """Knows what has come, read or not."""

    def __init__(self) -> None:
        super().__init__(limit=_READ_BYTES)
        self.bytes_come = 0
        self.has_ended = False

    def feed_data(self, data: Any) -> None:
        self.bytes_come += len(data)
        super().feed_data(data)

    def feed_eof(self) -> None:
        self.has_ended = True
        super().feed_eof()

    def set_exception(self, exc: Any) -> None:
        self.has_ended = True
        super().set_exception(exc)


async def open_stream(config: Config, tls: Optional[ssl.SSLContext]) -> Tuple[_Reader, asyncio.StreamWriter, str]:
    """To the market, once it has shown the pinned certificate; and its name for the Host header. Lost, Distrusted."""
    url = urllib.parse.urlsplit(config.url)
    host = url.hostname or ""
    port = url.port or (443 if tls else 80)
    try:
        loop = asyncio.get_running_loop()
        reader = _Reader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport = await _opened(loop.create_connection(lambda: protocol, host, port, ssl=tls,
                                                         server_hostname=host if tls else None))
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    except ssl.SSLCertVerificationError as error:
        raise Distrusted(f"its certificate is not trusted: {error.verify_message}; pin it with FALLOW_CERTIFICATE "
                         "if it is the right one") from None
    except asyncio.TimeoutError:
        raise Lost(f"it did not take a connection within {CONNECT_S_MAX:.0f} s") from None
    except (OSError, ssl.SSLError) as error:
        raise Lost(str(error)) from None
    if tls is not None and config.certificate:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        if hashlib.sha256(certificate).hexdigest() != config.certificate:
            writer.transport.abort()
            raise Distrusted("it shows another certificate than the trusted one; if it was renewed, ask its "
                             "operator for the new fingerprint (FALLOW_CERTIFICATE)")
    return reader, writer, url.netloc


class Connection:
    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter, host: str):
        self._reader = reader
        self._writer = writer
        self._host = host
        self._http = h11.Connection(h11.CLIENT)
        self._bytes_read = 0
        self._has_expired = False

    @classmethod
    async def open(cls, config: Config, tls: Optional[ssl.SSLContext]) -> "Connection":
        """Lost, Distrusted."""
        reader, writer, host = await open_stream(config, tls)
        return cls(reader, writer, host)

    async def send(self, method: str, target: str, headers: Dict[str, str], content: Optional[bytes],
                   seconds_max: float) -> Tuple[int, Dict[str, str]]:
        """Status and headers (lower case) of the answer. Lost."""
        fields: List[Tuple[str, str]] = [("Host", self._host), *headers.items()]
        if content is not None:
            fields.append(("Content-Length", str(len(content))))
        try:
            self._write(h11.Request(method=method, target=target, headers=fields))
            try:
                for at in range(0, len(content or b""), _PIECE_BYTES):
                    self._write(h11.Data(data=(content or b"")[at:at + _PIECE_BYTES]))
                    await self._within(seconds_max, self._writer.drain())
                self._write(h11.EndOfMessage())
                await self._within(seconds_max, self._writer.drain())
            except ConnectionError:
                pass  # it may have answered before it cut us off
            while True:
                event = await self._event(seconds_max)
                if isinstance(event, h11.Response):
                    return event.status_code, {name.decode("latin-1"): value.decode("latin-1")
                                               for name, value in event.headers}
        except (OSError, ssl.SSLError, h11.ProtocolError) as error:
            raise Lost(str(error) or type(error).__name__) from None
        except asyncio.TimeoutError:
            raise Lost(f"no answer within {seconds_max:.0f} s") from None

    async def read(self, seconds_max: float) -> bytes:
        """The next bytes of the answer's body; empty at its end. Lost, also after so long a silence."""
        try:
            event = await self._event(seconds_max)
            return bytes(event.data) if isinstance(event, h11.Data) else b""
        except (OSError, ssl.SSLError, h11.ProtocolError) as error:
            raise Lost(str(error) or type(error).__name__) from None
        except asyncio.TimeoutError:
            raise Lost(f"nothing came for {seconds_max:.0f} s") from None

    async def _event(self, seconds_max: float) -> Any:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            data = await self._within(seconds_max, self._reader.read(_READ_BYTES))
            self._bytes_read += len(data)
            self._http.receive_data(data)

    async def _within(self, seconds: float, step: Awaitable[Value]) -> Value:
        """What asyncio.wait_for does, but before Python 3.12 that can swallow a cancellation that comes with the answer:
        then a job that was to be stopped goes on."""
        timer = asyncio.get_running_loop().call_later(seconds, self._expire)
        try:
            value = await step
        except Exception:
            if self._has_expired:
                raise asyncio.TimeoutError from None
            raise
        finally:
            timer.cancel()
        if self._has_expired:
            raise asyncio.TimeoutError
        return value

    def _expire(self) -> None:
        self._has_expired = True
        self._writer.transport.abort()  # which ends the step

    def _write(self, event: Any) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)

    def rest(self) -> bool:
        """After a whole answer: will it do for another request?"""
        if (self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE
                or self._http.trailing_data[0]):
            return False
        self._http.start_next_cycle()
        return self.is_quiet()

    def is_quiet(self) -> bool:
        """Open, and nothing has come that nobody asked for."""
        return not self._reader.has_ended and self._reader.bytes_come == self._bytes_read

    def close(self) -> None:
        self._writer.transport.abort()
