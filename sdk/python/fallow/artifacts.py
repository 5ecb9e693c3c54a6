"""Folders to and from the market's artifact store: blobs by digest, and manifests that name a folder's files.

docs/formats/artifact.md is the contract. What comes from the store is not trusted: every byte is checked against its
digest, and no path of a manifest leads out of the destination.
"""
import asyncio
import contextlib
import hashlib
import os
import pathlib
import re
import stat
from dataclasses import dataclass
from typing import Awaitable, BinaryIO, Callable, Iterable, Iterator, List, Mapping, Optional, Tuple, TypeVar, Union

from ._http import Http, TooLarge
from .errors import FallowError, Refused

PathLike = Union[str, "os.PathLike[str]"]

_FIRST_LINE = "fallow manifest v1\n"
_LINE = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]*) ([x-]) (.+)")
_FILES_MAX = 100_000
_TEXT_BYTES_MAX = 32 << 20
_PATH_BYTES_MAX = 1_024
_PARTS_MAX = 64
_PART_BYTES_MAX = 255
# Files of a folder on their way at once; those to the store are held in memory.
_AT_ONCE = 8
_BUFFER_BYTES = 1 << 20


class ArtifactError(FallowError):
    """A folder that cannot be kept, or an artifact that is not what its digest says."""


def digest_of(data: bytes) -> str:
    """BLAKE2b-256 in hex: the name of a blob."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


@dataclass(frozen=True)
class File:
    path: str
    digest: str
    size: int
    executable: bool = False


def _check_path(path: str) -> None:
    parts = path.split("/")
    raw = path.encode("utf-8", "strict")
    if (len(raw) > _PATH_BYTES_MAX or len(parts) > _PARTS_MAX
            or any(part in ("", ".", "..") or len(part.encode()) > _PART_BYTES_MAX for part in parts)
            or any(ord(letter) < 0x20 or 0x7F <= ord(letter) <= 0x9F for letter in path)):
        raise ArtifactError(f"{path!r} cannot be the path of an artifact's file")


def manifest_text(files: Iterable[File]) -> bytes:
    """The one canonical text of these files."""
    ordered = sorted(files, key=lambda file: file.path.encode())
    paths = [file.path for file in ordered]
    if len(set(paths)) != len(paths) or len(paths) > _FILES_MAX:
        raise ArtifactError(f"a manifest has at most {_FILES_MAX} files, each path once")
    for path in paths:
        _check_path(path)
    lines = [f"{file.digest} {file.size} {'x' if file.executable else '-'} {file.path}\n" for file in ordered]
    return (_FIRST_LINE + "".join(lines)).encode()


def parse_manifest(data: bytes) -> List[File]:
    """Only the canonical text is accepted."""
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise ArtifactError("the manifest is not UTF-8") from None
    if not text.startswith(_FIRST_LINE) or not text.endswith("\n"):
        raise ArtifactError("a manifest begins with the line 'fallow manifest v1' and ends with a line feed")
    files = []
    for line in text[len(_FIRST_LINE):].split("\n")[:-1]:
        found = _LINE.fullmatch(line)
        if not found:
            raise ArtifactError(f"{line!r} is no line of a manifest")
        files.append(File(found[4], found[1], int(found[2]), found[3] == "x"))
    if manifest_text(files) != data:
        raise ArtifactError("the manifest is not in its one canonical form")
    folders = {file.path[:at] for file in files for at in range(len(file.path)) if file.path[at] == "/"}
    for file in files:
        if file.path in folders:
            raise ArtifactError(f"the manifest has {file.path} both as a file and as a folder")
    return files


class Store:
    """The market's store. It is asked each time whether it has a blob: the question is what keeps the blob from being
    swept before an order names it."""

    def __init__(self, http: Http):
        self._http = http

    async def has(self, digest: str) -> bool:
        response = await self._http.send("HEAD", f"/v1/artifacts/{digest}", accept=404)
        return response.status != 404

    async def put(self, data: bytes) -> str:
        """Its digest. Sends nothing when the store has it."""
        digest = digest_of(data)
        if not await self.has(digest):
            await self.send(digest, data)
        return digest

    async def send(self, digest: str, data: bytes) -> None:
        await self._http.send("PUT", f"/v1/artifacts/{digest}", content=data,
                              headers={"Content-Type": "application/octet-stream"})

    async def get(self, digest: str, size_max: Optional[int] = None) -> bytes:
        """`size_max`: the bytes that it may have. To be said of every blob that a stranger has named."""
        response = await self._http.send("GET", f"/v1/artifacts/{digest}", size_max=size_max,
                                         fits=lambda answer: digest_of(answer.content) == digest)
        return response.content

    async def get_file(self, file: File, out: BinaryIO) -> None:
        """Writes its bytes to `out`, a piece at a time, so that memory is no limit."""
        hashing = hashlib.blake2b(digest_size=32)

        def begin() -> Callable[[bytes], None]:
            nonlocal hashing
            hashing = hashlib.blake2b(digest_size=32)
            out.seek(0)
            out.truncate()
            return take

        def take(data: bytes) -> None:
            hashing.update(data)
            out.write(data)

        try:
            await self._http.send("GET", f"/v1/artifacts/{file.digest}", size_max=file.size, into=begin,
                                  fits=lambda answer: hashing.hexdigest() == file.digest)
        except TooLarge:
            raise ArtifactError(f"{file.path} is larger than the {file.size} bytes of its manifest's line") from None

    async def put_files(self, files: Mapping[str, bytes], new: Mapping[str, bytes]) -> str:
        """The manifest's digest of a folder that stands in memory only. Whether the store has what is in `new` is not
        asked first: it can hardly have it, nor the manifest."""
        everything = {**files, **new}
        text = manifest_text(File(path, digest_of(data), len(data)) for path, data in everything.items())
        await asyncio.gather(*(self.put(data) for data in files.values()),
                             *(self.send(digest_of(data), data) for data in (*new.values(), text)))
        return digest_of(text)

    async def put_folder(self, folder: PathLike) -> str:
        """The manifest's digest. Refuses links and whatever is no regular file, with its name."""
        return await self.put_parts({"": folder})

    async def put_parts(self, parts: Mapping[str, PathLike]) -> str:
        """The same of several: {path: folder or file}, of which "" is the folder at the top."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def put(path: str, full: pathlib.Path) -> File:
            async with gate:
                data = await asyncio.get_running_loop().run_in_executor(None, full.read_bytes)
                return File(path, await self.put(data), len(data), bool(full.stat().st_mode & stat.S_IXUSR))

        found = [each for place, source in parts.items() for each in _walk_part(place, pathlib.Path(source))]
        for path, _ in found:
            _check_path(path)
        text = manifest_text(await asyncio.gather(*(put(path, full) for path, full in found)))
        parse_manifest(text)  # no file is where another needs a folder
        return await self.put(text)

    async def files_of(self, manifest: str) -> List[File]:
        try:
            return parse_manifest(await self.get(manifest, _TEXT_BYTES_MAX))
        except TooLarge:
            raise ArtifactError(f"{manifest} is no manifest: it has more than {_TEXT_BYTES_MAX} bytes") from None

    async def get_folder(self, manifest: str, destination: PathLike) -> List[pathlib.Path]:
        """Writes the manifest's files below `destination`; existing files are not overwritten."""
        root = pathlib.Path(destination)
        root.mkdir(parents=True, exist_ok=True)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def get(file: File) -> pathlib.Path:
            async with gate:
                with _created_below(root, file) as out:
                    await self.get_file(file, out)
            return root / file.path

        return list(await asyncio.gather(*(get(file) for file in await self.files_of(manifest))))


