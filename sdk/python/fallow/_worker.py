"""What runs on the node: works through a batch of inputs in a process of its own, and reports each one's result.

Travels inside job.pyz, beside _plain.py; imports nothing but the standard library, and little of it, for every batch
begins with that. Started as `python3 job.pyz INPUTS SECONDS`: after SECONDS no further input is begun, what was not
begun goes back.

Every report goes twice: as a line of stdout, at once, as long as it is small; and into $FALLOW_OUT/results, which the
market keeps. What the function prints, to stdout too, comes out of stderr. The inputs run in a forked child: when one
of them ends the process, the others get a new one.
"""
import binascii
import json
import os
import pickle
import select
import signal
import struct
import sys
import time
import zipimport
from typing import Any, Callable, Dict, List, NoReturn, Optional, Set

# A report: its kind, the input's place in the batch, the length of what follows.
HEAD = struct.Struct("<cII")
BEGUN = b"s"    # nothing
VALUE = b"v"    # a plain value
PICKLE = b"k"   # a pickle
RAISED = b"e"   # JSON: type, text, traceback
DIED = b"x"     # JSON: text
BROKEN = b"b"   # JSON: type, text, traceback; of the function, not of an input
TIMES = b"t"    # JSON: load_s, busy_s, count

LINE_BYTES_MAX = 48 * 1024
LINES_BYTES_MAX = 8 << 20
# With so much of results no further input is begun: who fetches them holds them in memory.
RESULTS_BYTES_MAX = 64 << 20
_READ_BYTES = 1 << 16
_LOOK_S = 0.2


def packed(name: str) -> bytes:
    """The file of that name in job.pyz."""
    return zipimport.zipimporter(sys.argv[0]).get_data(name)


def words_of(error: BaseException) -> bytes:
    import traceback

    ours = error.__traceback__
    lines = traceback.format_exception(type(error), error, ours.tb_next if ours is not None else None)
    return json.dumps({"type": type(error).__qualname__, "text": str(error)[:2000],
                       "traceback": "".join(lines)[-8000:]}).encode()


def read_inputs(path: str) -> List[bytes]:
    inputs: List[bytes] = []
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        inputs.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return inputs


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]


class Reports:
    """The parent's two ways out."""

    def __init__(self, line_fd: int, folder: str):
        self.line_fd = line_fd
        self.lines_bytes = 0
        self.file_bytes = 0
        self.file = open(os.path.join(folder, "results"), "wb", buffering=0)

    def put(self, kind: bytes, index: int, payload: bytes = b"") -> None:
        write_all(self.file.fileno(), HEAD.pack(kind, index, len(payload)) + payload)
        self.file_bytes += HEAD.size + len(payload)
        if len(payload) <= LINE_BYTES_MAX and self.lines_bytes < LINES_BYTES_MAX:
            line = b"%s %d %s\n" % (kind, index, binascii.b2a_base64(payload, newline=False))
            self.lines_bytes += len(line)
            write_all(self.line_fd, line)


def child(inputs: List[bytes], pending: List[int], pipe: int, meta: Dict[str, Any], until: float, began: float,
          results_bytes: int) -> NoReturn:
    """Works through `pending`, which adds to `results_bytes`; never returns."""
    def put(kind: bytes, index: int, payload: bytes = b"") -> None:
        write_all(pipe, HEAD.pack(kind, index, len(payload)) + payload)

    import _plain  # beside this file in job.pyz

    try:
        function = pickle.loads(packed("function"))
    except BaseException as error:
        put(BROKEN, 0, words_of(error))
        os._exit(0)
    loaded = time.monotonic()
    count = 0
    for index in pending:
        if count > 0 and (time.monotonic() >= until or results_bytes >= RESULTS_BYTES_MAX):
            break
        put(BEGUN, index)
        try:
            arguments, keywords = pickle.loads(inputs[index])
            value = function(*arguments, **keywords)
            if meta["results"] == "pickle":
                kind, payload = PICKLE, pickle.dumps(value, protocol=4)
            else:
                kind, payload = VALUE, _plain.encode(value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            kind, payload = RAISED, words_of(error)
        count += 1
        results_bytes += len(payload)
        put(kind, index, payload)
    put(TIMES, 0, json.dumps({"load_s": loaded - began, "busy_s": time.monotonic() - loaded,
                              "count": count}).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def receive(pipe: int, process: int, take: Callable[[bytes, int, bytes], None]) -> int:
    """Hands what the child reports to take(); its wait status when it has ended."""
    rest = bytearray()
    status: Optional[int] = None
    while True:
        readable, _, _ = select.select([pipe], [], [], _LOOK_S if status is None else 0)
        if readable:
            data = os.read(pipe, _READ_BYTES)
            if not data:
                break
            rest += data
            while len(rest) >= HEAD.size:
                kind, index, size = HEAD.unpack_from(rest)
                if len(rest) < HEAD.size + size:
                    break
                take(kind, index, bytes(rest[HEAD.size:HEAD.size + size]))
                del rest[:HEAD.size + size]
        elif status is not None:
            return status  # something that it left behind holds the pipe
        else:
            ended, found = os.waitpid(process, os.WNOHANG)
            status = found if ended else None
    return os.waitpid(process, 0)[1] if status is None else status


def how_it_died(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in signal.valid_signals() else str(number)
        return f"the process was ended by {name}" + (": out of memory?" if number == signal.SIGKILL else "")
    return f"the process ended itself with code {os.WEXITSTATUS(status)}"


def main() -> None:
    began = time.monotonic()
    inputs = read_inputs(sys.argv[1])
    until = began + float(sys.argv[2])
    line_fd = os.dup(1)
    os.dup2(2, 1)
    reports = Reports(line_fd, os.environ["FALLOW_OUT"])
    meta = json.loads(packed("meta.json"))
    here, there = list(sys.version_info[:2]), meta["python"]
    if here != there:
        reports.put(BROKEN, 0, json.dumps({
            "type": "PythonDiffers", "traceback": "",
            "text": f"the function was sent by Python {there[0]}.{there[1]}, this node has {here[0]}.{here[1]}: "
                    "functions travel between equal versions only"}).encode())
        return
    sys.path.insert(1, os.path.join(sys.argv[0], "modules"))
    done: Set[int] = set()
    broken: List[bool] = []
    begun: Optional[int] = None
    while len(done) < len(inputs):
        pending = [index for index in range(len(inputs)) if index not in done]
        ours, theirs = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(ours)
            os.close(line_fd)
            child(inputs, pending, theirs, meta, until, began, reports.file_bytes)
        os.close(theirs)
        begun = None

        def take(kind: bytes, index: int, payload: bytes) -> None:
            nonlocal begun
            if kind == BEGUN:
                begun = index
            elif kind in (VALUE, PICKLE, RAISED):
                done.add(index)
                begun = None
            elif kind == BROKEN:
                broken.append(True)
            reports.put(kind, index, payload)

        status = receive(ours, process, take)
        os.close(ours)
        if broken or (status == 0 and begun is None):
            break  # through with it, or out of time
        if begun is None:
            begun = pending[0]  # it died before it could say what it was at
        done.add(begun)
        reports.put(DIED, begun, json.dumps({"text": how_it_died(status)}).encode())
        if time.monotonic() >= until:
            break


if __name__ == "__main__":
    main()
