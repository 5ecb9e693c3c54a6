"""One event loop on one daemon thread, for those who do not write `await`.

The SDK is written once, as coroutines; the plain API hands them to this thread and waits. So it works in a
notebook, too, whose own loop is busy. After a fork the child starts a loop of its own when it needs one.

A program's end cancels what is still under way here and waits until it has cleaned up; after that the thread stands
still, so nobody may wait for it any more.
"""
import asyncio
import atexit
import concurrent.futures
import os
import socket
import sys
import threading
from typing import Any, AsyncIterator, Callable, Coroutine, Iterator, List, Optional, Set, Tuple, TypeVar

Value = TypeVar("Value")

CLEAN_UP_S_MAX = 15.0

_lock = threading.Lock()
_loop: Optional[asyncio.AbstractEventLoop] = None
_pid = 0
# On the loop: what run() waits for, and what has to be closed before the program ends.
_runs: Set["asyncio.Task[Any]"] = set()
_open: Set[Any] = set()


class _Loop(asyncio.SelectorEventLoop):
    async def getaddrinfo(self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0,
                          flags: int = 0) -> List[Any]:
        # Asyncio's own way ends before the program does, which may have a job to stop then.
        try:
            return await on_thread(socket.getaddrinfo, host, port, family, type, proto, flags)
        except RuntimeError:  # at its end Python 3.12 starts no thread; now nothing else is there to wait
            return socket.getaddrinfo(host, port, family, type, proto, flags)


def loop() -> asyncio.AbstractEventLoop:
    global _loop, _pid
    with _lock:
        if _loop is None or _pid != os.getpid():
            _loop, _pid = _Loop(), os.getpid()
            _runs.clear()
            _open.clear()
            threading.Thread(target=_loop.run_forever, name="fallow", daemon=True).start()
        return _loop


def opened(source: Any) -> None:
    """If it runs on this module's loop, the program's end awaits its aclose()."""
    if asyncio.get_running_loop() is _loop:
        _open.add(source)


def closed(source: Any) -> None:
    _open.discard(source)


async def on_thread(function: Callable[..., Value], *arguments: Any) -> Value:
    """Its value, from a daemon thread of its own: a function that never comes back keeps no program from ending, as
    one in an executor does."""
    running = asyncio.get_running_loop()
    future: "asyncio.Future[Value]" = running.create_future()

    def settle(set_outcome: Callable[[Any], None], outcome: Any) -> None:
        if not future.done():
            set_outcome(outcome)

    def work() -> None:
        try:
            outcome: Tuple[Callable[[Any], None], Any] = (future.set_result, function(*arguments))
        except BaseException as error:
            outcome = (future.set_exception, error)
        try:
            running.call_soon_threadsafe(settle, *outcome)
        except RuntimeError:
            pass  # the loop is closed: nobody waits for it

    threading.Thread(target=work, name="fallow-work", daemon=True).start()
    return await future


def run(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Its value. Ctrl-C cancels it and waits until it has cleaned up: stopped its job, say."""
    ended = threading.Event()

    async def whole() -> Value:
        this = asyncio.current_task()
        assert this is not None
        _runs.add(this)
        try:
            return await coroutine
        finally:
            _runs.discard(this)
            ended.set()

    future: "concurrent.futures.Future[Value]" = asyncio.run_coroutine_threadsafe(whole(), loop())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        ended.wait(CLEAN_UP_S_MAX)
        raise


def iterate(items: AsyncIterator[Value]) -> Iterator[Value]:
    """The items as they come; leaving early closes the source, but for the program's end, which does that itself."""
    try:
        while True:
            try:
                yield run(_next(items))
            except StopAsyncIteration:
                return
    finally:
        close = getattr(items, "aclose", None)
        if close is not None and not sys.is_finalizing():
            run(close())


async def _next(items: AsyncIterator[Value]) -> Value:
    return await items.__anext__()


@atexit.register
def _end() -> None:
    global _loop
    with _lock:
        ending, _loop = _loop, None
    if ending is None or _pid != os.getpid():
        return

    async def last() -> None:
        for task in _runs:
            task.cancel()
        for source in list(_open):
            asyncio.ensure_future(source.aclose())
        # These and whatever they left to end by itself: the stop of a job, say.
        while True:
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            if not rest:
                break
            await asyncio.wait(rest)
        await ending.shutdown_asyncgens()

    try:
        asyncio.run_coroutine_threadsafe(last(), ending).result(CLEAN_UP_S_MAX)
    except concurrent.futures.TimeoutError:
        pass  # the program ends all the same
    ending.call_soon_threadsafe(ending.stop)
