"""An order, seen by who placed it."""
import asyncio
import os
from typing import TYPE_CHECKING, Any, AsyncIterator, Coroutine, List, Optional

from . import _progress, models
from ._secret_keeper import SecretKeeping
from .artifacts import PathLike
from .errors import FallowError, JobFailed, Refused
from .receipts import Bill
from .requirements import Number

if TYPE_CHECKING:
    from .aio import AsyncClient

_POLL_FIRST_S = 0.02
_POLL_MAX_S = 0.5


class AsyncJob:
    """An order: one workload in one or many tasks. `view` is what was last seen of it."""

    def __init__(self, client: "AsyncClient", view: models.OrderView, keeping: Optional[SecretKeeping] = None):
        self._client = client
        self._keeping = keeping
        self.view = view

    @property
    def id(self) -> int:
        return self.view.id

    @property
    def is_open(self) -> bool:
        return self.view.state == models.OrderState.OPEN

    def __repr__(self) -> str:
        view = self.view
        return f"<job {view.id}: {view.state.lower()}, {view.tasks_done}/{view.tasks_total} done, {view.charged} charged>"

    async def refresh(self) -> models.OrderView:
        self.view = await self._client.call("GetOrder", order=self.id)
        if not self.is_open:
            self._end_keeping()
        return self.view

    async def wait(self, timeout_s: Optional[float] = None) -> models.OrderView:
        """Until it has ended, well or not; TimeoutError."""
        loop = asyncio.get_running_loop()
        until = None if timeout_s is None else loop.time() + timeout_s
        pause_s = _POLL_FIRST_S
        while (await self.refresh()).state == models.OrderState.OPEN:
            if until is not None and loop.time() >= until:
                raise TimeoutError(f"job {self.id} has not ended within {timeout_s} s; it goes on")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.3, _POLL_MAX_S)
        return self.view

    def check(self) -> "AsyncJob":
        """Itself when every task is done, else JobFailed."""
        if self.view.state not in (models.OrderState.OPEN, models.OrderState.ORDER_DONE):
            raise JobFailed(self.view)
        return self

    async def stop(self) -> models.OrderView:
        """Asks the market to stop it; no error when it has ended."""
        if (await self.refresh()).state == models.OrderState.OPEN:
            try:
                self.view = await self._client.call("StopOrder", order=self.id)
                self._end_keeping()
            except Refused as error:
                if error.code != "already_ended":  # in between
                    raise
                await self.refresh()
        return self.view

    async def extend(self, *, hours: Number) -> models.OrderView:
        """So many hours more for each task that waits or runs, at the price that it has; Refused, which says the longest
        that can be had."""
        self.view = await self._client.call("ExtendOrder", order=self.id, hours=float(hours))
        return self.view

    def _end_keeping(self) -> None:
        if self._keeping is not None:
            self._keeping.end()
            self._keeping = None

    def logs(self, *, follow: bool = False) -> AsyncIterator[models.LogLine]:
        """What its tasks wrote up to now, or with `follow` up to its end."""
        return self._client.follow_logs("FollowOrderLogs", order=self.id, follow=follow)

    async def output(self) -> str:
        """What its tasks wrote to stdout and stderr up to now, as text."""
        return b"".join([line.data async for line in self.logs()]).decode("utf-8", "replace")

    async def show(self) -> None:
        """Prints its output and its progress until it has ended."""
        progress = _progress.make(f"job {self.id}")
        printer = _progress.LinePrinter(progress, several=self.view.tasks_total > 1)

        async def report() -> None:
            while True:
                await asyncio.sleep(_POLL_MAX_S)
                view = await self.refresh()
                progress.update(done=view.tasks_done, total=view.tasks_total, running=view.tasks_running,
                                waiting=view.tasks_waiting, rescued=view.rescued, charged=view.charged)

        reporter = asyncio.ensure_future(report())
        try:
            async for line in self.logs(follow=True):
                printer.print(line)
        finally:
            reporter.cancel()
            await asyncio.gather(reporter, return_exceptions=True)
            printer.flush()
            progress.close()

    async def tasks(self) -> List[models.TaskView]:
        """All of them, by their numbers; `view` lists the first 10,000."""
        return await self._client.tasks(self.id)

    async def leases(self) -> List[models.LeaseView]:
        return await self._client.leases(order=self.id)

    async def bills(self) -> List[Bill]:
        """The verified receipts of its ended leases."""
        ended = [lease.id for lease in await self.leases() if lease.state == models.LeaseState.ENDED]
        return list(await asyncio.gather(*(self._client.verified_receipt(lease) for lease in ended)))

    async def download(self, folder: PathLike) -> List[Any]:
        """Writes what tasks left in $FALLOW_OUT below `folder`; of several tasks each into a folder named by its
        number. The paths of the files."""
        several = self.view.tasks_total > 1
        paths: List[Any] = []
        for task in await self.tasks():
            if task.output_manifest:
                into = os.path.join(folder, str(task.index)) if several else folder
                paths += await self._client.store.get_folder(task.output_manifest, into)
        return paths


async def submitted(submit: Coroutine[Any, Any, AsyncJob]) -> AsyncJob:
    """Its job. Cancelled meanwhile, the order may stand all the same: it is waited for and stopped."""
    task = asyncio.ensure_future(submit)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            job = await task
            await job.stop()
        except FallowError:
            pass  # there is none, or nobody answers any more
        raise
