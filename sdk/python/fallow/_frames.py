"""The bytes of a tunnel into a running lease: frames, requests and notes. docs/formats/tunnel.md is the contract.

No I/O. What is decoded comes from a stranger's machine: Broken for whatever is not as the format has it.
"""
import struct
from dataclasses import dataclass
from typing import Iterator, List, Mapping, NamedTuple, Sequence, Union

HELLO, OPEN, DATA, NOTE, WINDOW, END, RESET, GOODBYE = range(1, 9)
VERSION = 1
PAYLOAD_BYTES_MAX = 32 * 1024
REASON_BYTES_MAX = 500
# Channels of a command's output.
OUT, ERR = 0, 1

_HEAD = struct.Struct("<BBHI")
_U32 = struct.Struct("<I")


class Broken(Exception):
    """The other side does not keep to the format; the message says how."""


class Frame(NamedTuple):
    kind: int
    channel: int
    stream: int
    payload: bytes


def frame(kind: int, channel: int, stream: int, payload: bytes = b"") -> bytes:
    return _HEAD.pack(kind, channel, len(payload), stream) + payload


class Decoder:
    """Bytes in, whole frames out. Holds one frame at most."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        data = self._held + data
        at = 0
        while len(data) - at >= _HEAD.size:
            kind, channel, size, stream = _HEAD.unpack_from(data, at)
            if not HELLO <= kind <= GOODBYE or size > PAYLOAD_BYTES_MAX:
                raise Broken("a frame of unknown kind or size")
            end = at + _HEAD.size + size
            if end > len(data):
                break
            yield Frame(kind, channel, stream, data[end - size:end])
            at = end
        self._held = data[at:]


# ---- requests and notes: a letter and fields -------------------------------------------------------------
def u32(value: int) -> bytes:
    return _U32.pack(value)


def u32_of(payload: bytes) -> int:
    if len(payload) != 4:
        raise Broken("a number of another size")
    return int(_U32.unpack(payload)[0])


def _text(value: Union[str, bytes]) -> bytes:
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return u32(len(data)) + data


def exec_request(command: Sequence[str], environment: Mapping[str, str]) -> bytes:
    words = b"".join(_text(word) for word in command)
    names = b"".join(_text(name) + _text(value) for name, value in environment.items())
    return b"".join([b"x", u32(len(command)), words, u32(len(environment)), names, u32(0), u32(24), u32(80)])


def forward_request(port: int) -> bytes:
    return b"p" + u32(port)


def read_request(path: str) -> bytes:
    return b"r" + _text(path)


def write_request(path: str) -> bytes:
    return b"w" + _text(path)


@dataclass(frozen=True)
class Exit:
    code: int
    reason: str


@dataclass(frozen=True)
class Entry:
    is_folder: bool
    mode: int
    size: int
    path: str
    """Below the first entry, "a/b"; of the first itself it is empty."""
    name: str


@dataclass(frozen=True)
class Skipped:
    reason: str


Note = Union[Exit, Entry, Skipped, None]


def signal_note(number: int) -> bytes:
    return b"k" + u32(number)


def entry_note(entry: Entry) -> bytes:
    return b"".join([b"e", u32(entry.is_folder), u32(entry.mode), struct.pack("<Q", entry.size), _text(entry.path),
                     _text(entry.name)])


def note_of(payload: bytes) -> Note:
    """None: of a kind that this side does not know."""
    left = payload[1:]

    def number() -> int:
        nonlocal left
        if len(left) < 4:
            raise Broken("a note that is cut off")
        value, left = int(_U32.unpack_from(left)[0]), left[4:]
        return value

    def text() -> str:
        nonlocal left
        size = number()
        if size > len(left):
            raise Broken("a note that is cut off")
        value, left = left[:size], left[size:]
        return value.decode("utf-8", "surrogateescape")

    found: List[Note] = [None]
    if payload[:1] == b"x":
        found = [Exit(number(), text())]
    elif payload[:1] == b"e":
        found = [Entry(number() != 0, number() & 0o777, number() | number() << 32, text(), text())]
    elif payload[:1] == b"l":
        found = [Skipped(text())]
    if found[0] is not None and left:
        raise Broken("a note with more than its fields")
    return found[0]
