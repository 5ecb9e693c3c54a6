"""Plain values as bytes and back, safe to read from a stranger: nothing in them can name code.

None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, Decimal, datetime, date, time,
timedelta, and numpy's arrays and scalars of numbers, words and times. Travels to nodes as a file, so it imports
nothing of this package and numpy only when it meets it.

    "FPV1" | length of the header, u32 | header: JSON | the bytes that the header points into

The header's parts of these bytes follow each other without overlapping, so what is read is no larger than what came.
"""
import datetime
import json
import re
import struct
import sys
from decimal import Decimal
from typing import Any, Callable, Dict, List

MAGIC = b"FPV1"
DEPTH_MAX = 200
_ARRAY_KINDS = "biufcSUmM"
_DTYPE = re.compile(r"[<>|=][biufcSUmM][0-9]+(\[[0-9]*[a-zA-Z]+\])?")


class NotPlain(TypeError):
    """A value that is none of the plain types, or bytes that are no plain value."""


def encode(value: Any) -> bytes:
    blobs: List[bytes] = []
    reached = [0]

    def keep(data: bytes) -> List[int]:
        blobs.append(data)
        reached[0] += len(data)
        return [reached[0] - len(data), len(data)]

    header = json.dumps(_encode(value, keep, 0), separators=(",", ":")).encode()
    return b"".join([MAGIC, struct.pack("<I", len(header)), header, *blobs])


def _encode(value: Any, keep: Callable[[bytes], List[int]], depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise NotPlain(f"a value nested more than {DEPTH_MAX} deep, or in itself, cannot travel")
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value

    def inner(each: Any) -> Any:
        return _encode(each, keep, depth + 1)

    if kind is list:
        return [inner(each) for each in value]
    if kind is dict:
        return {"dict": [[inner(key), inner(each)] for key, each in value.items()]}
    if kind in (tuple, set, frozenset):
        return {kind.__name__: [inner(each) for each in value]}
    if kind in (bytes, bytearray):
        return {kind.__name__: keep(bytes(value))}
    if kind is complex:
        return {"complex": [value.real, value.imag]}
    if kind is Decimal:
        return {"decimal": str(value)}
    if kind in (datetime.datetime, datetime.date, datetime.time):
        return {kind.__name__: value.isoformat()}
    if kind is datetime.timedelta:
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        if value.dtype.kind not in _ARRAY_KINDS or value.dtype.names:
            raise NotPlain(f"an array of {value.dtype} cannot travel; arrays of numbers, words and times can")
        array = numpy.ascontiguousarray(value)
        name = "array" if isinstance(value, numpy.ndarray) else "scalar"
        return {name: [value.dtype.str, list(value.shape), keep(array.tobytes())]}
    raise NotPlain(f"a {kind.__module__}.{kind.__qualname__} is no plain value and cannot travel; return numbers, text, "
                   "bytes, lists, dicts or numpy arrays (a tensor's .cpu().numpy(), a dataclass's asdict()), or write "
                   'results="pickle" if you trust every node that may run this')


def decode(data: bytes) -> Any:
    """NotPlain for whatever encode() has not made."""
    try:
        if data[:4] != MAGIC:
            raise NotPlain("no plain value begins like this")
        (size,) = struct.unpack("<I", data[4:8])
        header = json.loads(data[8:8 + size].decode("utf-8"))
        body = memoryview(data)[8 + size:]
        reached = [0]

        def part(place: Any) -> bytes:
            at, count = place
            if at != reached[0] or not 0 <= count <= len(body) - at:
                raise NotPlain("a plain value's parts do not follow each other to its end")
            reached[0] += count
            return bytes(body[at:at + count])

        return _decode(header, part, 0)
    except NotPlain:
        raise
    except Exception as error:  # whatever a stranger's bytes provoke is the same to the caller
        raise NotPlain(f"these bytes are no plain value ({type(error).__name__})") from None


_MAKERS: Dict[str, Callable[[Any], Any]] = {
    "complex": lambda parts: complex(*parts),
    "decimal": Decimal,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda parts: datetime.timedelta(*parts),
}


def _decode(tree: Any, part: Callable[[Any], bytes], depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise NotPlain("a plain value is nested too deep")
    if isinstance(tree, list):
        return [_decode(each, part, depth + 1) for each in tree]
    if not isinstance(tree, dict):
        return tree
    ((name, value),) = tree.items()
    if name == "dict":
        return {_decode(key, part, depth + 1): _decode(each, part, depth + 1) for key, each in value}
    if name in ("tuple", "set", "frozenset"):
        return {"tuple": tuple, "set": set, "frozenset": frozenset}[name](
            _decode(each, part, depth + 1) for each in value)
    if name in ("bytes", "bytearray"):
        return part(value) if name == "bytes" else bytearray(part(value))
    if name in ("array", "scalar"):
        dtype, shape, place = value
        if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
            raise NotPlain("an array of a kind that does not travel")
        import numpy

        array = numpy.frombuffer(part(place), dtype=numpy.dtype(dtype)).reshape(shape).copy()
        return array if name == "array" else array[()]
    return _MAKERS[name](value)
