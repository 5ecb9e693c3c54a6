#!/usr/bin/env python3
"""The whole market on one machine, end to end: rent, run, lose a node, bill, audit.

Starts a server and two agents in a temporary folder, runs examples/pathtrace as a job of 12 tasks
over both, kills one agent with SIGKILL half-way, verifies every receipt offline, audits the log,
writes demo/picture.png and takes everything down. Its last line is
`demo: ok tasks=12 nodes=2 rescued=N charged=X receipts=verified ledger=balanced`; anything else is
an error, said in words, with exit code 1.
"""
import argparse
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from decimal import Decimal

from local_market import ROOT, LocalMarket, MarketError

TASKS = 12
KILL_AFTER_DONE = 5
JOB_TIME_MAX_S = 420
QUERY = "device_kind in [gpu,cpu]"


def say(text):
    print(f"demo: {text}", flush=True)


class Demo:
    def __init__(self, build, scene, folder):
        self.pathtrace = build / "examples" / "pathtrace" / "pathtrace"
        self.scene = scene
        self.folder = folder
        # Short intervals, so that a lost node is noticed in seconds instead of half a minute.
        self.market = LocalMarket(build, folder)

    def start_nodes(self):
        for number, price in ((1, "0.20"), (2, "0.30")):
            _, key = self.market.open_account(f"provider-{number}", "provider")
            self.market.join_agent(f"node-{number}", key, "--price", price, "--cpu")

    def job_folder(self):
        job = self.folder / "job"
        job.mkdir()
        shutil.copy2(self.pathtrace, job / "pathtrace")
        for file in [self.scene, *self.scene.parent.glob("*.mtl")]:
            shutil.copy2(file, job / file.name)
        return job

    def order(self, renter):
        orders = self.market.run("jobs", key=renter)
        return orders[0] if orders else None

    def follow_and_kill(self, process, renter):
        """Waits for the job; kills node-1's agent when enough tasks are done and it runs another."""
        killed = None
        end = time.monotonic() + JOB_TIME_MAX_S
        while process.poll() is None:
            if time.monotonic() > end:
                raise MarketError(f"the job took longer than {JOB_TIME_MAX_S} s")
            time.sleep(0.1)
            order = self.order(renter) if killed is None else None
            if order is None or order["tasks_done"] < KILL_AFTER_DONE:
                continue
            for lease in self.market.leases(renter, order["id"], "--open"):
                if lease["node_name"] == "node-1" and lease["state"] == "RUNNING":
                    self.market.kill("node-1", signal.SIGKILL)
                    killed = lease["task"]
                    say(f"killed the agent of node-1 (SIGKILL) while it ran task {killed}")
                    break
        if killed is None:
            raise MarketError("the job ended before an agent could be killed: nothing was rescued")

    def play(self):
        market = self.market
        market.start_server()
        public_key = market.run("market", key=market.operator)[0]["public_key"]
        say(f"market at {market.url}")
        _, renter = market.open_account("renter", "renter", deposit="10.00")
        self.start_nodes()
        for offer in market.wait_for_offers(renter, QUERY, 2):
            say(f"{offer['node_name']} offers {offer['gpu_name']} at {offer['price_per_hour']} per hour")

        quote = market.run("quote", QUERY, "--tasks", str(TASKS), "--hours", "0.25", "--disk", "0.25",
                           key=renter)[0]
        say(f"firm quote: {quote['total']} for {quote['tasks']} tasks "
            f"({quote['task_price_per_hour']} per hour and task), good until {quote['expires_at']}")

        tiles = self.folder / "tiles"
        process = subprocess.Popen(
            [market.fallow, "run", "--quote", quote["id"], "--name", "pathtrace", "--in", str(self.job_folder()),
             "--out", str(tiles), "--", "./pathtrace", "render", "--scene", self.scene.name],
            env=dict(market.environment, FALLOW_API_KEY=renter), stdin=subprocess.DEVNULL)
        try:
            self.follow_and_kill(process, renter)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        if process.returncode != 0:
            raise MarketError(f"`fallow run` exited with {process.returncode}; the server says:\n"
                              f"{market.log_tail('server')}")
        order = self.order(renter)
        say(f"job {order['id']}: {order['tasks_done']} of {TASKS} tasks done, {order['rescued']} rescued")

        paid, nodes = self.check_receipts(order, renter, public_key)
        self.check_money(order, renter, paid, quote)
        market.end_all()
        report = market.run("audit", "--data", str(market.data))[0]
        say(f"audit: {report['commands']} commands replayed, digest {report['digest'][:16]}")
        if report["ledger"] != "balanced" or report["chain"] != "ok":
            raise MarketError(f"the audit says {report}")
        self.assemble(tiles)
        if order["tasks_done"] != TASKS or order["rescued"] < 1 or nodes != 2:
            raise MarketError(f"done {order['tasks_done']}, rescued {order['rescued']}, nodes {nodes}")
        print(f"demo: ok tasks={TASKS} nodes={nodes} rescued={order['rescued']} charged={paid:f} "
              f"receipts=verified ledger={report['ledger']}", flush=True)

    def check_receipts(self, order, renter, public_key):
        """Every lease's receipt, verified offline: (what they come to, number of nodes)."""
        paid = Decimal(0)
        nodes = set()
        folder = self.folder / "receipts"
        folder.mkdir()
        leases = self.market.leases(renter, order["id"])
        for lease in sorted(leases, key=lambda each: int(each["id"])):
            file = folder / f"{lease['id']}.json"
            file.write_text(json.dumps(self.market.run("receipt", lease["id"], key=renter)[0]))
            bill = self.market.run("receipt", "verify", str(file), "--market-key", public_key)[0]
            amount = Decimal(int(bill["paid_micros"])) / 1_000_000
            paid += amount
            nodes.add(bill["node"])
            say(f"receipt of lease {lease['id']}: task {bill['task']} on {lease['node_name']}, "
                f"{bill['reason'].lower()}, proven {int(bill['proven_us']) / 1e6:.1f} s, paid {amount:f}")
        return paid, len(nodes)

    def check_money(self, order, renter, paid, quote):
        wallet = self.market.run("wallet", key=renter)[0]
        if Decimal(wallet["available"]) + paid != Decimal("10.00") or Decimal(wallet["held"]) != 0:
            raise MarketError(f"the wallet does not add up: {wallet}, receipts come to {paid}")
        if paid != Decimal(order["charged"]):
            raise MarketError(f"receipts come to {paid}, the job was charged {order['charged']}")
        if paid > Decimal(quote["total"]):
            raise MarketError(f"{paid} was paid, more than the quote's {quote['total']}")

    def assemble(self, tiles):
        picture = ROOT / "demo" / "picture.png"
        picture.parent.mkdir(exist_ok=True)
        subprocess.run([str(self.pathtrace), "assemble", "--out", str(picture), str(tiles)], check=True,
                       stdout=subprocess.DEVNULL)
        say(f"picture in {picture.relative_to(ROOT)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", type=pathlib.Path, default=ROOT / "examples" / "scenes" / "field.obj")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    scene = arguments.scene.resolve()
    if not scene.is_file():
        print(f"demo: {arguments.scene} does not exist; SCENE takes a Wavefront OBJ file", file=sys.stderr)
        return 1
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fallow-demo-"))
    demo = Demo(arguments.build, scene, folder)
    try:
        demo.play()
        return 0
    except (MarketError, subprocess.SubprocessError, KeyError, OSError) as error:
        print(f"demo: failed: {error}", file=sys.stderr)
        return 1
    finally:
        demo.market.end_all()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
