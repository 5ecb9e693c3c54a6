"""What the system tests share: a market of real processes per test."""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import side_by_side  # noqa: E402
from local_market import LocalMarket, MarketError, Refused, RestClient  # noqa: E402

__all__ = ["KINDS", "LocalMarket", "MarketError", "Refused", "SystemTest", "RestClient"]

BUILD = pathlib.Path(os.environ.get("FALLOW_BUILD", ROOT / "build" / "release"))
# Sanitizers slow everything down; time limits that only catch hangs are scaled with this.
PATIENCE = float(os.environ.get("FALLOW_TEST_PATIENCE", "1"))
# "5,15,30" tests with the market's default intervals instead of short ones.
INTERVALS = os.environ.get("FALLOW_TEST_INTERVALS")
KINDS = ("bubblewrap", "runc", "gVisor")

doctor_lines = None  # asked once: each answer costs a trial of every kind of sandbox


class SystemTest(unittest.TestCase):
    """self.market runs; a renter with money is there; agents are started by the tests."""

    intervals = (0.5, 2, 5)
    query = "gpu_name=TEST_GPU"
    device = "model=TEST_GPU,memory_gb=24"
    server_options = ()

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fallow-system-"))
        if INTERVALS:
            self.intervals = tuple(float(each) for each in INTERVALS.split(","))
        self.market = LocalMarket(BUILD, self.folder, self.intervals)
        self.market.server_options = self.server_options
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(self.market.end_all)
        self.market.start_server()
        _, self.provider = self.market.open_account("provider", "provider")
        self.renter_id, self.renter = self.market.open_account("renter", "renter", deposit="100.00")

    def sandboxes(self):
        """The doctor's line of each kind of sandbox; the test is skipped when none works here."""
        global doctor_lines
        if doctor_lines is None:
            done = subprocess.run([self.market.fallow, "--json", "agent", "doctor"], env=self.market.environment,
                                  capture_output=True, text=True, timeout=90 * PATIENCE, stdin=subprocess.DEVNULL)
            lines = {line["what"]: line for line in map(json.loads, done.stdout.splitlines()) if line["what"] in KINDS}
            self.assertEqual(set(lines), set(KINDS), f"exit code {done.returncode}: {done.stderr}")
            doctor_lines = lines
        if not any(line["works"] for line in doctor_lines.values()):
            self.skipTest("no sandbox works on this machine; " +
                          "; ".join(f"{kind}: {line['detail']}" for kind, line in doctor_lines.items()))
        return doctor_lines

    def join(self, name, price="0.36", count=1):
        """A node with `count` declared devices; waits until it is offered."""
        self.sandboxes()
        before = len(self.market.available(self.renter, self.query, 0) or [])
        self.market.join_agent(name, self.provider, "--price", price, "--device", f"{self.device},count={count}",
                               "--cpu-thousandths", "64000", "--memory-mb", "65536")
        self.market.wait_for_offers(self.renter, self.query, before + 1, 60 * PATIENCE)

    def submit(self, *command, options=(), hours="0.5"):
        """The id of a detached order."""
        words = ["run", self.query, "--hours", hours, "--detach", *options, "--", *command]
        return self.market.run(*words, key=self.renter)[0]["id"]

    def wait_running(self, order, count=1, seconds=60):
        def running():
            leases = [l for l in self.market.open_leases(self.renter, order) if l["state"] == "RUNNING"]
            return leases if len(leases) >= count else None

        return self.market.wait_until(f"{count} running leases of {order}", running, seconds * PATIENCE)

    def wait_end(self, order, seconds=90):
        return self.market.wait_for_end(self.renter, order, seconds * PATIENCE)

    def output(self, order):
        lines = self.market.run("logs", str(order), key=self.renter)
        return b"".join(base64.b64decode(line["data"]) for line in lines).decode(errors="replace")

    def audit(self):
        report = self.market.run("audit", "--data", str(self.market.data))[0]
        self.assertEqual(report["chain"], "ok")
        self.assertEqual(report["ledger"], "balanced")
        return report


def main(processes=1):
    """In so many processes side by side, where tests wait more than they compute and each stands by itself."""
    # What a sanitizer slows down has no processor left for another.
    side_by_side.main(processes if PATIENCE <= 1 else 1)
