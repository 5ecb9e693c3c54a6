"""Reaching into a running lease: commands, files and ports of its sandbox, for programs that `await`. _box.py is the same without.

Everything goes through one tunnel (docs/reach.md), which is opened when it is first needed and again when it was lost.
"""
import asyncio
import dataclasses
import os
import pathlib
import signal as signals
from typing import TYPE_CHECKING, Any, AsyncIterator, Awaitable, List, Mapping, Optional, Sequence, Set, Tuple

from . import _files, _frames, _loop, models
from ._forward import AsyncForward, both
from ._progress import defused
from ._tunnel import Stream, Tunnel
from ._websocket import WebSocket
from .artifacts import PathLike
from .errors import CommandFailed, ReachFailed, Refused

if TYPE_CHECKING:
    from .aio import AsyncClient

# Of exec(), which holds it in memory.
OUTPUT_BYTES_MAX = 64 << 20
# What a sandbox says of what it did not send.
LEFT_OUT_MAX = 1000
_POLL_S = 0.1


@dataclasses.dataclass(frozen=True)
class Done:
    """A command that has ended."""
    code: int
    """Its exit code; 128 + N when signal N ended it, 127 when there is no such command."""
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """What it wrote to stdout."""
        return self.stdout.decode("utf-8", "replace")


@dataclasses.dataclass(frozen=True)
class Output:
    """A piece of what a running command writes."""
    data: bytes
    error_stream: bool = False


@dataclasses.dataclass(frozen=True)
class Copied:
    """What put() or get() has brought over."""
    path: str
    """Where it is now: for get() on this machine, for put() as it was asked for."""
    bytes: int
    left_out: List[str]
    """Links, devices and what else is no file and no folder: a sentence for each, of get() the first 1,000."""


