"""Thousands of inputs over a market: batches in bounded flight, results as they come, retries by blame.

One lease for every tiny input would be mostly lease. So a task works through a batch for a stated time and gives back
what it has not begun; how large the next one is follows from how long inputs took so far.

Who is to blame decides what happens to a batch that fails. The provider, the owner, the market: the market has tried
it elsewhere already, and here its open inputs go out again, `retries` times. What ran in it: the input that was being
worked on has failed, the others go out again. Results that came are kept in any case.
"""
import asyncio
import collections
import math
import operator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Awaitable, Deque, Dict, Iterator, List, Optional, Set, Tuple, Union

from . import _loop, _progress, models
from ._batch import Batch, FunctionBroken, Outcome
from ._job import submitted
from ._package import command_of, package_call, package_inputs
from ._purse import Purse
from ._secrets import SecretSources
from .artifacts import order_with
from .errors import FallowError, InputLost, RemoteError

if TYPE_CHECKING:
    from ._job import AsyncJob
    from .aio import AsyncClient

IN_FLIGHT_MAX = 64
BATCH_S_MIN = 2.0
BATCH_S_MAX = 120.0
# A batch shall last so many times as long as the function takes to load.
BATCH_TO_LOAD = 10.0
# No batch is made shorter than this only to keep every place busy.
SHARE_S_MIN = 0.5
BATCH_INPUTS_MAX = 4096
BATCH_BYTES_MAX = 16 << 20
GROWTH_MAX = 16
# What a source has brought goes out when it brings no full batch for so long.
SOURCE_S_MAX = 0.25
# Taken from the source and not yet given out, in order or otherwise.
UNGIVEN_MAX = 10_000
_END = object()


class Settings:
    """Of one function: what its orders say. See function()."""

    def __init__(self, query: str, requirements: Dict[str, Any], name: str, archive: bytes, env: Dict[str, str],
                 budget: Optional[Any], project: str, trusts_pickles: bool, retries: int, in_flight: Optional[int],
                 batch: Optional[int], python: str, secrets: SecretSources = ()):
        self.query = query
        self.requirements = requirements
        self.name = name
        self.archive = archive
        self.env = env
        self.budget = budget
        self.project = project
        self.trusts_pickles = trusts_pickles
        self.retries = retries
        self.in_flight = in_flight
        self.batch = batch
        self.python = python
        self.secrets = secrets


