"""A function and its inputs as the files that a node runs: job.pyz and inputs.

The function goes by cloudpickle: what it closes over and what it uses of __main__ by value, everything importable by
name. The archive brings cloudpickle itself, so that a node needs nothing but the same minor version of Python.
"""
import importlib.util
import io
import json
import pathlib
import struct
import sys
import zipfile
from types import ModuleType
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple, Union

import cloudpickle

from .errors import ValueRefused

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the same function gives the same bytes, so it is sent once
_UNCHECKED_HASH = 1  # flags of a .pyc
_HERE = pathlib.Path(__file__).resolve().parent


def package_function(function: Callable[..., Any], modules: Iterable[Union[str, ModuleType]], results: str) -> bytes:
    """The bytes of job.pyz. `modules` go along as files: those of yours that the node does not have."""
    try:
        pickled = cloudpickle.dumps(function, protocol=4)
    except Exception as error:
        raise ValueRefused(f"the function {getattr(function, '__qualname__', function)} cannot be sent: {error}; open "
                           "files, locks and connections are to be made inside of it") from error
    files: Dict[str, bytes] = {
        "function": pickled,
        "meta.json": json.dumps({"python": list(sys.version_info[:2]), "results": results}).encode(),
    }
    # Compiled, as they are imported anew for every batch. A node of another version reads the source of the first
    # two, which says so and ends.
    for name, path in (("__main__", _HERE / "_worker.py"), ("_plain", _HERE / "_plain.py")):
        files[f"{name}.py"] = path.read_bytes()
        files[f"{name}.pyc"] = _compiled(path, f"{name}.py")
    folder = pathlib.Path(cloudpickle.__file__).parent
    for path in sorted(folder.glob("*.py")):
        files[f"cloudpickle/{path.stem}.pyc"] = _compiled(path, f"cloudpickle/{path.name}")
    for module in modules:
        files.update(_module_files(module))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
        for name, data in sorted(files.items()):
            out.writestr(zipfile.ZipInfo(name, _FIRST_DAY), data)
    return archive.getvalue()


def _compiled(path: pathlib.Path, name: str) -> bytes:
    """A .pyc that is not held against its source (PEP 552): in an archive neither changes."""
    import marshal

    code = compile(path.read_bytes(), name, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + struct.pack("<IQ", _UNCHECKED_HASH, 0) + marshal.dumps(code)


def _module_files(module: Union[str, ModuleType]) -> Dict[str, bytes]:
    name = (module if isinstance(module, str) else module.__name__).split(".")[0]
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ValueRefused(f"there is no module '{name}' to send along")
    if spec.submodule_search_locations:
        root = pathlib.Path(next(iter(spec.submodule_search_locations)))
        paths = [(f"{name}/{path.relative_to(root).as_posix()}", path) for path in sorted(root.rglob("*"))
                 if path.is_file() and "__pycache__" not in path.parts]
    elif spec.origin and spec.origin.endswith(".py"):
        paths = [(f"{name}.py", pathlib.Path(spec.origin))]
    else:
        raise ValueRefused(f"the module '{name}' is no Python source and cannot be sent along")
    if any(path.suffix in (".so", ".pyd") for _, path in paths):
        raise ValueRefused(f"the module '{name}' has compiled parts, which cannot be sent along; nodes need it installed")
    return {f"modules/{inside}": path.read_bytes() for inside, path in paths}


def package_call(arguments: Tuple[Any, ...], keywords: Dict[str, Any]) -> bytes:
    try:
        return cloudpickle.dumps((arguments, keywords), protocol=4)  # type: ignore[no-any-return]
    except Exception as error:
        raise ValueRefused(f"an input cannot be sent: {error}") from error


def package_inputs(calls: Sequence[bytes]) -> bytes:
    parts: List[bytes] = []
    for call in calls:
        parts += [struct.pack("<I", len(call)), call]
    return b"".join(parts)


def command_of(seconds: float, python: str) -> List[str]:
    """What the node runs. Without a stated `python` the one of the caller's version, if the node has it by name."""
    same = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    choose = 'p=$(command -v "$1") || p=python3; exec "$p" -u /work/job.pyz /work/inputs "$2"'
    return ["sh", "-c", choose, "sh", python or same, repr(float(seconds))]


