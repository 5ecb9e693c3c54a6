#!/usr/bin/env python3
"""Executes README's command blocks as they are written, against real markets; the last test says what
is left to whom else."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import BUILD, PATIENCE, ROOT, main

def section(title):
    return (ROOT / "README.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]


def commands(title):
    """The lines of the section's blocks, without comments."""
    lines = [line[4:] for line in section(title).splitlines() if line.startswith("    ")]
    return [re.sub(r"\s+#\s.*$", "", line).strip() for line in lines]


class ReadmeTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fallow-readme-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.processes = []
        self.addCleanup(self.end_all)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("FALLOW_")}
        self.environment.update(HOME=str(self.folder), XDG_CONFIG_HOME=str(self.folder / "config"),
                                PATH=f"{BUILD / 'src'}:{os.environ['PATH']}")
        self.ran = []

    def end_all(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(timeout=60)

    def start(self, line, *more):
        """In the background, as in another terminal."""
        log = open(self.folder / f"log-{len(self.processes)}", "w")
        words = " ".join([line, *more])
        process = subprocess.Popen(["bash", "-c", f"exec {words}"], cwd=self.folder, env=self.environment, stdout=log,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        self.ran.append(line)
        return pathlib.Path(log.name), process

    def wait(self, what, check, seconds=60):
        end = time.monotonic() + seconds * PATIENCE
        while time.monotonic() < end:
            answer = check()
            if answer:
                return answer
            for process in self.processes:
                self.assertIsNone(process.poll(), (self.folder / "log-0").read_text())
            time.sleep(0.1)
        self.fail(f"{what} did not happen within {seconds} s")

    def run_line(self, line, instead=(), key=None):
        text = line
        for placeholder, value in instead:
            text = text.replace(placeholder, value)
        environment = dict(self.environment, **({"FALLOW_API_KEY": key} if key else {}))
        done = subprocess.run(["bash", "-c", text], cwd=self.folder, env=environment, capture_output=True, text=True,
                              timeout=120 * PATIENCE, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, f"$ {line}\n{done.stdout}{done.stderr}")
        self.ran.append(line)
        return done.stdout

    def offers(self, count):
        done = subprocess.run(["fallow", "--json", "offers", "device_kind in [gpu,cpu]"], capture_output=True, text=True,
                              env=self.environment, stdin=subprocess.DEVNULL)
        return done.stdout.count('"available":true') >= count

    def test_five_minutes_as_a_renter(self):
        lines = commands("Five minutes as a renter")
        # The line before it builds, and puts the program on the path: so it is here already.
        up = next(line for line in lines if line.startswith("fallow up"))
        self.start(up, "--listen", "127.0.0.1:0")
        self.wait("two offers", lambda: self.offers(2))
        lease = self.wait("a lease to look into", self.detached)
        for line in lines[lines.index(up) + 1:]:
            if not line or line.startswith("fallow up"):
                continue
            if line.startswith("fallow exec LEASE"):
                out = self.run_line(line + " -- sh -c 'echo in $FALLOW_TASK'", [("LEASE", lease)])
                self.assertEqual(out, "in 0\n")
                self.run_line(f"fallow stop {self.order}")
                self.wait("its end", lambda: not self.leases("--open"))
                continue
            ended = next((each for each in self.leases() if each != lease), lease)
            out = self.run_line(line, [("LEASE", ended)])
            if "echo hello" in line:
                self.assertEqual(out, "hello\n")
            if "verify" in line:
                self.assertIn("paid", out)
        self.assertEqual({(self.folder / "out" / str(i) / "me").read_text() for i in range(4)}, {"0\n", "1\n", "2\n", "3\n"})
        self.assertGreaterEqual(len(self.ran), 11)

    def detached(self):
        if not getattr(self, "order", None):
            self.order = self.run_line("fallow run --detach 'device_kind in [gpu,cpu]' --hours 0.1 -- sleep 300").strip()
            self.ran.pop()
        running = self.leases("--open")
        return running[0] if running else None

    def leases(self, *options):
        done = subprocess.run(["fallow", "--json", "leases", *options], capture_output=True, text=True, env=self.environment,
                              stdin=subprocess.DEVNULL)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return [each["id"] for each in found if each["state"] == ("RUNNING" if options else "ENDED")]

    def test_five_minutes_as_operator_and_provider(self):
        lines = commands("Five minutes as an operator")
        data = str(self.folder / "fallow")
        serve, account, billing, deposit, audit, trial = [line for line in lines if line.startswith("fallow ")]
        log, server = self.start(serve.replace("/var/lib/fallow", data).replace("0.0.0.0:8470", "127.0.0.1:0"))
        self.wait("the server's start", lambda: "operator key in" in log.read_text())
        said = dict(line.split(" ", 1) for line in log.read_text().splitlines() if line.startswith(("market at", "certificate ")))
        self.environment["FALLOW_URL"] = said["market"].removeprefix("at ")
        self.environment["FALLOW_CERTIFICATE"] = said["certificate"]
        operator = (pathlib.Path(data) / "operator.key").read_text().strip()
        out = self.run_line(account, key=operator)
        number = re.search(r"\d+", out).group()
        cashier = re.search(r"fk_\S+", self.run_line(billing, key=operator)).group()
        self.run_line(deposit, [("ACCOUNT", number)], key=cashier)

        lines = commands("Five minutes as a provider")
        provider = self.run_line(re.search(r"`(fallow account create NAME --scope provider)`", section("Five minutes as a provider")).group(1),
                                 [("NAME", "bob")], key=operator)
        key = re.search(r"fk_\S+", provider).group()
        token, first, second, *offers = [line for line in lines if line.startswith("fallow ")]
        nodes = []
        for i, line in enumerate((first, second)):
            joined = self.run_line(token, key=key).strip()
            self.start(line.replace("fj1....", joined).replace("/srv/fallow", str(self.folder / "srv")), "--cpu",
                       *(["--name", f"node-{i}"]))
            nodes = self.wait("a node", lambda: (found := self.nodes(key)) and len(found) > i and found)
        for line in offers:
            self.run_line(line, [("NODE", nodes[0])], key=key)
        self.assertGreaterEqual(len(offers), 3)
        self.assertRegex(self.run_line(trial, key=operator), r"orders asked for +0 +0 +0\n")
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=60), 0)
        self.assertIn("balanced", self.run_line(audit, [("/var/lib/fallow", data)]))

    def nodes(self, key):
        done = subprocess.run(["fallow", "--json", "nodes"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env=dict(self.environment, FALLOW_API_KEY=key))
        return re.findall(r'^\{"id":"(\d+)"', done.stdout, re.M)

    def test_nothing_else_shows_commands(self):
        """A new section with commands has to be executed, or be named here."""
        named = {"Two commands": "minutes long each; people and .ci run them", "Five minutes as a renter": "",
                 "Five minutes in Python": "sdk/python/tests/tutorial_test.py", "In a browser": "make browse",
                 "Five minutes as a provider": "", "Five minutes as an operator": ""}
        titles = re.findall(r"^## (.*)$", (ROOT / "README.md").read_text(), re.M)
        self.assertEqual([title for title in titles if commands(title)], list(named))


if __name__ == "__main__":
    main()
