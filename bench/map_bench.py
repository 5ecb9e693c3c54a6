#!/usr/bin/python3
"""map_bench: what one trivial input of fallow.function(...).map() costs over local providers, beside a local process
pool in the same process, with 8 tasks in flight per node; and the same with one lease for every input."""
import argparse
import concurrent.futures
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sdk" / "python"), str(ROOT / "tools")]

import fallow  # noqa: E402
from local_market import LocalMarket  # noqa: E402
from report import print_rows  # noqa: E402

QUERY = "gpu_name=TEST_GPU"
NODES = 2
IN_FLIGHT = 8


def trivial(x):
    return x + 1


def seconds_of(results, inputs):
    began = time.monotonic()
    if list(results) != [x + 1 for x in inputs]:
        sys.exit("map_bench: a result is wrong")
    return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--leases", type=int, default=100, help="inputs of the run without batches")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    options = parser.parse_args()
    inputs = range(options.inputs)
    with concurrent.futures.ProcessPoolExecutor(NODES * IN_FLIGHT) as pool:
        pool_s = seconds_of(pool.map(trivial, inputs), inputs)
    with tempfile.TemporaryDirectory(prefix="fallow-bench-") as folder:
        market = LocalMarket(options.build, pathlib.Path(folder), (5, 15, 30))
        try:
            market.start_server()
            _, provider = market.open_account("provider", "provider")
            _, renter = market.open_account("renter", "renter", deposit="100.00")
            for node in range(NODES):
                market.join_agent(f"node{node}", provider, "--price", "0.1", "--device",
                                  f"model=TEST_GPU,memory_gb=24,count={IN_FLIGHT}", "--cpu-thousandths", "64000",
                                  "--memory-mb", "65536")
            market.wait_for_offers(renter, QUERY, NODES)
            client = fallow.Client(url=market.url, api_key=renter, certificate=market.certificate)
            remote = fallow.function(gpu=QUERY, client=client, in_flight=NODES * IN_FLIGHT)(trivial)
            remote.remote(0)  # warm
            results = remote.map(inputs)
            map_s = seconds_of(results, inputs)
            leases_s = seconds_of(remote.with_options(batch=1).map(range(options.leases)), range(options.leases))
            client.close()
        finally:
            market.end_all()
    rows = [("a trivial input by .map()", map_s / len(inputs) * 1e3, "ms",
             f"of {len(inputs)} in {len(results.orders)} tasks; target: under 25 ms"),
            ("the same by a local process pool", pool_s / len(inputs) * 1e3, "ms", f"{NODES * IN_FLIGHT} processes"),
            ("a lease for each input (batch=1)", leases_s / options.leases * 1e3, "ms", f"of {options.leases}")]
    print_rows(rows, options.json)


if __name__ == "__main__":
    main()
