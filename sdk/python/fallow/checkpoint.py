"""Checkpoints that survive a move: what a training needs to go on somewhere else as if nothing had happened.

    from fallow.checkpoint import Batches, Checkpoint

    data = Batches(dataset, batch_size=32, seed=1)
    checkpoint = Checkpoint(model=model, optimizer=optimizer, data=data)
    checkpoint.restore()                       # True when it goes on
    for batch in data.epochs(3):               # from where it was
        ...
        checkpoint.save_when_due()             # once a minute, and when the node asks it to leave
    checkpoint.save()

Whatever has state_dict() and load_state_dict() can be kept: models and optimisers of PyTorch, schedulers, your own; dicts
of arrays and other plain values, which get their contents back in place; and numpy's own generators (default_rng). The
global random generators of Python, numpy and PyTorch are kept with it. Needs numpy and nothing else; fallow.torch adds
PyTorch's DataLoader.

A checkpoint is a folder: pieces of arrays, of 1 MiB, under the digest of their bytes, each written once however many
checkpoints hold it, and one small file that names them. That file appears last and whole, so a crash leaves the checkpoint
before. It holds plain values only: to load one runs nobody's code.
"""
import hashlib
import os
import pathlib
import random
import re
import signal
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

import numpy

from . import _plain

_INDEX = re.compile(r"checkpoint-(\d{12})")
_ARRAY = "\0array"
_TENSOR = "\0tensor"
DUE_AFTER_S = 60.0
KEPT = 2
PIECE_BYTES = 1 << 20


class CheckpointError(Exception):
    """A checkpoint cannot be written or read; the message says why."""


def default_folder() -> pathlib.Path:
    """$FALLOW_CHECKPOINT_DIR where the node offers it: what stands there goes along when the task moves."""
    return pathlib.Path(os.environ.get("FALLOW_CHECKPOINT_DIR") or "checkpoint")