_Ordered = TypeVar("_Ordered")


async def order_with(upload: Callable[[], Awaitable[str]], order: Callable[[str], Awaitable[_Ordered]]) -> _Ordered:
    """`order(manifest)` of what `upload` gives. Once more from the start when the market has swept files meanwhile."""
    try:
        return await order(await upload())
    except Refused as error:
        if error.code != "input_missing":
            raise
    return await order(await upload())


def _walk_part(place: str, source: pathlib.Path) -> List[Tuple[str, pathlib.Path]]:
    if place == "":
        return _walk(source)
    if source.is_dir():
        return [(f"{place}/{path}", full) for path, full in _walk(source)]
    try:
        is_file = stat.S_ISREG(source.lstat().st_mode)
    except OSError:
        is_file = False
    if not is_file:
        raise ArtifactError(f"{source} is no folder and no regular file")
    return [(place, source)]


def _walk(root: pathlib.Path) -> List[Tuple[str, pathlib.Path]]:
    if not root.is_dir():
        raise ArtifactError(f"{root} is no folder")
    found = []
    for folder, folders, names in os.walk(root):
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                raise ArtifactError(f"{os.path.join(folder, name)} is a link; an artifact holds regular files only")
        for name in names:
            full = pathlib.Path(folder, name)
            if not stat.S_ISREG(full.lstat().st_mode):
                raise ArtifactError(f"{full} is no regular file; an artifact holds regular files only")
            found.append((full.relative_to(root).as_posix(), full))
            if len(found) > _FILES_MAX:
                raise ArtifactError(f"{root} has more than {_FILES_MAX} files")
    return found


@contextlib.contextmanager
def _created_below(root: pathlib.Path, file: File) -> Iterator[BinaryIO]:
    """The new file, open for writing; gone again when what is done with it fails."""
    # Every part is opened relative to its parent and without following links: whoever else writes there cannot lead us
    # elsewhere.
    flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_RDONLY
    parent = os.open(root, os.O_DIRECTORY | os.O_RDONLY)
    try:
        *folders, name = file.path.split("/")
        for folder in folders:
            try:
                os.mkdir(folder, dir_fd=parent)
            except FileExistsError:
                pass
            inner = os.open(folder, flags, dir_fd=parent)
            os.close(parent)
            parent = inner
        try:
            opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW,
                             0o755 if file.executable else 0o644, dir_fd=parent)
        except FileExistsError:
            raise ArtifactError(f"{root / file.path} exists already; choose another folder") from None
        try:
            with os.fdopen(opened, "wb", _BUFFER_BYTES) as out:
                yield out
        except BaseException:
            os.unlink(name, dir_fd=parent)
            raise
    except OSError as error:
        raise ArtifactError(f"cannot write {root / file.path}: {error.strerror}") from None
    finally:
        os.close(parent)
