"""Files and folders over a stream of a tunnel: an entry for each, and the bytes of files behind it.

Nothing here follows a link below what was named: what is sent lies in the opened file or folder, what is received lands below
the opened parent, whatever the other side, which is a stranger's machine, calls it. A file appears when it is whole.
"""
import errno
import itertools
import os
import pathlib
import stat
from typing import Any, List, Optional, Tuple, Union

from . import _frames
from ._frames import Entry
from ._tunnel import Stream
from .errors import ReachFailed

DEPTH_MAX = 64
PATH_BYTES_MAX = 4096
NAME_BYTES_MAX = 255
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_parts = itertools.count(1)


def is_plain_name(name: str) -> bool:
    size = len(os.fsencode(name))
    return name not in ("", ".", "..") and size <= NAME_BYTES_MAX and "/" not in name and "\0" not in name


def is_plain_path(path: str) -> bool:
    """Relative, without empty parts, "." and "..", and not too long."""
    parts = path.split("/")
    return len(os.fsencode(path)) <= PATH_BYTES_MAX and len(parts) <= DEPTH_MAX and all(map(is_plain_name, parts))


def name_of(path: str) -> str:
    """What is found at a path of the sandbox is called here: its last part, or "files" for a whole folder of it."""
    path = path.rstrip("/") if path != "/" else path
    return "files" if path in ("", ".", "/", "/work", "/out") else path.rsplit("/", 1)[-1]


def landing_of(asked: str, to: Union[str, "os.PathLike[str]"]) -> Tuple[pathlib.Path, str]:
    """Folder and name under which what was asked for lands: in the folder `to` if that is there, else as `to`. Never
    a name of the sender's choosing."""
    path = pathlib.Path(to)
    if path.is_dir() or os.fspath(to).endswith("/"):
        return path, name_of(asked)
    return path.parent, path.name


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


class Sender:
    """Of one file or folder of this machine."""

    def __init__(self, stream: Stream, name: str):
        self._stream = stream
        self._name = name
        self.bytes = 0
        self.left_out: List[str] = []

    async def send(self, opened: int) -> None:
        """The open file or folder, which stays open. ReachFailed."""
        await self._send(os.dup(opened), "")

    async def _send(self, opened: int, path: str) -> None:
        shown = path or self._name
        try:
            found = os.fstat(opened)
            is_folder = stat.S_ISDIR(found.st_mode)
            if is_folder and path.count("/") + bool(path) >= DEPTH_MAX - 1:
                self.left_out.append(f"{shown} is left out: folders lie too deep")
                return
            if not is_folder and not stat.S_ISREG(found.st_mode):
                self.left_out.append(f"{shown} is left out: it is no file and no folder")
                return
            size = 0 if is_folder else found.st_size
            await self._stream.note(_frames.entry_note(
                Entry(is_folder, stat.S_IMODE(found.st_mode) & 0o777, size, path, "" if path else self._name)))
            if is_folder:
                for name in sorted(os.listdir(opened)):
                    await self._send_below(opened, name, f"{path}/{name}" if path else name)
            else:
                await self._send_bytes(opened, size, shown)
        except OSError as error:
            raise ReachFailed(f"cannot read {shown}: {_reason(error)}") from None
        finally:
            os.close(opened)

    async def _send_below(self, folder: int, name: str, path: str) -> None:
        if not is_plain_path(path):
            self.left_out.append(f"{path[:200]} is left out: its path is too long")
            return
        try:
            # Not blocking: a pipe would wait for its writer.
            opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            why = "it is a link" if error.errno == errno.ELOOP else _reason(error)
            self.left_out.append(f"{path} is left out: {why}")
            return
        await self._send(opened, path)

    async def _send_bytes(self, opened: int, size: int, shown: str) -> None:
        while size > 0:
            data = os.read(opened, min(size, _frames.PAYLOAD_BYTES_MAX))
            if not data:
                raise ReachFailed(f"{shown} became shorter while it was read")
            size -= len(data)
            self.bytes += len(data)
            await self._stream.send(data)


class Receiver:
    """Into one folder of this machine: the first entry becomes `name` in it. Permissions are the sender's less the umask's."""

    def __init__(self, parent: pathlib.Path, name: str):
        if not is_plain_name(name):
            raise ReachFailed(f"no file can have the name {name!r}; say where it shall go")
        self._name = name
        self._root: Optional[int] = None
        self._file: Optional[int] = None
        self._folder = -1  # in which the file is written
        self._part = ""
        self._final = ""
        self._left = 0
        self.bytes = 0
        self.files = 0
        try:
            self._parent = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ReachFailed(f"cannot write into the folder {parent}: {_reason(error)}") from None

    def entry(self, entry: Entry) -> None:
        """ReachFailed when it cannot be written, or the sender broke the rules."""
        self._end_file()
        if not entry.path:
            if self._root is not None or self.files:
                raise ReachFailed("the sender named its first entry twice")
            above, name = [], self._name
        elif self._root is None or not is_plain_path(entry.path):
            raise ReachFailed("the sender gave a path that leads elsewhere")
        else:
            *above, name = entry.path.split("/")
        folder = os.dup(self._root if entry.path and self._root is not None else self._parent)
        try:
            for part in above:
                inner = os.open(part, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            if entry.is_folder:
                self._make_folder(folder, name, entry)
            else:
                self._begin_file(folder, name, entry)
                folder = -1  # it is kept
                if not self._left:
                    self._end_file()
        except OSError as error:
            raise ReachFailed(f"cannot write {entry.path or name}: {_reason(error)}") from None
        finally:
            if folder >= 0:
                os.close(folder)

    def _make_folder(self, folder: int, name: str, entry: Entry) -> None:
        try:
            os.mkdir(name, entry.mode | 0o700, dir_fd=folder)
        except FileExistsError:
            pass
        made = os.open(name, _FOLDER, dir_fd=folder)
        if entry.path:
            os.close(made)
        else:
            self._root = made

    def _begin_file(self, folder: int, name: str, entry: Entry) -> None:
        # Beside its place, and there only when it is whole.
        self._part, self._final = f".fallow-part-{os.getpid()}-{next(_parts)}", name
        self._file = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                             entry.mode | 0o600, dir_fd=folder)
        self._folder, self._left = folder, entry.size

    def data(self, data: bytes) -> None:
        if self._file is None or len(data) > self._left:
            raise ReachFailed("the sender sent more than it announced")
        self._left -= len(data)
        self.bytes += len(data)
        try:
            while data:
                data = data[os.write(self._file, data):]
            if not self._left:
                self._end_file()
        except OSError as error:
            raise ReachFailed(f"cannot write {self._final}: {_reason(error)}") from None

    def _end_file(self) -> None:
        if self._file is None:
            return
        if self._left:
            raise ReachFailed(f"the sender ended in the middle of {self._final}")
        os.rename(self._part, self._final, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._drop_file()
        self.files += 1

    def _drop_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            os.close(self._folder)
            self._file = None

    def finish(self) -> None:
        """Nothing more comes."""
        self._end_file()
        if self._root is None and not self.files:
            raise ReachFailed("nothing was sent")

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: Any) -> None:
        """A file that did not become whole goes."""
        if self._file is not None:
            try:
                os.unlink(self._part, dir_fd=self._folder)
            except OSError:
                pass
            self._drop_file()
        for opened in (self._root, self._parent):
            if opened is not None:
                os.close(opened)
