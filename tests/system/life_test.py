#!/usr/bin/env python3
"""Life cycles of leases on real sandboxes, with everything happening to them: nothing of a lease stays on its machine, and
nobody pays for another second than those that his workload ran.

As many leases as FALLOW_LIFE_CYCLES says, several at once; without it the test skips itself: what it finds hangs on the moment
at which things happen. What happens when is drawn from FALLOW_LIFE_SEED, which is printed. Each workload writes its own times (life_workloads.py), which its bill is held against; leftovers.py says what is
looked for. With the right to make networks the whole test runs in network namespaces of its own, as egress_test.py.
"""
import base64
import collections
import concurrent.futures
import ctypes
import datetime
import http.client
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time
import typing
import unittest
from decimal import Decimal

from egress_test import CLONE_NEWNET, HOST, World, missing
from egress_test import run as run_tool
from harness import KINDS, PATIENCE, MarketError, RestClient, SystemTest, main
from leftovers import Leftovers, command_of, entries
from life_workloads import INTERNET, NEVER_ENDS, USES_NETWORK, WRITES_OUTPUTS, draw_plans, own_time

CYCLES = int(os.environ.get("FALLOW_LIFE_CYCLES", "0"))
SEED = int(os.environ.get("FALLOW_LIFE_SEED", str(random.SystemRandom().randrange(1 << 32))))
AT_ONCE = 6
DEVICES = 6  # of each node
PRICE = Decimal("36")  # an hour: a hundredth of it is charged each second
DEPOSIT = Decimal("100000")
RESOLVER = "9.9.9.9"
EVENTS = ("owner pauses", "owner comes home", "agent killed", "agent stopped", "agent cut off", "server killed",
          "server restarted", "supervisor killed")
WEIGHTS = (3, 3, 4, 4, 1, 2, 2, 4)
# For so long after an event its nodes' leases may feel it: an agent that comes back tries its sandboxes first.
FELT_S = collections.defaultdict(lambda: 3 * PATIENCE, {
    name: 15 * PATIENCE for name in ("agent killed", "agent cut off", "server killed", "server restarted")})
PROVIDERS_FAULTS = {"HOST_LOST", "WORKLOAD_LOST", "START_FAILED", "DEVICE_FAULT", "MARKET_FAULT"}


class Event(typing.NamedTuple):
    name: str
    node: typing.Optional[str]  # None: all of them
    began: float
    ended: float


class Cycle(typing.NamedTuple):
    plan: object
    order: str
    state: str    # of the order
    leases: list  # of the order, as the market tells them


def seconds_of(duration):
    return Decimal(duration.rstrip("s"))


def moment(timestamp):
    """Seconds since the epoch."""
    text = re.sub(r"\.(\d+)", lambda found: "." + found[1][:6].ljust(6, "0"), timestamp).replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(text).timestamp()


