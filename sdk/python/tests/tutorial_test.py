#!/usr/bin/env python3
"""Executes every block of docs/sdk-python.md against `fallow up`, and of README's Python part; what is printed has to be
what the text says, with an ellipsis for what differs from run to run."""
import contextlib
import io
import json
import os
import pathlib
import re
import signal
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import BUILD, PATIENCE, ROOT, fallow, main

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


class TutorialTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fallow-tutorial-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        for name in [name for name in os.environ if name.startswith("FALLOW_")]:
            del os.environ[name]
        os.environ["XDG_CONFIG_HOME"] = str(self.folder / "config")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        with open("up.log", "w") as log:
            up = subprocess.Popen([str(BUILD / "src" / "fallow"), "--json", "up", "--data", "market", "--listen",
                                   "127.0.0.1:0", "--providers", "2", "--save"], stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(up.wait)
        self.addCleanup(up.send_signal, signal.SIGTERM)
        fallow.set_default_client(None)
        self.addCleanup(fallow.set_default_client, None)
        self.wait_for_offers()

    def wait_for_offers(self):
        end = time.monotonic() + 60 * PATIENCE
        while time.monotonic() < end:
            if '"url"' in pathlib.Path("up.log").read_text():
                if len([offer for offer in fallow.offers("device_kind in [gpu,cpu]") if offer.available]) == 2:
                    return
            time.sleep(0.1)
        self.fail(f"the market did not start:\n{pathlib.Path('up.log').read_text()}")

    def play(self, path):
        namespace = {"__name__": "__tutorial__"}
        text = path.read_text()
        printed, count = None, 0
        for block in BLOCK.finditer(text):
            kind, code = block.groups()
            line = text[:block.start()].count("\n") + 2
            with self.subTest(f"{path.name}, line {line}"):
                if kind == "python":
                    out = io.StringIO()
                    with contextlib.redirect_stdout(out):
                        exec(compile("\n" * (line - 1) + code, str(path), "exec"), namespace)
                    printed, count = out.getvalue(), count + 1
                elif kind == "text":
                    pattern = re.escape(code.strip()).replace("…", ".*")
                    self.assertRegex(printed.strip(), f"^{pattern}$")
                else:
                    self.fail(f"a block of '{kind}' is not executed")
        return count

    def test_the_tutorial(self):
        self.assertGreater(self.play(ROOT / "docs" / "sdk-python.md"), 10)

    def test_the_readmes_tour(self):
        section = (ROOT / "README.md").read_text().split("## Five minutes in Python")[1].split("\n## ")[0]
        code = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, "README.md", "exec"), {"__name__": "__tutorial__"})
        self.assertIn("332833500", out.getvalue())
        self.assertIn("hello", json.dumps(fallow.jobs()[-1].output()))


if __name__ == "__main__":
    main()