class Map:
    """One run over many inputs: an async iterator of (number, value, error)."""

    def __init__(self, client: "AsyncClient", settings: Settings, source: Iterator[Tuple[Any, ...]],
                 count: Optional[int], ordered: bool, logs: Optional[bool], progress: Optional[bool]):
        self._client = client
        self._settings = settings
        self._source = source
        self._count = count
        self._ordered = ordered
        self._early: Dict[int, Outcome] = {}  # came before its turn
        self._logs = logs
        self._show = progress
        self._waiting: Deque[Tuple[int, bytes]] = collections.deque()
        self._tries: Dict[int, int] = {}
        self._taken = 0
        self._given = 0
        self._source_ended = False
        self._reading: Optional["asyncio.Task[None]"] = None  # the source, on a thread
        self._size = 0
        self._input_s: Optional[float] = None
        self._load_s = 0.0
        self._outcomes: "asyncio.Queue[Union[Outcome, BaseException, object]]"
        self._room: asyncio.Event
        self._flights: Set["asyncio.Task[None]"] = set()
        self._purse = Purse()
        self._driver: Optional["asyncio.Task[None]"] = None
        self._is_over = False
        self._has_run = False  # the function, on some node
        self._progress = _progress.Progress("")
        self._printer: Optional[_progress.LinePrinter] = None
        self.charged = Decimal(0)
        self.rescued = 0
        self.failed = 0
        self.orders: List[int] = []

    def __aiter__(self) -> "Map":
        return self

    async def __anext__(self) -> Outcome:
        if self._is_over:
            raise StopAsyncIteration
        if self._driver is None:
            self._start()
        while not (self._ordered and self._given in self._early):
            outcome = await self._outcomes.get()
            if outcome is _END:
                await self.aclose()
                raise StopAsyncIteration
            if isinstance(outcome, BaseException):
                await self.aclose()
                raise outcome
            number = outcome[0]  # type: ignore[index]
            self._early[number if self._ordered else self._given] = outcome  # type: ignore[assignment]
            if not self._ordered:
                break
        found = self._early.pop(self._given)
        self._given += 1
        self._room.set()
        return found

    def _start(self) -> None:
        self._outcomes = asyncio.Queue()
        self._room = asyncio.Event()
        self._progress = _progress.make(self._settings.name, self._show)
        if self._logs or (self._logs is None and type(self._progress) is not _progress.Progress):
            self._printer = _progress.LinePrinter(self._progress, several=False)
        self._driver = asyncio.ensure_future(self._drive())
        _loop.opened(self)

    def abandon(self) -> None:
        """From any thread: nobody will ask for more. Stops what is under way, and does not wait for it."""
        if self._driver is not None and not self._is_over:
            try:
                self._driver.get_loop().call_soon_threadsafe(lambda: asyncio.ensure_future(self.aclose()))
            except RuntimeError:
                pass  # that loop is closed, and with it the run

    async def aclose(self) -> None:
        """Stops what is under way; there are no more outcomes then."""
        tasks = [task for task in (self._driver, self._reading, *self._flights) if task is not None and not task.done()]
        if not self._is_over:
            self._is_over = True
            if self._driver is not None:
                self._outcomes.put_nowait(_END)  # for who waits for one
            # Once: a second time it would find them cleaning up.
            for task in tasks:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        _loop.closed(self)
        if self._printer is not None:
            self._printer.flush()
        self._progress.close()

    # ---- the driver ---------------------------------------------------------------------------------
    async def _drive(self) -> None:
        try:
            flights_max = self._settings.in_flight or await self._places()
            while True:
                self._room.clear()
                while len(self._flights) < flights_max:
                    calls = await self._next_calls(flights_max)
                    if not calls:
                        break
                    flight = asyncio.ensure_future(self._fly(calls))
                    self._flights.add(flight)
                    flight.add_done_callback(self._landed)
                # In this order: what it brought last waits before its end is known.
                if self._source_ended and not self._waiting and not self._flights:
                    break
                self._tell()
                await self._room.wait()
            self._outcomes.put_nowait(_END)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._outcomes.put_nowait(error)

    def _landed(self, flight: "asyncio.Task[None]") -> None:
        self._flights.discard(flight)
        if not flight.cancelled() and flight.exception() is not None:
            self._outcomes.put_nowait(flight.exception())
        self._room.set()

    async def _places(self) -> int:
        quote = await self._client.quote(self._settings.query, tasks=IN_FLIGHT_MAX, **self._settings.requirements)
        return max(1, min(quote.tasks_at_once, IN_FLIGHT_MAX))

    async def _next_calls(self, flights_max: int) -> List[Tuple[int, bytes]]:
        """The next batch; empty when there is nothing to send yet, or no room for its results."""
        wanted = self._batch_size(flights_max) - len(self._waiting)
        if wanted > 0:
            await self._read(wanted)
        size = self._batch_size(flights_max)
        calls, total = [], 0
        while self._waiting and len(calls) < size and (not calls or total + len(self._waiting[0][1]) <= BATCH_BYTES_MAX):
            total += len(self._waiting[0][1])
            calls.append(self._waiting.popleft())
        if calls:
            self._size = size
        return calls

    async def _read(self, wanted: int) -> None:
        """Until the source has brought so many, has ended, or was given time enough. What is wrong with it is raised."""
        self._end_reading()
        room = min(UNGIVEN_MAX - (self._taken - self._given), BATCH_INPUTS_MAX)
        if self._reading is None and not self._source_ended and room > 0:
            # On a thread: the source may be slow, be waiting for us, or never go on.
            self._reading = asyncio.ensure_future(_loop.on_thread(self._pull, min(wanted, room)))
            self._reading.add_done_callback(lambda _: self._room.set())
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=SOURCE_S_MAX)
            self._end_reading()

    def _end_reading(self) -> None:
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            reading.result()

    def _pull(self, count: int) -> None:
        """Each input may be sent as soon as the source has brought it."""
        assert self._driver is not None
        loop = self._driver.get_loop()
        pulled = 0
        for arguments in self._source:
            self._waiting.append((self._taken, package_call(arguments, {})))
            self._taken += 1
            pulled += 1
            loop.call_soon_threadsafe(self._room.set)
            if pulled == count or self._is_over:
                return
        self._source_ended = True

    def _batch_size(self, flights_max: int) -> int:
        if self._settings.batch:
            return self._settings.batch
        share = None
        if self._count is not None:
            left = self._count - self._taken + len(self._waiting)
            share = max(1, math.ceil(left / flights_max))
        if self._input_s is None:
            # Nothing is known yet, but a task gives back what it has no time for.
            return 1 if share is None else max(1, min(math.ceil(share / 4), 32))
        input_s = max(self._input_s, 1e-6)
        size = min(int(self._batch_s() / input_s), max(self._size, 1) * GROWTH_MAX, BATCH_INPUTS_MAX)
        if share is not None:
            # An equal share for every place, but no lease for less than a moment's work.
            size = min(size, max(share, int(SHARE_S_MIN / input_s)))
        return max(1, size)

    def _batch_s(self) -> float:
        return min(max(BATCH_S_MIN, BATCH_TO_LOAD * self._load_s), BATCH_S_MAX)

    # ---- a batch ------------------------------------------------------------------------------------
    async def _fly(self, calls: List[Tuple[int, bytes]]) -> None:
        batch = Batch(self._client, calls, self._settings.trusts_pickles, self._emit, self._printer)
        job = await self._order(calls)
        self.orders.append(job.id)
        try:
            await batch.run(job)
            if batch.left:
                self._settle(batch)
        except FunctionBroken as error:
            if not self._has_run:
                raise
            # It has run elsewhere: the word of one node is not to end it all.
            batch.order = batch.order or await job.wait()
            self._count_try(batch, str(error))
        finally:
            self._purse.give_back()
            self._learn(batch)
        self._waiting.extendleft(reversed(batch.left))

    async def _order(self, calls: List[Tuple[int, bytes]]) -> "AsyncJob":
        settings = self._settings
        inputs = package_inputs([call for _, call in calls])

        def order(manifest: str) -> "Awaitable[AsyncJob]":
            # It may wait long for its money.
            return self._purse.ask(lambda: submitted(self._client.submit(
                settings.query, command_of(self._batch_s(), settings.python), name=settings.name, env=settings.env,
                secrets=settings.secrets, input_manifest=manifest, output=True, budget=settings.budget,
                project=settings.project, **settings.requirements)))

        return await order_with(
            lambda: self._client.store.put_files({"job.pyz": settings.archive}, {"inputs": inputs}), order)

    def _settle(self, batch: Batch) -> None:
        """The order ended with inputs left: whose turn is it?"""
        assert batch.order is not None
        task = batch.order.tasks[0]
        if batch.order.state == models.OrderState.ORDER_DONE:
            # Its time was over, and what it has not begun goes on. But each begins one: who brings none does no work.
            if batch.trouble or not batch.done:
                self._count_try(batch, "a node ended its batch without its result" + batch.trouble)
            return
        if task.last_blame == models.Blame.BLAME_RENTER:
            if task.last_reason in (models.EndReason.STOPPED, models.EndReason.FUNDS):
                raise FallowError(f"job {batch.order.id} of this run ended by {task.last_reason}: "
                                  f"{task.detail or 'it was stopped, or the money held for it is used up'}")
            batch.blame_begun()
            return
        self._count_try(batch, f"the market could not bring it to its end: {task.last_reason.lower()} "
                               f"{task.detail}".rstrip())

    def _count_try(self, batch: Batch, why: str) -> None:
        """For what has no outcome this was one try; the last one is its outcome."""
        assert batch.order is not None
        task = batch.order.tasks[0]
        for place, (number, _) in enumerate(batch.calls):
            if place in batch.done:
                continue
            self._tries[number] = self._tries.get(number, 0) + 1
            if self._tries[number] > self._settings.retries:
                batch.done[place] = None
                self._emit((number, None, InputLost(why, str(task.last_reason), str(task.last_blame))))

    def _learn(self, batch: Batch) -> None:
        if batch.order is not None:
            self.charged += batch.order.charged
            self.rescued += batch.order.rescued
        if batch.times.get("count"):
            seconds = batch.times["busy_s"] / batch.times["count"]
            self._input_s = seconds if self._input_s is None else (self._input_s + seconds) / 2
            self._load_s = batch.times["load_s"]

    def _emit(self, outcome: Outcome) -> None:
        self.failed += outcome[2] is not None
        self._has_run = self._has_run or outcome[2] is None or isinstance(outcome[2], RemoteError)
        self._outcomes.put_nowait(outcome)

    def _tell(self) -> None:
        self._progress.update(done=self._given + len(self._early) + self._outcomes.qsize(), total=self._count, running=len(self._flights),
                              rescued=self.rescued, failed=self.failed, charged=self.charged)


def count_of(inputs: Any) -> Optional[int]:
    hint = operator.length_hint(inputs, -1)
    return hint if hint >= 0 else None
