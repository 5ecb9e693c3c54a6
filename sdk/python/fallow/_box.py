"""Rented machines and running leases for programs that do not `await`: _rental.py and _reach.py, run on a thread of its own."""
import signal as signals
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence

from . import _loop, models
from ._forward import AsyncForward
from ._reach import AsyncProcess, AsyncReach, Copied, Done, Output
from ._rental import AsyncBox
from .artifacts import PathLike

if TYPE_CHECKING:
    from .client import Job


class Process:
    """AsyncProcess without `await`."""

    def __init__(self, process: AsyncProcess):
        self.aio = process

    @property
    def code(self) -> Optional[int]:
        return self.aio.code

    def __iter__(self) -> "Process":
        return self

    def __next__(self) -> Output:
        try:
            return _loop.run(_next(self.aio))
        except StopAsyncIteration:
            raise StopIteration from None

    def write(self, data: bytes) -> None:
        _loop.run(self.aio.write(data))

    def close_input(self) -> None:
        _loop.run(self.aio.close_input())

    def signal(self, number: int = signals.SIGINT) -> None:
        _loop.run(self.aio.signal(number))

    def wait(self) -> int:
        return _loop.run(self.aio.wait())

    def close(self) -> None:
        _loop.run(self.aio.aclose())

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _next(process: AsyncProcess) -> Output:
    return await process.__anext__()


class Forward:
    """AsyncForward without `await`."""

    def __init__(self, forward: AsyncForward):
        self.aio = forward

    def __repr__(self) -> str:
        return repr(self.aio)

    @property
    def address(self) -> str:
        return self.aio.address

    @property
    def port(self) -> int:
        return self.aio.port

    @property
    def url(self) -> str:
        return self.aio.url

    @property
    def last_error(self) -> str:
        return self.aio.last_error

    def close(self) -> None:
        _loop.run(self.aio.aclose())

    def __enter__(self) -> "Forward":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Reach:
    """AsyncReach without `await`; any thread."""

    def __init__(self, reach: AsyncReach):
        self.aio = reach

    def __repr__(self) -> str:
        return repr(self.aio)

    @property
    def lease(self) -> int:
        return self.aio.lease

    def start(self, command: Sequence[str], *, env: Optional[Mapping[str, str]] = None) -> Process:
        return Process(_loop.run(self.aio.start(command, env=env)))

    def exec(self, command: Sequence[str], *, input: bytes = b"", env: Optional[Mapping[str, str]] = None,
             check: bool = False, timeout_s: Optional[float] = None) -> Done:
        return _loop.run(self.aio.exec(command, input=input, env=env, check=check, timeout_s=timeout_s))

    def put(self, local: PathLike, path: str = "") -> Copied:
        return _loop.run(self.aio.put(local, path))

    def get(self, path: str, local: PathLike = ".") -> Copied:
        return _loop.run(self.aio.get(path, local))

    def forward(self, port: int, *, local_port: int = 0, address: str = "127.0.0.1") -> Forward:
        return Forward(_loop.run(self.aio.forward(port, local_port=local_port, address=address)))

    def close(self) -> None:
        _loop.run(self.aio.aclose())

    def __enter__(self) -> "Reach":
        return self

    def __exit__(self, kind: Any, *rest: object) -> None:
        self.close()


class Box(Reach):
    """AsyncBox without `await`; any thread."""

    aio: AsyncBox

    def __init__(self, box: AsyncBox):
        super().__init__(box)

    @property
    def job(self) -> "Job":
        from .client import Job

        return Job(self.aio.job)

    @property
    def view(self) -> models.LeaseView:
        return self.aio.view

    def open(self) -> "Box":
        _loop.run(self.aio.open())
        return self

    def __enter__(self) -> "Box":
        return self.open()

    def __exit__(self, kind: Any, *rest: object) -> None:
        _loop.run(self.aio.__aexit__(kind, *rest))
