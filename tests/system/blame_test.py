#!/usr/bin/env python3
"""Every fault that a node can prove, brought about: who is blamed, what is given back, and what the renter is told."""
import json
import os
import signal
import subprocess
import time
import unittest

from faults import NO_COMPILER, Devices, WallClock
from harness import PATIENCE, SystemTest, main

RENTER, PROVIDER = "BLAME_RENTER", "BLAME_PROVIDER"


@unittest.skipIf(NO_COMPILER, NO_COMPILER)
class BlameTest(SystemTest):
    def join_with(self, name, environment, device, *options):
        """An agent of this environment, which the others do not have."""
        self.sandboxes()
        before = dict(self.market.environment)
        offers = len(self.market.available(self.renter, self.query, 0) or [])
        self.market.environment.update(environment)
        self.market.join_agent(name, self.provider, "--price", "0.36", "--device", device, *options)
        self.market.environment = before
        self.market.wait_for_offers(self.renter, self.query, offers + 1, 60 * PATIENCE)

    def first_lease(self, order):
        return min(self.market.leases_now(self.renter, order), key=lambda lease: int(lease["id"]))

    def assert_end(self, order, reason, blame, said):
        """Of its first lease, which ran for long enough to be charged."""
        self.market.wait_until(f"the end of the first lease of {order}",
                               lambda: self.first_lease(order)["state"] == "ENDED", 90 * PATIENCE)
        lease = self.first_lease(order)
        told = (lease["reason"], lease["blame"], lease["detail"])
        print(f"{self.id().rsplit('.', 1)[1]}: {told} charged {lease['charged']} refunded {lease['refunded']}", flush=True)
        self.assertEqual(told[:2], (reason, blame), lease)
        self.assertIn(said, lease["detail"])
        self.assertGreater(float(lease["charged"]), 0)
        self.assertEqual(lease["refunded"] if float(lease["refunded"]) else "0", lease["charged"] if blame == PROVIDER else "0")
        return lease

    def faulty(self):
        devices = Devices(self.folder / "devices")
        devices.say(percent=50, ecc_uncorrected=0)
        self.join_with("faulty", devices.environment(), self.device)
        self.join_with("spare", {}, "model=TEST_GPU,memory_gb=48")
        return devices

    def run_on_faulty(self, *command, options=()):
        """An order that runs there, while the spare node has become free."""
        busy = self.market.run("run", f"{self.query} gpu_ram>=40", "--hours", "0.5", "--detach", "--", "sleep", "600",
                               key=self.renter)[0]["id"]
        self.wait_running(busy)
        order = self.submit(*command, options=options)
        self.assertEqual(self.wait_running(order)[0]["node_name"], "faulty")
        self.market.run("stop", busy, key=self.renter)
        self.wait_end(busy)
        return order

    def assert_moves_on(self, order):
        ended = self.wait_end(order)
        self.assertEqual((ended["state"], ended["rescued"]), ("ORDER_DONE", 1))
        self.assertEqual(ended["tasks"][0]["node_name"], "spare")
        self.audit()

    def submit_once(self, *command, options=()):
        return self.submit(*command, options=("--attempts", "1", *options))

    # ---- by the renter's own program

    def test_by_its_program(self):
        self.join("node", count=4)
        memory = ("import time; time.sleep(2); x = bytearray(600_000_000); time.sleep(20)",)
        ends = [
            (self.submit_once("sh", "-c", "sleep 2; exit 7"), "EXIT_CODE", ""),
            (self.submit_once("sh", "-c", "sleep 2; kill -SEGV $$"), "EXIT_CODE", "signal 11 (Segmentation fault)"),
            (self.submit_once("python3", "-c", *memory, options=("--memory", "0.1")), "OUT_OF_MEMORY",
             "more memory than it asked for"),
            (self.submit_once("sh", "-c", "sleep 2; dd if=/dev/zero of=big bs=1M count=4096; sleep 20",
                              options=("--disk", "0.05")), "DISK_LIMIT", "more disk than it asked for"),
        ]
        leases = [self.assert_end(order, reason, RENTER, said) for order, reason, said in ends]
        self.assertEqual(leases[0]["exit_code"], 7)
        self.audit()

    # ---- by the device

    def test_by_its_device(self):
        devices = self.faulty()
        fine = {"percent": 50, "ecc_uncorrected": 0}

        with self.subTest("a program that breaks its own context is no fault of the device"):
            order = self.run_on_faulty("sh", "-c", "sleep 6; exit 1", options=("--attempts", "1"))
            devices.say(**fine, xid=31, xids=1)
            self.assert_end(order, "EXIT_CODE", RENTER, "")
        faults = {
            "the device fell off its bus (TEST_GPU, Xid 79)": {**fine, "xid": 79, "xids": 2},
            "its driver has lost it": {"lost": 1, "xid": 79, "xids": 2},
            "had an error that could not be corrected": {"percent": 50, "ecc_uncorrected": 2, "xid": 79, "xids": 2},
        }
        for said, figures in faults.items():
            with self.subTest(said):
                order = self.run_on_faulty("sh", "-c", "[ $FALLOW_ATTEMPT = 1 ] || exit 0; sleep 600")
                time.sleep(2)
                devices.say(**figures)
                self.assert_end(order, "DEVICE_FAULT", PROVIDER, said)
                self.assert_moves_on(order)
                devices.say(**fine, xid=79, xids=2)

    def test_program_that_fails_by_its_device(self):
        """It fails before the node has looked."""
        devices = self.faulty()
        order = self.run_on_faulty("sh", "-c", "[ $FALLOW_ATTEMPT = 1 ] || exit 0; sleep 4; exit 1")
        lease = self.wait_running(order)[0]
        agent = self.market.processes["faulty"]
        time.sleep(1)
        agent.send_signal(signal.SIGSTOP)
        try:
            devices.say(percent=50, ecc_uncorrected=0, xid=79, xids=1)
            end = self.folder / "faulty" / "workloads" / lease["id"] / "exit"
            self.market.wait_until("the program's own end", end.exists, 30 * PATIENCE)
        finally:
            agent.send_signal(signal.SIGCONT)
        ended = self.assert_end(order, "DEVICE_FAULT", PROVIDER, "Xid 79")
        self.assertEqual(ended["exit_code"], 1, "it had failed by itself")
        self.assert_moves_on(order)

    def test_slowed_device_is_no_fault_and_is_credited(self):
        devices = Devices(self.folder / "devices")
        devices.say(percent=99, core_mhz=1500, core_mhz_max=2000, throttle=0x40)
        self.join_with("hot", devices.environment(), self.device)
        order = self.submit_once("sleep", "8")
        self.wait_end(order)
        lease = self.first_lease(order)
        self.assertEqual((lease["reason"], lease["blame"]), ("COMPLETED", "BLAME_NONE"))
        credited, charged = float(lease["credited"]), float(lease["charged"])
        print(f"slowed {lease['slowed']} of {lease['proven']}: credited {credited} of {charged}", flush=True)
        self.assertGreater(credited, 0.05 * charged, "a quarter of its clock is gone")
        self.assertLess(credited, 0.26 * charged)
        self.assertEqual(float(lease["refunded"]), credited)
        file = self.folder / "bill.json"
        file.write_text(json.dumps(self.market.run("receipt", lease["id"], key=self.renter)[0]))
        bill = self.market.run("receipt", "verify", str(file))[0]
        self.assertEqual(int(bill["credited_micros"]), round(credited * 1e6))
        self.audit()

    # ---- by the host

    @unittest.skipIf(os.geteuid() != 0, "a disk of the test's own needs root")
    def test_disk_of_the_host(self):
        small = self.folder / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", small], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=False)
        self.addCleanup(self.market.end_all)  # before that
        self.sandboxes()
        token = self.market.join_token(self.provider)
        self.market.start("small", "agent", "--data", str(small / "agent"), "--name", "small", "--join", token, "--price",
                          "0.36", "--device", self.device, "--images-gb", "0")
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        # It had asked for no disk, and takes all there is: that is nobody's promise.
        order = self.submit_once("sh", "-c", "sleep 2; dd if=/dev/zero of=big bs=1M; exit 3")
        self.assert_end(order, "DISK_LIMIT", RENTER, "it had asked for none")
        # Its owner has filled it: a node that cannot write down what it proves proves nothing more.
        order = self.submit_once("sleep", "600", options=("--disk", "0.01"))
        self.wait_running(order)
        with open(small / "owners", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass
        self.market.wait_until("its end", lambda: self.first_lease(order)["state"] == "ENDED", 90 * PATIENCE)
        lease = self.first_lease(order)
        self.assertEqual((lease["reason"], lease["blame"]), ("HOST_LOST", PROVIDER))
        self.assertEqual(float(lease["refunded"]), float(lease["charged"]))
        self.audit()

    def test_host_that_goes(self):
        self.join("node", count=3)
        orders = [self.submit_once("sleep", "600") for _ in range(3)]
        leases = [self.wait_running(order)[0] for order in orders]
        time.sleep(2)
        for lease, number in zip(leases, (signal.SIGTERM, signal.SIGKILL)):
            os.kill(int((self.folder / "node" / "workloads" / lease["id"] / "pid").read_text()), number)
        self.assert_end(orders[0], "WORKLOAD_LOST", PROVIDER, "the node was shut down")
        self.assert_end(orders[1], "WORKLOAD_LOST", PROVIDER, "supervisor ended unexpectedly")
        self.market.kill("node", signal.SIGKILL)
        self.assert_end(orders[2], "HOST_LOST", PROVIDER, "")
        self.audit()

    # ---- by the clock: nobody

    def test_clock_that_jumps(self):
        clock = WallClock(self.folder / "clock")
        self.join_with("node", clock.environment(), self.device)
        order = self.submit("sh", "-c", "sleep 8; echo done")
        self.wait_running(order)
        begun = time.monotonic()
        for seconds in (86_400, -86_400, 0):
            clock.move(seconds)
            time.sleep(2)
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        lease = self.first_lease(order)
        self.assertEqual((lease["reason"], lease["blame"]), ("COMPLETED", "BLAME_NONE"))
        proven = float(lease["proven"].rstrip("s"))
        self.assertGreater(proven, 7)
        self.assertLess(proven, time.monotonic() - begun + 3)
        self.audit()


if __name__ == "__main__":
    main(processes=2)
