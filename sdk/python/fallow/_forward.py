"""A port of a running lease as a port of this machine: each caller is joined to the port inside by a stream of the tunnel."""
import asyncio
from typing import TYPE_CHECKING, Any, Optional, Set

from . import _frames
from ._tunnel import CLOSED_REASON, Stream
from .errors import ReachFailed

if TYPE_CHECKING:
    from ._reach import AsyncReach

_SOCKET_BYTES = 32 * 1024


class AsyncForward:
    """A port of the sandbox as a port of this machine, until aclose()."""

    def __init__(self, reach: "AsyncReach", inside: int):
        self._reach = reach
        self._inside = inside
        self._callers: Set["asyncio.Task[None]"] = set()
        self._server: asyncio.AbstractServer
        self.address = ""
        self.port = 0
        """That of this machine."""
        self.last_error = ""
        """Why a caller was hung up on, last: nothing answers inside, say."""

    def __repr__(self) -> str:
        return f"<forward {self.address}:{self.port} to {self._inside} of lease {self._reach.lease}>"

    @property
    def url(self) -> str:
        """ "http://127.0.0.1:45123" """
        return f"http://{self.address}:{self.port}"

    async def listen(self, address: str, port: int) -> "AsyncForward":
        try:
            self._server = await asyncio.start_server(self._take, address, port)
        except OSError as error:
            raise ReachFailed(f"cannot listen on {address}:{port}: {error.strerror or error}; choose another "
                              "local_port, 0 is any free one") from None
        self.address, self.port = self._server.sockets[0].getsockname()[:2]
        return self

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._join(reader, writer))
        self._callers.add(task)
        task.add_done_callback(self._callers.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream: Optional[Stream] = None
        try:
            stream = await (await self._reach.tunnel()).open(_frames.forward_request(self._inside))
            await both(_outward(reader, stream), _inward(stream, writer))
            writer.close()
        except BaseException as error:
            writer.transport.abort()
            if not isinstance(error, Exception):
                raise
            # Whatever went wrong, only this caller is hung up on.
            if str(error) != CLOSED_REASON:
                self.last_error = str(error) or type(error).__name__
        finally:
            if stream is not None:
                stream.reset(CLOSED_REASON)

    async def aclose(self) -> None:
        """Hangs up on its callers, too."""
        self._reach.forwards.discard(self)
        self._server.close()
        for task in list(self._callers):
            task.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)

    async def __aenter__(self) -> "AsyncForward":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _outward(reader: asyncio.StreamReader, stream: Stream) -> None:
    while True:
        data = await reader.read(_SOCKET_BYTES)
        if not data:
            return await stream.end()
        await stream.send(data)


async def _inward(stream: Stream, writer: asyncio.StreamWriter) -> None:
    while True:
        came = await stream.receive()
        if came.kind == _frames.END:
            if writer.can_write_eof():
                writer.write_eof()
            return
        writer.write(came.payload)
        await writer.drain()


async def both(one: Any, other: Any) -> None:
    """Both to their end, or neither."""
    tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
