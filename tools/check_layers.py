#!/usr/bin/env python3
"""Holds src/ to layers.txt: every #include "module/..." must be allowed there.

Tests (*_test.cc, *_test.h) may also include what the modules below theirs include: a test of the
server stands on a real log.

Usage: tools/check_layers.py [ROOT]    Prints each offence as file:line and exits with 1 if any.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def read_layers(path):
    layers = {}
    for line in path.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            module, _, allowed = line.partition(":")
            layers[module.strip()] = set(allowed.split())
    return layers


def reachable(layers, module):
    """Every module that `module` may include, directly or through others."""
    found, waiting = set(), [module]
    while waiting:
        for target in layers.get(waiting.pop(), ()):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    layers = read_layers(root / "layers.txt")
    offences = []
    for module in sorted(p.name for p in (root / "src").iterdir() if p.is_dir()):
        if module not in layers:
            offences.append(f"src/{module}: is not named in layers.txt; add its line there")
            continue
        allowed = layers[module]
        for file in sorted((root / "src" / module).rglob("*")):
            if file.suffix not in (".h", ".cc"):
                continue
            is_test = file.stem.endswith("_test")
            may = reachable(layers, module) if is_test else allowed
            for number, line in enumerate(file.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                if not found:
                    continue
                parts = pathlib.PurePosixPath(found.group(1)).parts
                target = "proto" if parts[0] == "fallow" else parts[0]
                where = f"{file.relative_to(root)}:{number}"
                if len(parts) < 2:
                    offences.append(f"{where}: write the module's folder: \"{module}/{parts[0]}\"")
                elif target not in layers and target != "proto":
                    offences.append(f"{where}: \"{found.group(1)}\" is of no module in layers.txt")
                elif target == "bin" and module != "bin":
                    offences.append(f"{where}: nobody includes bin")
                elif target != module and "*" not in allowed and target not in may:
                    names = ", ".join(sorted(allowed)) or "nothing of ours"
                    offences.append(f"{where}: {module} may not include {target} (it may: {names})")
    for offence in offences:
        print(offence)
    sys.exit(1 if offences else 0)


if __name__ == "__main__":
    main()