class PatientClient:
    """A renter's program that outlives the server's restarts."""

    def __init__(self, market, key):
        self.market, self.key, self.client = market, key, None

    def ask(self, method, path, body=None, headers=None, accepted=(200,)):
        end = time.monotonic() + 120 * PATIENCE
        why = None
        while time.monotonic() < end:
            try:
                self.client = self.client or RestClient(self.market, self.key)
                status, answer = self.client.call(method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                why = repr(error)
                time.sleep(0.1)
                continue
            if status in accepted:
                return answer
            why = f"{status} {answer}"
            if status not in (429, 503):
                break
            time.sleep(0.1)
        raise MarketError(f"{method} {path} failed: {why}")

    def close(self):
        if self.client is not None:
            self.client.close()
        self.client = None


@unittest.skipUnless(CYCLES, "life cycles with everything happening to them: FALLOW_LIFE_CYCLES=100, or 10000")
class LifeTest(SystemTest):
    intervals = (1, 4, 10)

    def setUp(self):
        self.has_network = not missing()
        if self.has_network:
            # Before any thread: what this process starts is in the same namespace.
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
                self.has_network = False
            else:
                self.make_internet()
        super().setUp()
        self.mark = f"fallow-life-{os.getpid()}-{time.monotonic_ns()}"
        self.market.run("wallet", "deposit", str(self.renter_id), str(DEPOSIT), "--reference", "life", key=self.market.operator)
        # A grace that a cycle can wait for, and an owner whose notice is shorter than some visits.
        self.market.run("market", "policy", "stop_grace_us=1500000", "owner_notice_us=1500000", key=self.market.operator)
        self.chance = random.Random(SEED)
        self.events = []
        self.local = threading.local()
        self.ending = threading.Event()
        self.addCleanup(self.ending.set)  # a test that fails does not wait for its cycles

    def make_internet(self):
        run_tool("ip", "link", "set", "lo", "up")
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
        internet = World("up0", f"{HOST[0]}/24", "130.82.7.1/24", [f"{INTERNET}/32", f"{RESOLVER}/32"])
        self.addCleanup(internet.end)
        run_tool("ip", "route", "add", "default", "via", "130.82.7.1")

    # ---- the nodes

    def join_nodes(self):
        """Every kind of sandbox that works here, on two nodes at most: bubblewrap alone, and the others as the agent chooses."""
        lines = self.sandboxes()
        self.kinds = [kind for kind in KINDS if lines[kind]["works"]]
        self.options = {}
        for node, kinds, more in (("weak", ["bubblewrap"], ["--sandbox", "bubblewrap"]), ("strong", ["runc", "gVisor"], [])):
            if not set(kinds) & set(self.kinds):
                continue
            if self.has_network:
                more = [*more, "--egress", "--resolver", RESOLVER]
            self.options[node] = ["--price", str(PRICE), "--device", f"model={node.upper()}_GPU,memory_gb=24,count={DEVICES}",
                                  "--cpu-thousandths", "64000", "--memory-mb", "65536", *more]
            self.market.join_agent(node, self.provider, *self.options[node])
        self.wait_for_nodes()

    def node_of(self, kind):
        return "weak" if kind == "bubblewrap" else "strong"

    def wait_for_nodes(self):
        """Until each is offered, with all of its devices free."""
        for node in self.options:
            self.market.wait_until(f"{DEVICES} free devices of {node}", lambda: self.free_devices(node) == DEVICES, 90 * PATIENCE)

    def free_devices(self, node):
        offers = self.market.available(self.renter, f"gpu_name={node.upper()}_GPU", 0) or []
        return sum(offer["free_thousandths"] for offer in offers) / 1000

    def owner_says(self, node, *words):
        subprocess.run([self.market.fallow, "agent", *words, "--data", str(self.folder / node)], env=self.market.environment,
                       capture_output=True, timeout=60 * PATIENCE, check=True)

    # ---- the leases

    def client(self):
        if not hasattr(self.local, "client"):
            self.local.client = PatientClient(self.market, self.renter)
        return self.local.client

    def live(self, plan):
        ask = self.client().ask
        requirements = {"query": f"gpu_name={self.node_of(plan.kind).upper()}_GPU", "hours": 0.05}
        if plan.kind != "bubblewrap":
            requirements["isolation_min"] = plan.kind.upper()
        if plan.name == USES_NETWORK:
            requirements["network"] = "EGRESS"
        body = {"requirements": requirements, "name": f"cycle {plan.number}", "attempts_max": 1,
                "workload": {"command": plan.command(self.mark), "collect_output": plan.name == WRITES_OUTPUTS}}
        order = ask("POST", "/v1/orders", body, {"Idempotency-Key": f"life-{plan.number}"})["id"]
        stop_at = None if plan.stop_after_s is None else time.monotonic() + plan.stop_after_s
        end = time.monotonic() + 300 * PATIENCE
        while True:
            known = ask("GET", f"/v1/orders/{order}")
            if known["state"] != "OPEN":
                return Cycle(plan, order, known["state"], [])
            if stop_at is not None and time.monotonic() >= stop_at:
                # It may have come to its end just now.
                ask("POST", f"/v1/orders/{order}/stop", {}, accepted=(200, 400, 404, 409))
                stop_at = None
            if self.ending.is_set() or time.monotonic() > end:
                raise MarketError(f"{plan} did not end: {known}")
            time.sleep(0.1)

    def with_leases(self, cycle):
        """Once all of them have ended, which those of an order that was stopped do later than the order."""
        page = self.client().ask("GET", f"/v1/leases?order={cycle.order}&page_size=100")
        return cycle._replace(leases=page.get("leases", []))

    # ---- what happens to them

    def happen(self):
        """One event, and a while after it."""
        name = self.chance.choices(EVENTS, WEIGHTS)[0]
        node = self.chance.choice(sorted(self.options))
        while_s = self.chance.uniform(0.2, 3)
        began = time.time()
        is_servers = name.startswith("server")
        if name == "owner pauses" or name == "owner comes home":
            self.owner_says(node, "pause", *(("--now",) if name == "owner comes home" else ()))
            time.sleep(while_s)
            self.owner_says(node, "resume")
        elif name == "agent killed":
            self.market.kill(node, signal.SIGKILL)
            time.sleep(while_s / 3)
            self.market.start_agent(node, *self.options[node])
        elif name == "agent stopped" or name == "agent cut off":
            agent = self.market.processes[node]
            agent.send_signal(signal.SIGSTOP)
            time.sleep(while_s if name == "agent stopped" else self.intervals[2] + 1)
            agent.send_signal(signal.SIGCONT)
        elif is_servers:
            self.market.kill("server", signal.SIGKILL if name == "server killed" else signal.SIGTERM)
            time.sleep(while_s / 3)
            self.market.start_server()
        elif not self.kill_a_supervisor(node):
            time.sleep(0.2)
            return
        self.events.append(Event(name, None if is_servers else node, began, time.time()))
        time.sleep(self.chance.uniform(0.5, 3))

    def kill_a_supervisor(self, node):
        running = sorted(entries(self.folder / node / "workloads"))
        self.chance.shuffle(running)
        for folder in running:
            try:
                pid = int((folder / "pid").read_text())
            except (OSError, ValueError):
                continue
            if str(folder) in command_of(pid):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def events_of(self, lease, names=EVENTS):
        began = moment(lease["placed_at"]) - 1
        ended = moment(lease["ended_at"]) + 1
        return [event for event in self.events if event.name in names and event.node in (None, lease["node_name"]) and
                event.began < ended and event.ended + FELT_S[event.name] > began]

    # ---- money

    def written_by(self, lease):
        """The lease's own words, from the market's store of logs."""
        answer = self.client().ask("GET", f"/v1/leases/{lease['id']}/logs", headers={"Accept": "text/event-stream"})
        lines = [json.loads(line[5:]) for line in answer.get("text", "").splitlines() if line.startswith("data:")]
        return b"".join(base64.b64decode(line.get("data", "")) for line in lines
                        if not line.get("error_stream")).decode(errors="replace")

    def faults_of_bill(self, plan, lease):
        """What is wrong with what the lease was charged, as sentences; and which line of the table it counts for."""
        faults = []
        proven, charged, refunded = seconds_of(lease["proven"]), Decimal(lease["charged"]), Decimal(lease["refunded"])
        micros = int(Decimal(lease["price_per_hour"]) * 1_000_000) * int(proven * 1_000_000) // 3_600_000_000
        if int(charged * 1_000_000) != micros:
            faults.append(f"charged {charged} for {proven} s at {lease['price_per_hour']} an hour")
        interval = self.intervals[0]
        if float(proven) > moment(lease["ended_at"]) - moment(lease["placed_at"]) + interval:
            faults.append(f"proven {proven} s, longer than it was there")
        happened = self.events_of(lease)
        if lease["reason"] in PROVIDERS_FAULTS:
            if lease["blame"] == "BLAME_PROVIDER" and refunded != charged:
                faults.append(f"refunded {refunded} of {charged}")
            if not happened:
                faults.append("nothing had happened to it")
            return faults, "refunded"
        if refunded != 0:
            faults.append(f"refunded {refunded}")
        text = self.written_by(lease)
        own = own_time(text, lease["reason"] == "OWNER_RETURNED")
        if own is None:
            if float(proven) > interval:
                faults.append(f"proven {proven} s, and it wrote nothing: {text[:200]!r}")
            return faults, "never began"
        visits = self.events_of(lease, ("owner pauses", "owner comes home"))
        ran_least = own.ran - (own.frozen if visits else 0)
        by_itself = lease["reason"] in ("COMPLETED", "EXIT_CODE")
        # What a lease runs since its last record when it is told to stop, and until it hears that, is the node's loss, also
        # when it comes to its own end meanwhile.
        least = ran_least - interval * (2 if plan.stop_after_s is not None else 1)
        # One that is stopped while its agent is silent has proven no more than what the market had heard; that its
        # supervisor ran it on is the node's loss, too: then nothing says how little it may have proven.
        has_least = by_itself or not happened
        if has_least and float(proven) < least:
            faults.append(f"free: ran {own.ran:.2f} s ({own.frozen:.2f} s of them frozen), proven {proven} s")
        if own.is_whole or not happened:
            if float(proven) > own.ran + interval:
                faults.append(f"overbilled: ran {own.ran:.2f} s, proven {proven} s")
        elif by_itself:
            faults.append(f"its end is missing in its log: {text[-200:]!r}")
        return faults, "compared with its own clock" if has_least else "without a lower bound"

    def faults_of_end(self, plan, lease):
        end = (lease["reason"], lease["exit_code"])
        if lease["reason"] in PROVIDERS_FAULTS:  # something happened: faults_of_bill()
            return []
        if lease["reason"] == "STOPPED" and plan.stop_after_s is not None:
            return []
        if lease["reason"] == "OWNER_RETURNED" and self.events_of(lease, ("owner comes home",)):
            return []
        if end != plan.end() or plan.name == NEVER_ENDS:
            return [f"ended as {end}: {lease['detail']}"]
        if plan.name == WRITES_OUTPUTS and not lease["output_manifest"]:
            return ["its outputs are not there"]
        return []

    def check_receipts(self, leases):
        """How many were verified, with the market's key; and those that were not."""
        key = self.market.run("market", key=self.renter)[0]["public_key"]
        faults = {}

        def verify(lease):
            path = self.folder / f"receipt-{lease['id']}.json"
            path.write_text(json.dumps(self.client().ask("GET", f"/v1/leases/{lease['id']}/receipt")))
            done = subprocess.run([self.market.fallow, "receipt", "verify", str(path), "--market-key", key],
                                  capture_output=True, text=True, timeout=60 * PATIENCE, stdin=subprocess.DEVNULL)
            path.unlink()
            if done.returncode != 0:
                faults[lease["id"]] = [f"its receipt: {done.stderr.strip()}"]

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(verify, leases))
        return len(leases) - len(faults), faults

    def faults_of_devices(self, leases):
        """No device was leased twice at once, so no second of it was billed twice."""
        faults = {}
        of_device = collections.defaultdict(list)
        for lease in leases:
            for device in lease["devices"]:
                of_device[lease["node"], device].append(lease)
        for of_one in of_device.values():
            of_one.sort(key=lambda lease: moment(lease["placed_at"]))
            for former, later in zip(of_one, of_one[1:]):
                if moment(later["placed_at"]) < moment(former["ended_at"]):
                    faults[later["id"]] = [f"placed on a device that lease {former['id']} had"]
        return faults

    # ---- the test

    def print_counts(self, cycles, compared, verified):
        print(f"\n{len(cycles)} cycles on {', '.join(self.kinds)}; egress: {'yes' if self.has_network else missing()}")
        happened = collections.Counter(event.name for event in self.events)
        print("  " + ", ".join(f"{name} {happened[name]} times" for name in EVENTS))
        ends = collections.Counter((cycle.plan.name, lease["reason"]) for cycle in cycles for lease in cycle.leases)
        for (name, reason), count in sorted(ends.items()):
            print(f"  {name:<20}{reason:<18}{count:>7}")
        for what, count in sorted(compared.items()):
            print(f"  {'bills':<20}{what:<30}{count:>7}")
        print(f"  {'receipts':<20}{'verified':<30}{verified:>7}", flush=True)

    def print_leftovers(self, looks):
        print("\n" + f"{'left on the machine':<24}" + "".join(f"{when:>18}" for when in looks))
        for what in next(iter(looks.values())):
            print(f"{what:<24}" + "".join(f"{len(look[what]):>18}" for look in looks.values()), flush=True)

    def agents(self):
        return {node: self.market.processes[node].pid for node in self.options}

    def run_cycles(self, plans):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            futures = [pool.submit(self.live, plan) for plan in plans]
            try:
                while not all(future.done() for future in futures):
                    self.happen()
                    for future in futures:
                        if future.done():
                            future.result()  # the first that went wrong ends the test
            except BaseException:
                self.ending.set()
                for future in futures:
                    future.cancel()
                raise
            return [future.result() for future in futures]

    def assert_money_is_all_there(self, leases):
        net = sum(Decimal(lease["charged"]) - Decimal(lease["refunded"]) for lease in leases)
        wallet = self.market.run("wallet", key=self.renter)[0]
        self.assertEqual(Decimal(wallet["held"]), 0)
        self.assertEqual(Decimal(wallet["available"]) + net, Decimal("100.00") + DEPOSIT)
        earned = self.market.run("wallet", key=self.provider)[0]
        got = Decimal(earned["pending"]) + Decimal(earned["earned"])
        # What the market's own fault gave back came out of its fees: the provider keeps his part.
        kept = sum(Decimal(lease["refunded"]) for lease in leases if lease["reason"] == "MARKET_FAULT")
        self.assertLessEqual(got, net + kept)
        self.assertGreaterEqual(got, net * Decimal("0.94"), "all but the market's fee of 5 %")
        self.audit()

    def test_nothing_stays_and_every_second_is_paid_once(self):
        print(f"FALLOW_LIFE_CYCLES={CYCLES} FALLOW_LIFE_SEED={SEED} python3 -B {__file__}", flush=True)
        self.join_nodes()
        left = Leftovers(self.folder, list(self.options), self.mark,
                         lambda: {process.pid for process in self.market.processes.values()} | {os.getpid()}, self.has_network)
        before = left.look(self.agents(), set())
        began = time.monotonic()
        cycles = self.run_cycles(draw_plans(SEED, CYCLES, self.kinds, self.has_network))
        print(f"{time.monotonic() - began:.0f} s", flush=True)

        # The last word of every owner is that the machine may be leased.
        for node in self.options:
            self.owner_says(node, "resume")
        self.wait_for_nodes()
        cycles = [self.with_leases(cycle) for cycle in cycles]
        leases = [lease for cycle in cycles for lease in cycle.leases]
        ids = {str(lease["id"]) for lease in leases}
        at_end = left.look(self.agents(), ids)
        # One sweep: what every agent does when it starts.
        for node in self.options:
            self.market.kill(node, signal.SIGTERM)
            self.market.start_agent(node, *self.options[node])
        self.wait_for_nodes()
        looks = {"before": before, "at the end": at_end}

        def is_clean():
            looks["after one sweep"] = left.look(self.agents(), ids)
            return all(looks["after one sweep"][what] <= before[what] for what in before)

        try:
            self.market.wait_until("the sweep", is_clean, 30 * PATIENCE)
        except MarketError:
            pass  # said below, one by one
        self.print_leftovers(looks)

        compared = collections.Counter()
        faults = collections.defaultdict(list)
        for cycle in cycles:
            if not cycle.leases and cycle.plan.stop_after_s is None:
                faults[f"cycle {cycle.plan.number}"].append(f"{cycle.plan} never had a lease: {cycle.state}")
            for lease in cycle.leases:
                found, line = self.faults_of_bill(cycle.plan, lease)
                compared[line] += 1
                found += self.faults_of_end(cycle.plan, lease)
                if found:
                    faults[lease["id"]] += [f"{cycle.plan.name} on {cycle.plan.kind}, {lease['reason']}", *found,
                                            f"events: {[event.name for event in self.events_of(lease)]}"]
        verified, of_receipts = self.check_receipts(leases)
        self.print_counts(cycles, compared, verified)
        for of_one in (of_receipts, self.faults_of_devices(leases)):
            for lease, found in of_one.items():
                faults[lease] += found
        stayed = {what: sorted(found - before[what]) for what, found in looks["after one sweep"].items() if found - before[what]}
        self.assertEqual(stayed, {}, "left on the machine after one sweep")
        self.assertEqual(dict(faults), {}, "leases by their ids, and what is wrong with them")
        self.assert_money_is_all_there(leases)
        self.assertGreater(compared["compared with its own clock"], CYCLES // 3, "too many leases were not compared")


if __name__ == "__main__":
    main()
