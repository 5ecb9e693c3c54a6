#!/usr/bin/env python3
"""From the first sign of a node's owner to the workload's last process gone, through the real agent and sandbox: a
program of the owner's list is started, again and again, beside a workload that ends when it is asked to and beside one
that does not listen. And what the watch costs while nothing happens: the agent's processor time with every sign looked
at, beside the same agent without a policy. FALLOW_SANDBOX names the kind of sandbox (runc)."""
import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from local_market import LocalMarket  # noqa: E402
from report import print_rows  # noqa: E402

WORKLOADS = {"cooperates": ("trap 'exit 0' TERM", 2.0), "ignores SIGTERM": ("trap '' TERM", 5.0)}
TICKS = os.sysconf("SC_CLK_TCK")


def marked(mark):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "cmdline").read_text():
                found.append(entry)
        except OSError:
            continue
    return found


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def join(market, provider, name, *options):
    market.join_agent(name, provider, "--price", "0.36", "--device", "model=TEST_GPU,memory_gb=24", "--sandbox",
                      os.environ.get("FALLOW_SANDBOX", "runc"), *options)


def trials(market, renter, game, trap, count):
    """Seconds until the workload was gone, of each trial."""
    took = []
    while len(took) < count:
        mark = f"owner-bench-{os.getpid()}-{time.monotonic_ns()}"
        order = market.run("run", "gpu_name=TEST_GPU", "--hours", "2", "--detach", "--", "sh", "-c",
                           f"{trap}; : {mark}; while :; do sleep 0.05; done", key=renter)[0]["id"]
        market.wait_until("a running lease", lambda: [
            lease for lease in market.leases(renter, order, "--open") if lease["state"] == "RUNNING"], 60)
        time.sleep(0.5 + random.random())  # at any moment between two looks
        sandbox = market.wait_until("the workload", lambda: marked(mark), 60)
        playing = subprocess.Popen([game, "600"])
        began = time.monotonic()
        while any(entry.exists() for entry in sandbox):
            time.sleep(0.005)
            assert time.monotonic() - began < 60
        took.append(time.monotonic() - began)
        assert not marked(mark)
        market.run("stop", str(order), key=renter)
        playing.kill()
        playing.wait()
        market.wait_for_end(renter, order, 60)
        market.wait_for_offers(renter, "gpu_name=TEST_GPU", 1)
    return sorted(took)


def measure(market, folder, count, idle_seconds):
    market.start_server()
    _, provider = market.open_account("provider", "provider")
    _, renter = market.open_account("renter", "renter", deposit="100.00")
    game = folder / "fallow-bench-game"
    shutil.copy(shutil.which("sleep"), game)
    policy = folder / "policy.toml"
    policy.write_text(f'away_after = "1s"\n[signs]\nterminals = false\nprograms = ["{game.name}"]\n')
    join(market, provider, "node", "--owner-policy", str(policy))
    market.wait_for_offers(renter, "gpu_name=TEST_GPU", 1)
    rows = []
    for name, (trap, target) in WORKLOADS.items():
        took = trials(market, renter, game, trap, count)
        rows += [(f"{name}: median", took[len(took) // 2], "s", f"{count} returns of the owner"),
                 (f"{name}: p95", took[-(-len(took) * 95 // 100) - 1], "s", f"target {target:g}"),
                 (f"{name}: longest", took[-1], "s", "")]
    market.processes.pop("node").terminate()
    full = folder / "full.toml"
    text = subprocess.run([market.fallow, "agent", "owner-policy"], capture_output=True, text=True, check=True).stdout
    full.write_text(text.replace("cores = 0.0", "cores = 64.0"))
    join(market, provider, "watching", "--owner-policy", str(full))
    join(market, provider, "plain")
    time.sleep(20)  # both have started
    pids = {name: market.processes[name].pid for name in ("watching", "plain")}
    before = {name: processor_seconds(pid) for name, pid in pids.items()}
    time.sleep(idle_seconds)
    used = {name: 100 * (processor_seconds(pid) - before[name]) / idle_seconds for name, pid in pids.items()}
    processes = sum(entry.name.isdigit() for entry in pathlib.Path("/proc").iterdir())
    resident = {name: int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
                for name, pid in pids.items()}
    beside = f"over {idle_seconds:g} s, {processes} processes on the machine"
    return rows + [("idle agent that watches: processor", used["watching"], "%", f"{beside}; target 0.2"),
                   ("idle agent without a policy: processor", used["plain"], "%", beside),
                   ("idle agent that watches: memory", resident["watching"], "MB", "resident"),
                   ("idle agent without a policy: memory", resident["plain"], "MB", "resident")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--trials", type=int, default=25, help="of each kind of workload")
    parser.add_argument("--idle-seconds", type=float, default=180)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fallow-owner-", ignore_cleanup_errors=True) as path:
        market = LocalMarket(options.build, pathlib.Path(path), (1, 20, 60))  # a busy machine loses no lease
        try:
            rows = measure(market, pathlib.Path(path), options.trials, options.idle_seconds)
        finally:
            market.end_all()
    print_rows(rows, options.json)


if __name__ == "__main__":
    main()
