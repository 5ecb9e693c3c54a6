"""A rented machine: a lease whose workload only waits, and the way into it.

Nobody's program lives for ever, so a rental ends without it: the market ends the lease when its hours or its money are used up,
and the workload itself ends when nothing was heard of the renter for some minutes.
"""
import asyncio
import math
import warnings
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Optional, Sequence

from . import _loop, models
from ._forward import both
from ._reach import AsyncProcess, AsyncReach
from .errors import FallowError, Refused, RentalOver, Unreachable
from .requirements import Number

if TYPE_CHECKING:
    from ._job import AsyncJob
    from .aio import AsyncClient

_POLL_FIRST_S = 0.02
_POLL_MAX_S = 0.5
_END_S_MAX = 10.0
_COME_BACK_S_MAX = 10.0
_MARK = "/tmp/.fallow-attended"
# The workload: four times in the stated time it takes the mark away; four times without one, and it ends.
_WAIT = (f': > {_MARK}\nmisses=0\nwhile [ "$misses" -lt 4 ]; do\n  sleep "$0"\n'
         f'  if rm {_MARK} 2>/dev/null; then misses=0; else misses=$((misses + 1)); fi\ndone\n'
         'echo "the renter was not heard of any more: the rental ends"')
_WAIT_ON = "while :; do sleep 3600; done"
# Beside it, for as long as somebody is there to send it lines.
_ATTEND = f"while read -r line; do : > {_MARK}; done"


class AsyncBox(AsyncReach):
    """A machine of AsyncClient.rent(). `job` is its order, `lease` its lease, `view` what was last seen of that."""

    job: "AsyncJob"
    view: models.LeaseView

    def __init__(self, client: "AsyncClient", place: Callable[[Sequence[str]], "Awaitable[AsyncJob]"],
                 unattended_minutes: Optional[Number], timeout_s: Optional[float]):
        super().__init__(client, 0)
        if unattended_minutes is not None and not unattended_minutes > 0:
            raise ValueError("unattended_minutes is a time above 0, or None: then only hours and budget end the rental")
        self._place = place
        self._timeout_s = timeout_s
        self._tick_s = 0 if unattended_minutes is None else max(1, math.ceil(float(unattended_minutes) * 15))
        self._is_placed = False
        self._over: Optional[RentalOver] = None
        self._attendant: Optional["asyncio.Task[None]"] = None

    def __repr__(self) -> str:
        return f"<box on {self.view.node_name}: lease {self.lease}>" if self.lease else "<box, not open>"

    async def open(self) -> "AsyncBox":
        """Orders it and waits until it runs. What can be wrong with a job; TimeoutError, after which nothing is left."""
        if self._is_placed:
            raise FallowError("this box was opened before; rent another")
        command = ["sh", "-c", _WAIT, str(self._tick_s)] if self._tick_s else ["sh", "-c", _WAIT_ON]
        self.job = await self._place(command)
        self._is_placed = True
        _loop.opened(self)
        try:
            await self._wait_running()
            await self.tunnel()
            self._attendant = asyncio.ensure_future(self._attend())
        except BaseException:
            await asyncio.shield(self._leave())
            raise
        return self

    async def _wait_running(self) -> None:
        loop = asyncio.get_running_loop()
        until = math.inf if self._timeout_s is None else loop.time() + self._timeout_s
        pause_s = _POLL_FIRST_S
        while True:
            order = await self.job.refresh()
            self.job.check()
            if order.state != models.OrderState.OPEN:
                raise FallowError(f"job {order.id} of the rental ended before anything could be done on it")
            for lease in await self._client.leases(order=order.id, open_only=True):
                if lease.state == models.LeaseState.RUNNING:
                    self.lease, self.view = lease.id, lease
                    return
            if loop.time() >= until:
                why = "" if order.tasks_running else f", {order.waits_for.lower().replace('_', ' ')}"
                raise TimeoutError(f"job {order.id} of the rental does not run after {self._timeout_s} s{why}; it was stopped")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.3, _POLL_MAX_S)

    # ---- while it runs --------------------------------------------------------------------------------
    async def tunnel(self) -> Any:
        """RentalOver, beside what AsyncReach raises."""
        if self._over is None and not self.lease:
            raise FallowError("this box is not open: `with` opens it, or open()")
        try:
            if self._over is None:
                return await super().tunnel()
        except Refused as error:
            if error.code not in ("not_running", "not_found"):
                raise
            await self._look()
            if self._over is None:
                raise
        assert self._over is not None
        raise self._over

    async def _look(self) -> None:
        """Has it ended? The market begins it nowhere anew, empty and at our expense: no_restart."""
        self.view = await self._client.lease(self.lease)
        if self.view.state in (models.LeaseState.STOPPING, models.LeaseState.ENDED) and self._over is None:
            try:
                await self.job.wait(_END_S_MAX)  # then the reason is known
                self.view = await self._client.lease(self.lease)
            except TimeoutError:
                pass
            self._over = RentalOver(self.view)

    async def _attend(self) -> None:
        """Says all the time that somebody is here, and hears when the machine is gone."""
        pause_s = _POLL_MAX_S
        while self._over is None:
            try:
                async with await self.start(["sh", "-c", _ATTEND]) as process:
                    pause_s = _POLL_MAX_S
                    await both(self._send_marks(process), process.wait())
            except (FallowError, OSError):
                pass
            try:
                await self._look()
            except (FallowError, OSError):
                pass  # the market is away; it is asked again
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _COME_BACK_S_MAX)
        await super().aclose()

    async def _send_marks(self, process: AsyncProcess) -> None:
        while True:
            await process.write(b"here\n")
            await asyncio.sleep(self._tick_s / 2 or _COME_BACK_S_MAX)

    # ---- its end --------------------------------------------------------------------------------------
    async def aclose(self) -> None:
        """Gives it back: what is on it is gone, and nothing is charged any more. Unreachable when the market does not
        hear of it; then it ends by itself."""
        if self._attendant is not None:
            self._attendant.cancel()
            await asyncio.gather(self._attendant, return_exceptions=True)
            self._attendant = None
        await super().aclose()
        if not self._is_placed:
            return
        try:
            await self.job.stop()
            await self.job.wait(_END_S_MAX)
        except TimeoutError:
            pass  # it is stopping, and free of charge
        except Unreachable as error:
            minutes = self._tick_s * 4 / 60
            alone = f"{minutes:g} minutes after it last heard of you, or " if minutes else ""
            raise Unreachable(f"the rental of job {self.job.id} was not given back; it ends {alone}when its hours are over, "
                              f"and fallow.job({self.job.id}).stop() ends it at once: {error}") from error

    async def _leave(self) -> None:
        """aclose() behind a failure, which is what is to be told."""
        try:
            await self.aclose()
        except (FallowError, OSError) as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)

    async def __aenter__(self) -> "AsyncBox":
        return await self.open()

    async def __aexit__(self, kind: Any, *rest: object) -> None:
        # Shielded: whoever is cancelled meanwhile has given it back all the same.
        await asyncio.shield(self.aclose() if kind is None else self._leave())