class AsyncProcess:
    """A command that runs: iterate over its output, or wait() for its end. One task reads, one writes."""

    def __init__(self, stream: Stream):
        self._stream = stream
        self.code: Optional[int] = None
        """Its exit code, once it has ended."""

    def __aiter__(self) -> AsyncIterator[Output]:
        return self

    async def __anext__(self) -> Output:
        """The next piece; ends with the command. ReachFailed, WayLost."""
        while not self._stream.peer_ended or self.code is None:
            came = await self._stream.receive()
            if came.kind == _frames.DATA:
                return Output(came.payload, came.channel == _frames.ERR)
            if came.kind == _frames.NOTE:
                note = _frames.note_of(came.payload)
                if isinstance(note, _frames.Exit):
                    self.code = note.code
            elif self.code is None:
                raise ReachFailed("the command ended without its exit code")
            else:
                break
        await self._stream.end()
        raise StopAsyncIteration

    async def write(self, data: bytes) -> None:
        """To its input; waits while it does not read."""
        await self._stream.send(data)

    async def close_input(self) -> None:
        await self._stream.end()

    async def signal(self, number: int = signals.SIGINT) -> None:
        """To it and what it has started."""
        await self._stream.note(_frames.signal_note(number))

    async def wait(self) -> int:
        """Its exit code. What it still writes is thrown away."""
        async for _ in self:
            pass
        assert self.code is not None
        return self.code

    async def aclose(self) -> None:
        """Hangs up: a command that still runs gets SIGHUP."""
        self._stream.reset("the renter hung up")

    async def __aenter__(self) -> "AsyncProcess":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncReach:
    """The way into a lease of yours that runs. `async with` closes it; the lease goes on."""

    def __init__(self, client: "AsyncClient", lease: int):
        self._client = client
        self.lease = lease
        self.forwards: Set[AsyncForward] = set()
        self._tunnel: Optional[Tunnel] = None
        self._opening: Optional[asyncio.Lock] = None

    def __repr__(self) -> str:
        return f"<reach into lease {self.lease}>"

    async def tunnel(self) -> Tunnel:
        """The open one, or a new one, for which it waits while the lease starts. Refused (`not_running`: it has ended),
        Unreachable."""
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._tunnel is None or self._tunnel.end is not None:
                if self._tunnel is not None:
                    await self._tunnel.close()
                self._tunnel = Tunnel(await self._connect(), self.lease)
                _loop.opened(self)
            return self._tunnel

    async def _connect(self) -> WebSocket:
        while True:
            try:
                return await self._client._http.websocket(f"/v1/leases/{self.lease}/tunnel")
            except Refused as error:
                if error.code != "not_running":
                    raise
                view = await self._client.lease(self.lease)
                if view.state in (models.LeaseState.STOPPING, models.LeaseState.ENDED):
                    raise
            await asyncio.sleep(_POLL_S)

    # ---- commands -------------------------------------------------------------------------------------
    async def start(self, command: Sequence[str], *, env: Optional[Mapping[str, str]] = None) -> AsyncProcess:
        """Starts a command beside the workload, as confined as that is, in /work."""
        if isinstance(command, str):
            raise TypeError(f'command is a list of words: ["sh", "-c", {command!r}] runs it in a shell')
        if not command:
            raise TypeError("the command has no words")
        request = _frames.exec_request([os.fspath(word) for word in command], env or {})
        return AsyncProcess(await (await self.tunnel()).open(request))

    async def exec(self, command: Sequence[str], *, input: bytes = b"", env: Optional[Mapping[str, str]] = None,
                   check: bool = False, timeout_s: Optional[float] = None) -> Done:
        """Runs a command to its end and holds its output in memory, 64 MiB at most; start() gives it out as it comes.

        `check`: CommandFailed unless its exit code is 0. After `timeout_s` it is hung up on: TimeoutError.
        """
        process = await self.start(command, env=env)
        try:
            done = await _within(timeout_s, _collect(process, input), command)
        finally:
            await process.aclose()
        if check and done.code != 0:
            raise CommandFailed(done)
        return done

    # ---- files ----------------------------------------------------------------------------------------
    async def put(self, local: PathLike, path: str = "") -> Copied:
        """Copies a file or folder into the lease: to `path` below /work (where it begins when it is relative) or /out.
        Into it when it is a folder there. Links are left out and not followed. ReachFailed."""
        try:
            opened = os.open(local, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ReachFailed(f"cannot read {os.fspath(local)}: {error.strerror}") from None
        try:
            stream = await (await self.tunnel()).open(_frames.write_request(path or "."))
            sender = _files.Sender(stream, pathlib.Path(local).resolve().name or "files")
            try:
                # What the other side says while it takes the bytes can only be that it does not.
                await both(_send_all(sender, stream, opened), _written(stream))
            finally:
                stream.reset("the copy was broken off")
        finally:
            os.close(opened)
        return Copied(path or ".", sender.bytes, sender.left_out)

    async def get(self, path: str, local: PathLike = ".") -> Copied:
        """Copies a file or folder of the lease to this machine: into `local` when that is a folder, else as `local`.
        A file appears when it is whole; links are left out. ReachFailed."""
        folder, name = _files.landing_of(path, local)
        with _files.Receiver(folder, name) as receiver:
            stream = await (await self.tunnel()).open(_frames.read_request(path or "."))
            left_out: List[str] = []
            try:
                while True:
                    came = await stream.receive()
                    if came.kind == _frames.END:
                        break
                    if came.kind == _frames.DATA:
                        receiver.data(came.payload)
                        continue
                    note = _frames.note_of(came.payload)
                    if isinstance(note, _frames.Entry):
                        receiver.entry(note)
                    elif isinstance(note, _frames.Skipped) and len(left_out) < LEFT_OUT_MAX:
                        left_out.append(defused(note.reason[:_frames.REASON_BYTES_MAX]))
                receiver.finish()
                await stream.end()
            finally:
                stream.reset("the copy was broken off")
            return Copied(str(folder / name), receiver.bytes, left_out)

    # ---- ports ----------------------------------------------------------------------------------------
    async def forward(self, port: int, *, local_port: int = 0, address: str = "127.0.0.1") -> AsyncForward:
        """What listens on 127.0.0.1:`port` in the lease, as a port of this machine (`.port`; `local_port` 0 is any
        free one). It needs no network for that. At most 64 connections and commands at once."""
        if not 0 < port < 65536:
            raise ReachFailed(f"{port} is no port")
        await self.tunnel()  # what is wrong with the way is said here, and not to the first caller
        found = await AsyncForward(self, port).listen(address, local_port)
        self.forwards.add(found)
        return found

    async def aclose(self) -> None:
        """Ends what goes through it; the lease goes on."""
        _loop.closed(self)
        for each in list(self.forwards):
            await each.aclose()
        if self._tunnel is not None:
            await self._tunnel.close()
            self._tunnel = None

    async def __aenter__(self) -> "AsyncReach":
        return self

    async def __aexit__(self, kind: Any, *rest: object) -> None:
        await self.aclose()


async def _send_all(sender: _files.Sender, stream: Stream, opened: int) -> None:
    await sender.send(opened)
    await stream.end()


async def _written(stream: Stream) -> None:
    """Until the sandbox says that all is written."""
    is_written = False
    while True:
        came = await stream.receive()
        if came.kind == _frames.NOTE:
            note = _frames.note_of(came.payload)
            is_written = is_written or isinstance(note, _frames.Exit)
        elif came.kind == _frames.END:
            if not is_written:
                raise ReachFailed("the sandbox does not say that all was written")
            return


async def _collect(process: AsyncProcess, input: bytes) -> Done:
    parts: Tuple[List[bytes], List[bytes]] = ([], [])
    left = OUTPUT_BYTES_MAX

    async def feed() -> None:
        try:
            if input:
                await process.write(input)
            await process.close_input()
        except ReachFailed:
            pass  # it may end without reading all of it; what went wrong is heard where its output is read

    feeding = asyncio.ensure_future(feed())
    try:
        async for piece in process:
            left -= len(piece.data)
            if left < 0:
                raise ReachFailed(f"the command wrote more than {OUTPUT_BYTES_MAX} bytes; take them as they come: start()")
            parts[piece.error_stream].append(piece.data)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
    assert process.code is not None
    return Done(process.code, b"".join(parts[0]), b"".join(parts[1]))


async def _within(seconds: Optional[float], step: Awaitable[Done], command: Sequence[str]) -> Done:
    task = asyncio.ensure_future(step)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    if not done:
        raise TimeoutError(f"{command[0]} has not ended within {seconds} s; it was hung up on")
    return task.result()
