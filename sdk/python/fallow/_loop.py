"""One event loop on one daemon thread, for those who do not write `await`.

The SDK is written once, as coroutines; the plain API hands them to this thread and waits. So it works in a
notebook, too, whose own loop is busy. After a fork the child starts a loop of its own when it needs one.
"""
import asyncio
import concurrent.futures
import os
import threading
from typing import Any, AsyncIterator, Coroutine, Iterator, Optional, TypeVar

Value = TypeVar("Value")

CLEAN_UP_S_MAX = 15.0

_lock = threading.Lock()
_loop: Optional[asyncio.AbstractEventLoop] = None
_pid = 0


def loop() -> asyncio.AbstractEventLoop:
    global _loop, _pid
    with _lock:
        if _loop is None or _pid != os.getpid():
            _loop, _pid = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_loop.run_forever, name="fallow", daemon=True).start()
        return _loop


def start(coroutine: Coroutine[Any, Any, Value]) -> "concurrent.futures.Future[Value]":
    return asyncio.run_coroutine_threadsafe(coroutine, loop())


def run(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Its value. Ctrl-C cancels it and waits until it has cleaned up: stopped its job, say."""
    ended = threading.Event()

    async def whole() -> Value:
        try:
            return await coroutine
        finally:
            ended.set()

    future = start(whole())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        ended.wait(CLEAN_UP_S_MAX)
        raise


def iterate(items: AsyncIterator[Value]) -> Iterator[Value]:
    """The items as they come; leaving early closes the source."""
    try:
        while True:
            try:
                yield run(_next(items))
            except StopAsyncIteration:
                return
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            run(close())


async def _next(items: AsyncIterator[Value]) -> Value:
    return await items.__anext__()
