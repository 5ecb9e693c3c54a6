"""One batch on its way: an order of one task whose results come out of its log, and after its end out of its output."""
import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple, Union

from . import _plain, _progress, _worker, models
from ._http import TooLarge
from .artifacts import ArtifactError
from .errors import FallowError, InputLost, NotFound, RemoteError, ValueRefused

if TYPE_CHECKING:
    from ._job import AsyncJob
    from .aio import AsyncClient

Outcome = Tuple[int, Any, Optional[FallowError]]
"""(the input's number, its value, or why there is none)"""

_ENDED_WELL = (models.OrderState.ORDER_DONE, models.OrderState.ORDER_FAILED)
_WORDS_BYTES_MAX = 4096
# A worker begins no further input when its results have _worker.RESULTS_BYTES_MAX: the rest is for the last value.
_RESULTS_BYTES_MAX = 512 << 20


class FunctionBroken(FallowError):
    """The function itself could not be loaded on the node; no input is to blame."""


class Batch:
    """`calls`: (the input's number, its pickle). What has no outcome in the end is in `left`."""

    def __init__(self, client: "AsyncClient", calls: List[Tuple[int, bytes]], trusts_pickles: bool,
                 emit: Callable[[Outcome], None], printer: Optional[_progress.LinePrinter]):
        self._client = client
        self._trusts_pickles = trusts_pickles
        self._emit = emit
        self._printer = printer
        self.calls = calls
        self.done: Dict[int, None] = {}
        self._begun: Optional[int] = None
        self._unfinished: Dict[int, bytes] = {}  # of each lease's stdout, the line that has no end yet
        self._words = b""                        # the end of stderr, for who has to explain a failure
        self.times: Dict[str, float] = {}
        self.trouble = ""                        # why there are no results, where more is known
        self.order: Optional[models.OrderView] = None

    @property
    def left(self) -> List[Tuple[int, bytes]]:
        return [call for place, call in enumerate(self.calls) if place not in self.done]

    async def run(self, job: "AsyncJob") -> None:
        """Follows the order to its end. FunctionBroken, or what the market says."""
        try:
            async for line in job.logs(follow=True):
                self._take_output(line)
            self.order = await job.wait()
        except BaseException:
            await asyncio.shield(_stopped(job))
            raise
        if self.left and self.order.state in _ENDED_WELL:
            await self._take_file(self.order.tasks[0].output_manifest)

    def blame_begun(self) -> None:
        """The order ended by the fault of what ran: the input that was being worked on takes it."""
        assert self.order is not None
        task = self.order.tasks[0]
        if self._begun is None or self._begun in self.done:
            raise FunctionBroken(
                f"a batch ended before it began its first input: {task.last_reason} (exit code {task.exit_code}) "
                f"{task.detail}\n{self._words.decode('utf-8', 'replace')}")
        self._finish(self._begun, None, InputLost(
            f"the lease ended while it worked on this input: {task.last_reason.lower()} {task.detail}".rstrip(),
            str(task.last_reason), str(task.last_blame)))

    # ---- what the node reports; it is a stranger, so nothing of it is believed ----------------------
    def _take_output(self, line: models.LogLine) -> None:
        if line.error_stream:
            self._words = (self._words + line.data)[-_WORDS_BYTES_MAX:]
            if self._printer is not None:
                self._printer.print(line)
            return
        *lines, rest = (self._unfinished.get(line.lease, b"") + line.data).split(b"\n")
        self._unfinished[line.lease] = rest
        for each in lines:
            parts = each.split(b" ")
            if len(parts) == 3 and len(parts[0]) == 1 and parts[1].isdigit():
                try:
                    self._take(parts[0], int(parts[1]), base64.b64decode(parts[2], validate=True))
                except ValueError:
                    continue

    async def _take_file(self, manifest: str) -> None:
        if not manifest:
            return
        try:
            files = [file for file in await self._client.store.files_of(manifest) if file.path == "results"]
            data = await self._client.store.get(files[0].digest, _RESULTS_BYTES_MAX) if files else b""
        except (ArtifactError, NotFound, TooLarge) as error:
            self.trouble = f": {error}"
            return
        at = 0
        while at + _worker.HEAD.size <= len(data):
            kind, place, size = _worker.HEAD.unpack_from(data, at)
            at += _worker.HEAD.size + size
            if at <= len(data):
                self._take(kind, place, data[at - size:at])

    def _take(self, kind: bytes, place: int, payload: bytes) -> None:
        if kind == _worker.BROKEN:
            error = _remote(payload)
            raise FunctionBroken(f"the function cannot run on the node: {error}")
        if kind == _worker.TIMES:
            self._take_times(payload)
            return
        if not 0 <= place < len(self.calls) or place in self.done:
            return
        if kind == _worker.BEGUN:
            self._begun = place
        elif kind == _worker.VALUE:
            try:
                self._finish(place, _plain.decode(payload), None)
            except _plain.NotPlain as error:
                self._finish(place, None, ValueRefused(f"the node's result cannot be read: {error}"))
        elif kind == _worker.PICKLE and self._trusts_pickles:
            self._finish(place, _unpickled(payload), None)
        elif kind == _worker.RAISED:
            self._finish(place, None, _remote(payload))
        elif kind == _worker.DIED:
            self._finish(place, None, InputLost(_text(payload, "text"), "EXIT_CODE", "BLAME_RENTER"))

    def _take_times(self, payload: bytes) -> None:
        try:
            found = json.loads(payload)
            self.times = {name: float(found[name]) for name in ("load_s", "busy_s", "count")}
        except (ValueError, KeyError, TypeError):
            pass

    def _finish(self, place: int, value: Any, error: Optional[FallowError]) -> None:
        self.done[place] = None
        self._emit((self.calls[place][0], value, error))


def _unpickled(payload: bytes) -> Any:
    import pickle

    return pickle.loads(payload)


def _document(payload: bytes) -> Dict[str, Any]:
    try:
        found: Union[Dict[str, Any], Any] = json.loads(payload)
        return found if isinstance(found, dict) else {}
    except ValueError:
        return {}


def _text(payload: bytes, name: str) -> str:
    return _progress.defused(str(_document(payload).get(name, "")))


def _remote(payload: bytes) -> RemoteError:
    return RemoteError(_text(payload, "type") or "Exception", _text(payload, "text"), _text(payload, "traceback"))


async def _stopped(job: "AsyncJob") -> None:
    try:
        await job.stop()
    except FallowError:
        pass  # it ends by itself; why we leave is what is told
