"""Progress on one line of a terminal or in one place of a notebook; what is printed stands above it.

Workloads are strangers to the terminal they are shown on: escape sequences other than colour lose their ESC.
"""
import re
import sys
import threading
from decimal import Decimal
from typing import Any, Dict, Optional, TextIO, Tuple

from . import models

_PARTIAL_BYTES_MAX = 64 * 1024
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return found is not None and "IPKernelApp" in getattr(found, "config", {})


def wanted(stream: TextIO) -> bool:
    """Somebody looks at it; a pipe gets neither progress nor colour."""
    return in_notebook() or stream.isatty()


def defused(text: str) -> str:
    kept, at = [], 0
    for colour in _COLOUR.finditer(text):
        kept += [_CONTROL.sub("?", text[at:colour.start()]), colour.group()]
        at = colour.end()
    return "".join(kept) + _CONTROL.sub("?", text[at:])


def words_of(label: str, done: int, total: Optional[int], running: int = 0, waiting: int = 0, rescued: int = 0,
             failed: int = 0, charged: Optional[Decimal] = None) -> str:
    words = f"{label}: {done}{'' if total is None else f'/{total}'} done"
    for count, name in ((running, "running"), (waiting, "waiting"), (failed, "failed"), (rescued, "rescued")):
        if count:
            words += f", {count} {name}"
    return words + (f", charged {charged}" if charged is not None else "")


class Progress:
    """Shows nothing: for pipes and for those who asked for none."""

    def __init__(self, label: str):
        self.label = label

    def update(self, **state: Any) -> None:
        pass

    def print(self, text: str, error_stream: bool) -> None:
        out = sys.stderr if error_stream else sys.stdout
        print(text, file=out, flush=True)

    def close(self) -> None:
        pass


class TerminalProgress(Progress):
    def __init__(self, label: str):
        super().__init__(label)
        self._lock = threading.Lock()
        self._shown = ""

    def update(self, **state: Any) -> None:
        with self._lock:
            self._show(words_of(self.label, **state))

    def print(self, text: str, error_stream: bool) -> None:
        with self._lock:
            shown = self._shown
            self._show("")
            super().print(defused(text), error_stream)
            self._show(shown)

    def close(self) -> None:
        with self._lock:
            self._show("")

    def _show(self, words: str) -> None:
        if words or self._shown:
            sys.stderr.write("\r\x1b[2K" + words)
            sys.stderr.flush()
        self._shown = words


class NotebookProgress(Progress):
    def __init__(self, label: str):
        super().__init__(label)
        from IPython.display import display

        self._handle = display({"text/plain": label}, raw=True, display_id=True)

    def update(self, **state: Any) -> None:
        self._handle.update({"text/plain": words_of(self.label, **state)}, raw=True)

    def print(self, text: str, error_stream: bool) -> None:
        super().print(defused(text), error_stream)


def make(label: str, show: Optional[bool] = None) -> Progress:
    """`show`: None decides by what stderr is."""
    if show is False:
        return Progress(label)
    if in_notebook():
        return NotebookProgress(label)
    return TerminalProgress(label) if sys.stderr.isatty() else Progress(label)


class LinePrinter:
    """Puts pieces of output together to lines before they are printed."""

    def __init__(self, progress: Progress, several: bool):
        self._progress = progress
        self._several = several
        self._partial: Dict[Tuple[int, bool], Tuple[int, bytes]] = {}

    def print(self, line: models.LogLine) -> None:
        key = (line.lease, line.error_stream)
        _, rest = self._partial.pop(key, (0, b""))
        *lines, rest = (rest + line.data).split(b"\n")
        for each in lines:
            self._write(line.task, line.error_stream, each)
        if len(rest) > _PARTIAL_BYTES_MAX or (line.last and rest):
            self._write(line.task, line.error_stream, rest)
        elif rest:
            self._partial[key] = (line.task, rest)

    def flush(self) -> None:
        for (_, error_stream), (task, rest) in self._partial.items():
            self._write(task, error_stream, rest)
        self._partial.clear()

    def _write(self, task: int, error_stream: bool, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace")
        self._progress.print(f"[{task}] {text}" if self._several else text, error_stream)
