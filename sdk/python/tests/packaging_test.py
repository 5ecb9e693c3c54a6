#!/usr/bin/env python3
"""The package installs with pip into an empty environment, and its types hold. Both need what not every machine has: PyPI, and
mypy; without them they are skipped, and say so."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import venv
from importlib import metadata

from harness import ROOT, main

SDK = ROOT / "sdk" / "python"


class PackagingTest(unittest.TestCase):
    def test_pip_installs_it(self):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "source")
            shutil.copytree(SDK, source, ignore=shutil.ignore_patterns("tests", "__pycache__"))
            try:
                venv.create(pathlib.Path(folder, "env"), with_pip=True)
            except (subprocess.CalledProcessError, SystemExit):  # what venv ends with, by version
                self.skipTest("this Python cannot make environments with pip: apt install python3-venv")
            python = str(pathlib.Path(folder, "env", "bin", "python"))
            done = subprocess.run([python, "-m", "pip", "install", "--quiet", "--retries", "0", "--timeout", "20",
                                   str(source)], capture_output=True, text=True)
            if done.returncode != 0 and ("NewConnectionError" in done.stderr or "No matching distribution" in done.stderr):
                self.skipTest("PyPI cannot be reached from here")
            self.assertEqual(done.returncode, 0, done.stderr)
            script = ("import fallow, pathlib; home = pathlib.Path(fallow.__file__).parent; "
                      "assert (home / 'py.typed').exists() and 'site-packages' in str(home), home; "
                      "fallow.Client, fallow.function, fallow.verify_receipt; print(fallow.__version__)")
            done = subprocess.run([python, "-c", script], capture_output=True, text=True, cwd=folder)
            self.assertEqual((done.returncode, done.stdout), (0, "0.1.0\n"), done.stderr)

    def test_types_hold(self):
        try:
            version = tuple(int(part) for part in metadata.version("mypy").split(".")[:2])
        except metadata.PackageNotFoundError:
            version = (0, 0)
        if version < (1, 5):
            self.skipTest("mypy 1.5 or later is not installed here: pip install mypy")
        done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--cache-dir=/dev/null",
                               "fallow"], cwd=SDK, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    main()
