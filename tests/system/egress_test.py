#!/usr/bin/env python3
"""Egress: what a lease with a network reaches and what it does not, in each kind of sandbox, and that
nothing of it stays. The whole test runs in network namespaces of its own: a machine with a market, an
agent and 192.168.50.0/24 behind it, an internet, and a metadata server. Nothing leaves them."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest

from harness import KINDS, PATIENCE, Refused, SystemTest, main

FOLDER = pathlib.Path(__file__).resolve().parent / "egress"
CLONE_NEWNET = 0x40000000
MBPS = 40
MBPS_MIN = 0.4 * MBPS  # of some tries one passes more, on a busy machine, too
CONNECTIONS = 50
# All that is tried here but the pool's: what else is closed is closed by another rule. Mail's are to stay closed.
PORTS = (25, 53, 80, 443, 465, 587, 7000, 8000, 8099, 9000)
HOST = ("130.82.7.2", "192.168.50.2")
LISTENER = ("import socket; s = socket.create_server(('', 7000)); u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
            "u.connect(('93.184.216.34', 80)); print('address', u.getsockname()[0], flush=True)\n"
            "while True: s.accept()[0].send(b'the other lease\\n')")
REACHED = ("the internet, port 80", "the internet, port 443", "the internet by name", "the resolver")
MEASURED = ("Mbit/s inwards", "Mbit/s outwards", "connections at once")


def missing():
    if os.geteuid() != 0:
        return "only root makes networks"
    absent = [tool for tool in ("nft", "ip", "tc", "unshare", "nsenter") if not shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin")]
    return f"{', '.join(absent)}: not installed" if absent else None


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class World:
    """A namespace with servers, and a link to it from ours."""

    def __init__(self, interface, ours, theirs, addresses, routes=()):
        self.process = subprocess.Popen(["unshare", "-n", sys.executable, str(FOLDER / "world.py"), *addresses],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        pid = str(self.process.pid)
        run("ip", "link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "address", "add", ours, "dev", interface)
        run("ip", "link", "set", interface, "up")
        self.inside("ip", "address", "add", theirs, "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")
        for route in routes:
            self.inside("ip", "route", "add", *route.split())

    def inside(self, *words):
        return run("nsenter", "-t", str(self.process.pid), "-n", *words)

    def reaches(self, host, port):
        script = f"import socket; socket.create_connection(({host!r}, {port}), timeout=2); print('reached')"
        done = subprocess.run(["nsenter", "-t", str(self.process.pid), "-n", sys.executable, "-c", script],
                              capture_output=True, text=True)
        return "reached" in done.stdout

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


@unittest.skipIf(missing(), missing() or "")
class EgressTest(SystemTest):
    intervals = (0.5, 5, 20)  # an agent that comes back tries its sandboxes and networks first

    def setUp(self):
        # This process and all that it starts; the machine's own network is out of reach from here on.
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            self.skipTest("no network namespace can be made here")
        run("ip", "link", "set", "lo", "up")
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
        self.internet = World("up0", f"{HOST[0]}/24", "130.82.7.1/24",
                              ["93.184.216.34/32", "9.9.9.9/32", "198.41.0.4/32", "10.20.30.40/32", "172.20.0.1/32", "100.100.0.1/32"],
                              ["192.168.50.0/24 via 130.82.7.2", "198.18.0.0/15 via 130.82.7.2"])
        self.addCleanup(self.internet.end)
        self.lan = World("lan0", f"{HOST[1]}/24", "192.168.50.1/24", [], ["default via 192.168.50.2"])
        self.addCleanup(self.lan.end)
        self.metadata = World("md0", "169.254.169.1/24", "169.254.169.254/24", [])
        self.addCleanup(self.metadata.end)
        run("ip", "route", "add", "default", "via", "130.82.7.1")
        self.server = socket.create_server(("", 8099))
        self.addCleanup(self.server.close)
        threading.Thread(target=self.greet, daemon=True).start()
        super().setUp()

    def greet(self):
        while True:
            try:
                self.server.accept()[0].send(b"the host\n")
            except OSError:
                return

    def offer(self, node, kind, *options):
        self.query = f"gpu_name={node.upper()}_GPU"
        self.options = ["--price", "0.36", "--device", f"model={node.upper()}_GPU,memory_gb=24,count=3", "--cpu-thousandths",
                        "64000", "--memory-mb", "65536", "--sandbox", kind.lower(), *options]
        self.market.join_agent(node, self.provider, *self.options)
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)

    def egress_options(self):
        return ("--egress", "--resolver", "9.9.9.9", "--egress-mbps", str(MBPS), "--egress-connections", str(CONNECTIONS),
                "--egress-deny", "198.41.0.0/24", *(word for port in PORTS for word in ("--egress-port", str(port))))

    def working_kinds(self):
        lines = self.sandboxes()
        return [kind for kind in KINDS if lines[kind]["works"]]

    def assert_nothing_left(self):
        def clean():
            return "fallow" not in run("nft", "list", "tables") and "fw-" not in run("ip", "-br", "link")

        self.market.wait_until("the end of every table and link", clean, 20 * PATIENCE)
        for name in ("all", "up0", "lan0"):
            setting = pathlib.Path(f"/proc/sys/net/ipv4/conf/{name}/forwarding")
            self.assertEqual(setting.read_text().strip(), "0", f"{name} still forwards")

    def lease_with_address(self, *options):
        """(order, lease, address) of a lease that listens on port 7000."""
        order = self.submit("python3", "-c", LISTENER, options=["--network", "egress", *options])
        lease = self.wait_running(order)[0]
        line = self.market.wait_until("its address", lambda: self.output(order).strip(), 30 * PATIENCE)
        return order, lease, line.split()[1]

    def attempts(self, kind):
        other, _, address = self.lease_with_address()
        inputs = self.folder / f"inputs-{kind}"
        inputs.mkdir()
        shutil.copy(FOLDER / "attempts.py", inputs)
        (inputs / "other").write_text(address)
        order = self.submit("python3", "attempts.py", str(MBPS_MIN), *HOST, options=["--network", "egress", "--in", str(inputs)])
        ended = self.wait_end(order, 180)
        self.assertEqual(ended["state"], "ORDER_DONE", f"{kind}: {ended} {self.output(order)}")
        rows = {row["attempt"]: row["got"] for row in map(json.loads, self.output(order).splitlines())}
        for name, world in {"from the internet to a lease": self.internet, "from the LAN to a lease": self.lan}.items():
            rows[name] = "reached" if world.reaches(address, 7000) else "denied"
        try:
            socket.create_connection((address, 7000), timeout=2).close()
            rows["from the host to a lease"] = "reached"
        except OSError:
            rows["from the host to a lease"] = "denied"
        # The host forwards for leases only, though one of its interfaces does.
        rows["from the uplink through the host into the LAN"] = "reached" if self.internet.reaches("192.168.50.1", 80) else "denied"
        rows["from the LAN through the host to the internet"] = "reached" if self.lan.reaches("93.184.216.34", 80) else "denied"
        self.market.run("stop", str(other), key=self.renter)
        self.wait_end(other)
        return rows

    def print_table(self, rows):
        names = list(next(iter(rows.values())))
        print(f"\n{'':<52}" + "".join(f"{kind:<22}" for kind in rows))
        for name in names:
            cells = [of[name] if isinstance(of[name], str) else f"{of[name]:.1f}" for of in rows.values()]
            print(f"{name:<52}" + "".join(f"{cell[:21]:<22}" for cell in cells))

    def test_leases_reach_the_internet_and_nothing_else(self):
        tried = self.working_kinds()
        rows = {}
        for kind in tried:
            self.offer(kind.lower(), kind, *self.egress_options())
            rows[kind] = self.attempts(kind)
            self.assert_nothing_left()
        self.print_table(rows)
        for kind, of in rows.items():
            for name, got in of.items():
                if name in MEASURED:
                    self.assertIsInstance(got, (int, float), f"{kind}: {name}: {got}")
                else:
                    wanted = "reached" if name in REACHED else "denied"
                    self.assertTrue(got.startswith(wanted), f"{kind}: {name}: {got}")
            # The provider's address, not the lease's, is what the internet sees.
            self.assertEqual(of["the internet, port 80"], f"reached from {HOST[0]}")
            for name in MEASURED[:2]:
                self.assertGreater(of[name], MBPS_MIN, f"{kind}: {name}")
                self.assertLess(of[name], 1.2 * MBPS, f"{kind}: {name}")
            self.assertLessEqual(of[MEASURED[2]], CONNECTIONS, kind)
            self.assertGreater(of[MEASURED[2]], CONNECTIONS // 2, kind)

    def sends(self, megabytes, at_once=1 << 16):
        """Sends so much to a server of the internet, and says how much of it was taken."""
        return (f"import socket; s = socket.create_connection(('93.184.216.34', 9000)); block = b'x' * {at_once}; sent = 0\n"
                f"try:\n    while sent < {megabytes} * 10**6: sent += s.send(block)\n"
                "    s.shutdown(socket.SHUT_WR); s.recv(1)\n"
                "finally: print(sent, flush=True)")

    def bill_of(self, order):
        lease = self.market.leases_now(self.renter, order)[0]
        file = self.folder / f"bill-{lease['id']}.json"
        file.write_text(json.dumps(self.market.run("receipt", lease["id"], key=self.renter)[0]))
        bill = self.market.run("receipt", "verify", str(file))[0]
        return lease, {name: int(bill.get(name, 0)) for name in (
            "egress_bytes", "egress_bytes_max", "egress_micros", "egress_gb_micros", "charged_micros")}

    def test_what_is_sent_is_counted_and_paid_for(self):
        for kind in self.working_kinds():
            self.offer(f"sells{kind.lower()}", kind, *self.egress_options(), "--egress-price", "0.50")
            with self.assertRaises(Refused) as no:
                self.market.run("quote", self.query, "--hours", "0.5", "--network", "egress", key=self.renter)
            self.assertIn("how much it may send", json.dumps(no.exception.problem) + str(no.exception))
            quote = self.market.run("quote", self.query, "--hours", "0.5", "--egress-gb", "0.02", key=self.renter)[0]
            self.assertEqual((quote["total"], float(quote["egress_price_per_gb"])), ("0.19", 0.5), quote)

            order = self.submit("python3", "-c", self.sends(8), options=["--egress-gb", "0.02"])
            self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE", self.output(order))
            sent = int(self.output(order))
            lease, bill = self.bill_of(order)
            print(f"{kind}: {sent} bytes were written, {bill['egress_bytes']} were counted", flush=True)
            # Headers, acknowledgements, and now and then a packet that is sent again.
            self.assertGreater(bill["egress_bytes"], sent)
            self.assertLess(bill["egress_bytes"], 1.2 * sent)
            self.assertEqual(bill["egress_micros"], bill["egress_bytes"] * 500_000 // 10**9)
            self.assertEqual(bill["egress_bytes_max"], 20_000_000)
            self.assertGreater(bill["charged_micros"], bill["egress_micros"])
            self.assertEqual(lease["egress_gb"], bill["egress_bytes"] / 1e9)
            self.assertEqual(round(float(lease["egress_charged"]) * 1e6), bill["egress_micros"])

            # No more than it may: its network is closed, and it is told why.
            order = self.submit("python3", "-c", self.sends(20), options=["--egress-gb", "0.005"])
            self.assertEqual(self.wait_end(order)["state"], "ORDER_FAILED", self.output(order))
            lease, bill = self.bill_of(order)
            self.assertEqual((lease["reason"], lease["blame"]), ("EXIT_CODE", "BLAME_RENTER"), lease)
            self.assertIn("0.005 GB that the order allows", lease["detail"])
            self.assertEqual((bill["egress_bytes"], bill["egress_micros"]), (5_000_000, 2_500))
            self.assert_nothing_left()

    def test_orders_go_where_it_is_offered_and_a_killed_agent_leaves_nothing(self):
        kind = self.working_kinds()[0]
        self.offer("closed", kind)
        self.assertNotEqual(self.market.run("offers", self.query, key=self.renter)[0].get("network"), "EGRESS")
        with self.assertRaises(Refused) as no:
            self.market.run("quote", self.query, "--hours", "0.1", "--network", "egress", key=self.renter)
        self.assertIn("without a network", json.dumps(no.exception.problem) + str(no.exception))
        self.offer("open", kind, *self.egress_options())
        order, lease, address = self.lease_with_address()
        tables = run("nft", "list", "tables")
        self.assertIn(f"_{lease['id']}_", tables)

        # Killed, it comes back to a lease that never lost its network.
        self.market.kill("open", signal.SIGKILL)
        self.assertEqual(run("nft", "list", "tables"), tables)
        self.market.start_agent("open", *self.options)
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        self.assertIn(f"_{lease['id']}_", run("nft", "list", "tables"))
        self.wait_running(order)

        # Killed with the supervisor: the kernel ends the link with the processes; the next start of the
        # agent sweeps up the rest, and nothing that it did not make.
        run("nft", "add", "table", "inet", "fallow_ofanother_1_1")
        run("nft", "add", "table", "inet", "theirs")
        supervisor = self.folder / "open" / "workloads" / str(lease["id"]) / "pid"
        pid = int(supervisor.read_text())
        self.market.kill("open", signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        self.market.wait_until("the end of the link", lambda: "fw-" not in run("ip", "-br", "link"), 20 * PATIENCE)
        self.assertIn(f"_{lease['id']}_", run("nft", "list", "tables"))
        self.market.start_agent("open", *self.options)
        self.market.wait_until("the sweep", lambda: f"_{lease['id']}_" not in run("nft", "list", "tables"), 30 * PATIENCE)
        left = run("nft", "list", "tables")
        self.assertIn("fallow_ofanother_1_1", left)
        self.assertIn("theirs", left)
        run("nft", "delete", "table", "inet", "fallow_ofanother_1_1")
        self.market.run("stop", str(order), key=self.renter)
        self.wait_end(order)

        # When the network cannot be made, the start fails, and that is the provider's.
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        run("ip", "route", "delete", "default")
        order = self.submit("true", options=["--network", "egress"])
        failed = self.market.wait_until("a failed start", lambda: [
            each for each in self.market.leases_now(self.renter, order) if each["state"] == "ENDED"], 60 * PATIENCE)[0]
        self.assertEqual((failed["reason"], failed["blame"]), ("START_FAILED", "BLAME_PROVIDER"), failed)
        self.assertIn("network could not be made", json.dumps(failed))
        self.assertIn("no default route", json.dumps(failed))
        try:
            self.market.run("stop", str(order), key=self.renter)
        except Refused:
            pass  # it has failed for good by itself
        self.wait_end(order)
        self.assert_nothing_left()
        self.assertIn("theirs", run("nft", "list", "tables"))


if __name__ == "__main__":
    main()
