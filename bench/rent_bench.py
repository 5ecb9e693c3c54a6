#!/usr/bin/python3
"""rent_bench: what a command, a file and a new machine cost through fallow.rent(), beside `fallow exec` and `fallow cp` into
the same lease in turns."""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sdk" / "python"), str(ROOT / "tools")]

import fallow  # noqa: E402
from local_market import LocalMarket  # noqa: E402
from report import print_rows  # noqa: E402

QUERY = "gpu_name=TEST_GPU"
ROUNDS = 9


def seconds_of(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    options = parser.parse_args()
    found = {}

    def measure(name, work):
        found.setdefault(name, []).append(seconds_of(work))

    with tempfile.TemporaryDirectory(prefix="fallow-bench-") as folder:
        file = pathlib.Path(folder, "file")
        file.write_bytes(os.urandom(options.megabytes * 1_000_000))
        market = LocalMarket(options.build, pathlib.Path(folder), (5, 15, 30))

        def command_line(*words):
            subprocess.run([market.fallow, *words], env={**market.environment, "FALLOW_API_KEY": renter}, check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

        try:
            market.start_server()
            _, provider = market.open_account("provider", "provider")
            _, renter = market.open_account("renter", "renter", deposit="100.00")
            market.join_agent("node", provider, "--price", "0.1", "--device", "model=TEST_GPU,memory_gb=24,count=4",
                              "--cpu-thousandths", "64000", "--memory-mb", "65536")
            market.wait_for_offers(renter, QUERY, 1)
            client = fallow.Client(url=market.url, api_key=renter, certificate=market.certificate)
            client.rent(QUERY).open().close()  # warm
            for _ in range(ROUNDS):
                measure("rent", lambda: client.rent(QUERY).open().close())
            with client.rent(QUERY) as box:
                lease = str(box.lease)
                for _ in range(ROUNDS):
                    measure("exec", lambda: box.exec(["true"], check=True))
                    measure("fallow exec", lambda: command_line("exec", lease, "--", "true"))
                    measure("put", lambda: box.put(file, "file"))
                    measure("fallow cp in", lambda: command_line("cp", str(file), f"{lease}:file"))
                    measure("get", lambda: box.get("file", folder + "/back"))
                    measure("fallow cp out", lambda: command_line("cp", f"{lease}:file", folder + "/back"))
            client.close()
        finally:
            market.end_all()
    middle = {name: statistics.median(times) for name, times in found.items()}
    rows = [("a machine by rent(), to its end", middle["rent"] * 1e3, "ms", "order, sandbox, tunnel, stop"),
            ("a command by box.exec()", middle["exec"] * 1e3, "ms", f"`fallow exec`, a process: {middle['fallow exec'] * 1e3:.0f} ms")]
    for name, beside in (("put", "fallow cp in"), ("get", "fallow cp out")):
        rows.append((f"a file by box.{name}()", options.megabytes / middle[name], "MB/s",
                     f"of {options.megabytes} MB; `fallow cp`: {options.megabytes / middle[beside]:.0f} MB/s"))
    print_rows(rows, options.json)


if __name__ == "__main__":
    main()
