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
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from decimal import Decimal

ROOT = pathlib.Path(__file__).resolve().parent.parent
TASKS = 12
KILL_AFTER_DONE = 5
JOB_TIME_MAX_S = 420
QUERY = "device_kind in [gpu,cpu]"


class DemoError(Exception):
    pass


def say(text):
    print(f"demo: {text}", flush=True)


class Demo:
    def __init__(self, build, scene, folder):
        self.fallow = str(build / "src" / "fallow")
        self.pathtrace = build / "examples" / "pathtrace" / "pathtrace"
        self.scene = scene
        self.folder = folder
        self.processes = {}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("FALLOW_")}
        self.environment["HOME"] = str(folder)
        self.environment["XDG_CONFIG_HOME"] = str(folder / "config")

    # ---- running things ----------------------------------------------------------------------
    def run(self, *words, key=None, json_out=True):
        environment = dict(self.environment)
        if key:
            environment["FALLOW_API_KEY"] = key
        command = [self.fallow, *(["--json"] if json_out else []), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise DemoError(f"`fallow {' '.join(words)}` exited with {done.returncode}: "
                            f"{(done.stderr or done.stdout).strip()}")
        if not json_out:
            return done.stdout
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def start(self, name, *words):
        log = open(self.folder / f"{name}.log", "w")
        process = subprocess.Popen([self.fallow, *words], env=self.environment, stdout=log,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.processes[name] = process
        return process

    def log_tail(self, name):
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def wait_until(self, what, check, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise DemoError(f"{name} ended with {process.returncode}:\n{self.log_tail(name)}")
            answer = check()
            if answer:
                return answer
            time.sleep(0.05)
        logs = "".join(f"\n--- {name}\n{self.log_tail(name)}" for name in self.processes)
        raise DemoError(f"{what} did not happen within {seconds} s{logs}")

    def end_all(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    # ---- the story ---------------------------------------------------------------------------
    def start_market(self):
        data = self.folder / "market"
        # Short intervals, so that a lost node is noticed in seconds instead of half a minute.
        self.start("server", "server", "--json", "--data", str(data), "--listen", "127.0.0.1:0",
                   "--name", "demo", "--meter-interval", "0.5", "--suspend-after", "2",
                   "--close-after", "5")

        def started():
            text = self.log_tail("server")
            for line in text.splitlines():
                if line.startswith("{") and "\"url\"" in line:
                    return json.loads(line)
            return None

        market = self.wait_until("the server's start", started, 30)
        self.environment["FALLOW_URL"] = market["url"]
        self.environment["FALLOW_CERTIFICATE"] = market["certificate"]
        operator = pathlib.Path(market["operator_key_file"]).read_text().strip()
        self.public_key = self.run("market", key=operator)[0]["public_key"]
        say(f"market at {market['url']}")
        return data, operator

    def open_account(self, operator, name, scope):
        made = self.run("account", "create", name, "--scope", scope, key=operator)[0]
        return made["account"]["id"], made["api_key"]

    def start_nodes(self, operator):
        for number, price in ((1, "0.20"), (2, "0.30")):
            _, key = self.open_account(operator, f"provider-{number}", "provider")
            token = self.run("nodes", "token", key=key)[0]["token"]
            folder = self.folder / f"agent-{number}"
            self.start(f"agent-{number}", "agent", "--data", str(folder), "--join", token, "--name",
                       f"node-{number}", "--price", price, "--cpu")
        return price

    def available(self, renter):
        offers = self.run("offers", QUERY, key=renter)
        return [o for o in offers if o["available"]] if len(offers) >= 2 else None

    def follow_and_kill(self, process, order_of, renter):
        """Streams the job's output; kills node-1's agent when enough tasks are done and it works."""
        killed = None
        end = time.monotonic() + JOB_TIME_MAX_S
        while process.poll() is None:
            if time.monotonic() > end:
                process.kill()
                raise DemoError(f"the job took longer than {JOB_TIME_MAX_S} s")
            time.sleep(0.1)
            if killed is not None:
                continue
            order = order_of()
            if order is None or int(order["tasks_done"]) < KILL_AFTER_DONE:
                continue
            detail = self.run("jobs", order["id"], key=renter)[0]
            running = [t for t in detail["tasks"] if t["state"] == "LEASED" and t["node_name"] == "node-1"]
            leases = {l["id"]: l for l in self.run("leases", "--job", order["id"], "--open", key=renter)}
            if not any(leases.get(t["lease"], {}).get("state") == "RUNNING" for t in running):
                continue
            agent = self.processes.pop("agent-1")
            agent.send_signal(signal.SIGKILL)
            agent.wait()
            killed = running[0]["index"]
            say(f"killed the agent of node-1 (SIGKILL) while it ran task {killed}")
        if killed is None:
            raise DemoError("the job ended before an agent could be killed: nothing was rescued")
        return process.returncode

    def play(self):
        data, operator = self.start_market()
        renter_id, renter = self.open_account(operator, "renter", "renter")
        self.run("wallet", "deposit", renter_id, "10.00", "--reference", "demo", key=operator)
        self.start_nodes(operator)
        offers = self.wait_until("two nodes' offers", lambda: self.available(renter), 60)
        for offer in offers:
            say(f"{offer['node_name']} offers {offer['gpu_name']} at {offer['price_per_hour']} per hour")

        job = self.folder / "job"
        job.mkdir()
        shutil.copy2(self.pathtrace, job / "pathtrace")
        for file in [self.scene, *self.scene.parent.glob("*.mtl")]:
            shutil.copy2(file, job / file.name)
        needs = [QUERY, "--tasks", str(TASKS), "--hours", "0.25", "--disk", "0.25"]
        quote = self.run("quote", *needs, key=renter)[0]
        say(f"firm quote: {quote['total']} for {quote['tasks']} tasks "
            f"({quote['task_price_per_hour']} per hour and task), good until {quote['expires_at']}")

        tiles = self.folder / "tiles"
        environment = dict(self.environment, FALLOW_API_KEY=renter)
        process = subprocess.Popen(
            [self.fallow, "run", "--quote", quote["id"], "--name", "pathtrace", "--in", str(job), "--out",
             str(tiles), "--", "./pathtrace", "render", "--scene", self.scene.name],
            env=environment, stdin=subprocess.DEVNULL)

        def order_of():
            orders = self.run("jobs", key=renter)
            return orders[0] if orders else None

        try:
            code = self.follow_and_kill(process, order_of, renter)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        if code != 0:
            raise DemoError(f"`fallow run` exited with {code}; server says:\n{self.log_tail('server')}")
        order = order_of()
        say(f"job {order['id']}: {order['tasks_done']} of {TASKS} tasks done, {order['rescued']} rescued")

        paid, nodes = self.check_receipts(order, renter)
        wallet = self.run("wallet", key=renter)[0]
        if Decimal(wallet["available"]) + paid != Decimal("10.00") or Decimal(wallet["held"]) != 0:
            raise DemoError(f"the wallet does not add up: {wallet}, receipts come to {paid}")
        if paid != Decimal(order["charged"]):
            raise DemoError(f"receipts come to {paid}, the job was charged {order['charged']}")
        if paid > Decimal(quote["total"]):
            raise DemoError(f"{paid} was paid, more than the quote's {quote['total']}")

        self.end_all()
        report = self.run("audit", "--data", str(data))[0]
        say(f"audit: {report['commands']} commands replayed, digest {report['digest'][:16]}…")
        if report["ledger"] != "balanced" or report["chain"] != "ok":
            raise DemoError(f"the audit says {report}")

        picture = ROOT / "demo" / "picture.png"
        picture.parent.mkdir(exist_ok=True)
        pieces = sorted(str(p) for p in tiles.glob("*/*.fpt"))
        subprocess.run([str(self.pathtrace), "assemble", "--out", str(picture), *pieces], check=True)
        say(f"picture in {picture.relative_to(ROOT)}")
        if int(order["tasks_done"]) != TASKS or int(order["rescued"]) < 1 or nodes != 2:
            raise DemoError(f"done {order['tasks_done']}, rescued {order['rescued']}, nodes {nodes}")
        print(f"demo: ok tasks={TASKS} nodes={nodes} rescued={order['rescued']} charged={paid} "
              f"receipts=verified ledger={report['ledger']}", flush=True)

    def check_receipts(self, order, renter):
        paid = Decimal(0)
        nodes = set()
        folder = self.folder / "receipts"
        folder.mkdir()
        leases = self.run("leases", "--job", order["id"], key=renter)
        for lease in sorted(leases, key=lambda l: int(l["id"])):
            file = folder / f"{lease['id']}.json"
            file.write_text(json.dumps(self.run("receipt", lease["id"], key=renter)[0]))
            bill = self.run("receipt", "verify", str(file), "--market-key", self.public_key)[0]
            amount = Decimal(int(bill["paid_micros"])) / 1_000_000
            paid += amount
            nodes.add(bill["node"])
            say(f"receipt of lease {lease['id']}: task {bill['task']} on {lease['node_name']}, "
                f"{bill['reason'].lower()}, proven {int(bill['proven_us']) / 1e6:.1f} s, paid {amount:f}")
        return paid, len(nodes)


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
    except (DemoError, subprocess.SubprocessError, KeyError, OSError) as error:
        print(f"demo: failed: {error}", file=sys.stderr)
        return 1
    finally:
        demo.end_all()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
