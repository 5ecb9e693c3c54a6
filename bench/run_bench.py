#!/usr/bin/env python3
"""run_bench: what `fallow run -- true` costs on an idle market, from the command line to its end,
beside the same command under bare bubblewrap with the same namespaces and mounts, in turns."""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from local_market import LocalMarket  # noqa: E402
from report import print_rows  # noqa: E402

QUERY = "gpu_name=TEST_GPU"


def milliseconds(words, environment=None):
    began = time.monotonic()
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    took = (time.monotonic() - began) * 1e3
    if done.returncode != 0:
        sys.exit(f"run_bench: {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
    return took


def bubblewrap():
    """The command line of the agent's sandbox, as far as it does not depend on a lease."""
    words = ["bwrap", "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-ipc", "--unshare-pid",
             "--unshare-uts", "--unshare-net", "--hostname", "fallow", "--die-with-parent", "--new-session",
             "--cap-drop", "ALL", "--clearenv", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        if pathlib.Path(f"/{name}").is_symlink():
            words += ["--symlink", f"usr/{name}", f"/{name}"]
    return words + ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--", "true"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fallow-bench-") as folder:
        market = LocalMarket(ROOT / "build" / "release", pathlib.Path(folder), (5, 15, 30))
        try:
            market.start_server()
            _, provider = market.open_account("provider", "provider")
            _, renter = market.open_account("renter", "renter", deposit="10.00")
            market.join_agent("node", provider, "--price", "0.1", "--device", "model=TEST_GPU,memory_gb=24",
                              "--sandbox", "bubblewrap")
            market.wait_for_offers(renter, QUERY, 1)
            environment = dict(market.environment, FALLOW_API_KEY=renter)
            run = [str(market.fallow), "run", QUERY, "--", "true"]
            milliseconds(run, environment)  # warm
            ours, bare = [], []
            for _ in range(options.runs):
                ours.append(milliseconds(run, environment))
                bare.append(milliseconds(bubblewrap()))
        finally:
            market.end_all()
    ours_ms, bare_ms = statistics.median(ours), statistics.median(bare)
    rows = [("fallow run -- true, median", ours_ms, "ms", f"of {options.runs}; {min(ours):.0f} to {max(ours):.0f}"),
            ("the same under bare bubblewrap, median", bare_ms, "ms", f"{min(bare):.0f} to {max(bare):.0f}"),
            ("overhead", ours_ms - bare_ms, "ms", "target: under 150 ms")]
    print_rows(rows, options.json)


if __name__ == "__main__":
    main()