class Checkpoint:
    """One thread. `parts` by name; `keep`: how many checkpoints stay; `due_after_s` is for save_when_due()."""

    def __init__(self, folder: Union[str, "os.PathLike[str]", None] = None, *, keep: int = KEPT,
                 due_after_s: float = DUE_AFTER_S, **parts: Any):
        self.folder = pathlib.Path(folder) if folder is not None else default_folder()
        self.saves = 0
        self.bytes_written = 0
        self._parts = {name: _part(name, part) for name, part in parts.items()}
        self._keep = keep
        self._due_after_s = due_after_s
        self._saved_at = time.monotonic()
        self._asked_to_leave = False
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._leave)

    def _leave(self, number: int, frame: Any) -> None:
        self._asked_to_leave = True

    # ---- writing --------------------------------------------------------------------------------------
    def save(self) -> pathlib.Path:
        """The new checkpoint's file. Only what no earlier checkpoint holds of the arrays is written."""
        blobs = self.folder / "blobs"
        try:
            blobs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"cannot make the folder {blobs}: {error.strerror}") from None
        state = {"parts": {name: part.state_dict() for name, part in self._parts.items()}, "random": _random_state()}
        tree = _strip(state, self._keep_bytes)
        self._settle(blobs)
        numbers = [number for number, _ in self._indexes()]
        path = self.folder / f"checkpoint-{(numbers[-1] + 1 if numbers else 1):012}"
        self._write(path, _sealed(_plain.encode(tree)))
        self._settle(self.folder)
        self.saves += 1
        self._saved_at = time.monotonic()
        self._sweep()
        return path

    def save_when_due(self) -> bool:
        """After every step: saves when the last time is long enough ago. Asked to leave (SIGTERM: the owner is back, the
        market wants the place), it saves and ends the process."""
        if self._asked_to_leave:
            self.save()
            sys.exit(128 + signal.SIGTERM)
        if time.monotonic() - self._saved_at < self._due_after_s:
            return False
        self.save()
        return True

    def _keep_bytes(self, data: bytes) -> List[str]:
        """The digests of its pieces."""
        digests = []
        for at in range(0, len(data), PIECE_BYTES):
            piece = memoryview(data)[at:at + PIECE_BYTES]
            digests.append(hashlib.blake2b(piece, digest_size=32).hexdigest())
            path = self.folder / "blobs" / digests[-1]
            if not path.exists():
                self._write(path, piece)
        return digests

    def _settle(self, folder: pathlib.Path) -> None:
        """The names that were given in it outlast the machine's power."""
        try:
            opened = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
        except OSError as error:
            raise CheckpointError(f"cannot write the checkpoint in {folder}: {error.strerror}") from None

    def _write(self, path: pathlib.Path, data: Union[bytes, memoryview]) -> None:
        # The node takes what begins with a dot for unfinished.
        new = path.with_name(f".{path.name}.new")
        try:
            with open(new, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except OSError as error:
            raise CheckpointError(f"cannot write the checkpoint {path}: {error.strerror}") from None
        self.bytes_written += len(data)

    def _sweep(self) -> None:
        """Older checkpoints go, and the arrays that only they held."""
        indexes = self._indexes()
        for _, path in indexes[:-self._keep]:
            path.unlink()
        held: Set[str] = set()
        for _, path in indexes[-self._keep:]:
            try:
                _digests(_plain.decode(_unsealed(path.read_bytes())), held)
            except (_plain.NotPlain, CheckpointError):
                path.unlink()
        for blob in (self.folder / "blobs").iterdir():
            if blob.name not in held:
                blob.unlink()

    # ---- reading --------------------------------------------------------------------------------------
    def restore(self) -> bool:
        """Takes up the newest checkpoint that is whole. False, and nothing changed, when there is none."""
        for _, path in reversed(self._indexes()):
            try:
                state = _fill(_plain.decode(_unsealed(path.read_bytes())), self._read_bytes)
            except (OSError, _plain.NotPlain, CheckpointError):
                continue  # half of it was lost on the way; the one before is as good
            missing = set(self._parts) - set(state["parts"])
            if missing:
                raise CheckpointError(f"the checkpoint {path} has no {', '.join(sorted(missing))}; it is of another "
                                      "program, so choose another folder")
            for name, part in self._parts.items():
                part.load_state_dict(state["parts"][name])
            _set_random_state(state["random"])
            self._saved_at = time.monotonic()
            return True
        return False

    def _read_bytes(self, digests: List[str]) -> bytes:
        return b"".join(self._read_piece(digest) for digest in digests)

    def _read_piece(self, digest: str) -> bytes:
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise CheckpointError(f"{digest!r} is no digest")
        path = self.folder / "blobs" / digest
        data = path.read_bytes()
        if hashlib.blake2b(data, digest_size=32).hexdigest() != digest:
            path.unlink()  # else the next save would take it for the piece, which it would not write again
            raise CheckpointError(f"the piece {digest} was altered")
        return data

    def _indexes(self) -> List[Tuple[int, pathlib.Path]]:
        if not self.folder.is_dir():
            return []
        found = [(int(match[1]), path) for path in self.folder.iterdir()
                 for match in [_INDEX.fullmatch(path.name)] if match]
        return sorted(found)


class _Kept:
    """What has no state_dict() itself, with how to take and give its state."""

    def __init__(self, state_dict: Callable[[], Any], load_state_dict: Callable[[Any], None]):
        self.state_dict = state_dict
        self.load_state_dict = load_state_dict


def _part(name: str, part: Any) -> Any:
    if hasattr(part, "state_dict") and hasattr(part, "load_state_dict"):
        return part
    if isinstance(part, dict):
        def load(state: Mapping[Any, Any]) -> None:
            part.clear()
            part.update(state)

        return _Kept(lambda: part, load)
    if isinstance(part, numpy.random.Generator):
        return _Kept(lambda: part.bit_generator.state, lambda state: setattr(part.bit_generator, "state", state))
    raise TypeError(f"'{name}' is no dict, no generator of numpy's, and has no state_dict() and load_state_dict(), so it "
                    "cannot be kept")


class Batches:
    """Batches of a dataset (with len() and []) that keep their place: which batch comes next is part of the state.

    Each epoch's order follows from seed and epoch alone. `collate` makes a batch of a list of samples; by default
    numpy stacks them, tuples part by part.
    """

    def __init__(self, dataset: Any, batch_size: int = 1, *, shuffle: bool = True, seed: int = 0,
                 drop_last: bool = False, collate: Optional[Callable[[List[Any]], Any]] = None):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.epoch = 0
        self.position = 0
        self._collate = collate or stacked

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        count = len(self.dataset)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """What is left of the present epoch."""
        for batch in self._rest():
            # Before it is given out: who saves after having worked on it goes on behind it.
            self.position += 1
            yield batch
        self.epoch, self.position = self.epoch + 1, 0

    def epochs(self, count: int) -> Iterator[Any]:
        """Up to the end of the count-th epoch, from where it is."""
        while self.epoch < count:
            yield from self

    def indices(self) -> List[Sequence[int]]:
        """The samples of each batch that is left of this epoch."""
        order = numpy.arange(len(self.dataset))
        if self.shuffle:
            numpy.random.RandomState((self.seed * 1_000_003 + self.epoch) % 2**32).shuffle(order)
        return [order[at * self.batch_size:(at + 1) * self.batch_size].tolist()
                for at in range(self.position, len(self))]

    def _rest(self) -> Iterator[Any]:
        for indices in self.indices():
            yield self._collate([self.dataset[index] for index in indices])

    def state_dict(self) -> Dict[str, int]:
        return {"epoch": self.epoch, "position": self.position, "seed": self.seed, "batch_size": self.batch_size}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        if state["batch_size"] != self.batch_size:
            raise CheckpointError(f"the checkpoint's batches are of {state['batch_size']} samples, these are of "
                                  f"{self.batch_size}: its place cannot be kept")
        self.epoch, self.position, self.seed = state["epoch"], state["position"], state["seed"]


def stacked(samples: List[Any]) -> Any:
    if isinstance(samples[0], tuple):
        return tuple(stacked(list(parts)) for parts in zip(*samples))
    return numpy.stack([numpy.asarray(sample) for sample in samples])


# ---- arrays out of a state and back ---------------------------------------------------------------------
def _strip(value: Any, keep: Callable[[bytes], List[str]]) -> Any:
    torch = sys.modules.get("torch")
    if isinstance(value, numpy.ndarray):
        return {_ARRAY: keep(_plain.encode(value))}
    if torch is not None and isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        return {_TENSOR: [keep(data), str(value.dtype).split(".")[1], list(value.shape)]}
    if isinstance(value, Mapping):
        if _ARRAY in value or _TENSOR in value:
            raise CheckpointError("a state cannot hold these names")
        return {_strip(key, keep): _strip(each, keep) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_strip(each, keep) for each in value) if type(value) in (list, tuple) else [
            _strip(each, keep) for each in value]
    return value


def _fill(value: Any, read: Callable[[List[str]], bytes]) -> Any:
    if isinstance(value, dict):
        if _ARRAY in value:
            return _plain.decode(read(_pieces(value[_ARRAY])))
        if _TENSOR in value:
            digests, dtype, shape = value[_TENSOR]
            return _tensor(read(_pieces(digests)), dtype, shape)
        return {key: _fill(each, read) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fill(each, read) for each in value)
    return value


def _tensor(raw: bytes, dtype: str, shape: List[int]) -> Any:
    import torch  # type: ignore[import-not-found,unused-ignore]

    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise CheckpointError(f"this PyTorch has no tensors of {dtype}")
    data = bytearray(raw)
    flat = torch.frombuffer(data, dtype=torch.uint8).view(kind) if data else torch.empty(0, dtype=kind)
    return flat.reshape(shape).clone()


def _pieces(digests: Union[str, List[str]]) -> List[str]:
    """An array used to be one piece."""
    return [digests] if isinstance(digests, str) else digests


def _digests(value: Any, found: Set[str]) -> None:
    if isinstance(value, dict):
        if _ARRAY in value:
            found.update(_pieces(value[_ARRAY]))
        elif _TENSOR in value:
            found.update(_pieces(value[_TENSOR][0]))
        else:
            for each in value.values():
                _digests(each, found)
    elif isinstance(value, (list, tuple)):
        for each in value:
            _digests(each, found)


def _sealed(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest() + data


def _unsealed(data: bytes) -> bytes:
    if hashlib.blake2b(data[32:], digest_size=32).digest() != data[:32]:
        raise CheckpointError("a checkpoint's file is torn")
    return data[32:]


# ---- random generators ----------------------------------------------------------------------------------
def _random_state() -> Dict[str, Any]:
    state: Dict[str, Any] = {"python": random.getstate(), "numpy": list(numpy.random.get_state())}
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch"] = torch.get_rng_state()
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _set_random_state(state: Mapping[str, Any]) -> None:
    random.setstate(state["python"])
    numpy.random.set_state(tuple(state["numpy"]))
    torch = sys.modules.get("torch")
    if torch is not None and "torch" in state:
        torch.set_rng_state(state["torch"])
        # Another node may have another number of devices; each takes its own, as far as there are.
        if torch.cuda.is_available():
            for device, each in enumerate(state.get("cuda", [])[:torch.cuda.device_count()]):
                torch.cuda.set_rng_state(each, device)
