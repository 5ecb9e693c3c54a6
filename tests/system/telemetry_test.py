#!/usr/bin/env python3
"""What devices and workloads do: live and by the minute, for the renter, the provider and Prometheus; nothing while idle."""
import json
import pathlib
import re
import subprocess
import unittest
import urllib.request

from faults import NO_COMPILER, Devices
from harness import PATIENCE, SystemTest, main

BUSY = ("import time; x = bytearray(b'1') * (100 << 20)\n"
        "end = time.time() + 600\n"
        "while time.time() < end: pass")


@unittest.skipIf(NO_COMPILER, NO_COMPILER)
class TelemetryTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.sandboxes()
        self.devices = Devices(self.folder / "devices")
        self.devices.say(percent=97, memory_used=3 << 30, milliwatts=312000, celsius=71, core_mhz=2520, memory_mhz=10501,
                         throttle=0x20, ecc_corrected=3, ecc_uncorrected=0)
        self.market.environment.update(self.devices.environment())
        self.market.join_agent("node", self.provider, "--price", "0.36", "--device", self.device, "--metrics-port", "0")
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)

    def follow(self, key, *words):
        """Lines of `fallow --json WORDS`, as they come."""
        environment = dict(self.market.environment, FALLOW_API_KEY=key)
        process = subprocess.Popen([self.market.fallow, "--json", *words], env=environment, stdout=subprocess.PIPE,
                                   text=True, stdin=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def next_with(self, process, check):
        for line in process.stdout:
            now = json.loads(line)["now"]
            if check(now):
                return now
        self.fail(f"the stream ended with {process.wait()}")

    def library_is_loaded(self):
        return "libnvidia-ml" in pathlib.Path(f"/proc/{self.market.processes['node'].pid}/maps").read_text()

    def metrics(self):
        port = re.search(r"metrics are at http://127.0.0.1:(\d+)/metrics", self.market.log_tail("node"))[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30 * PATIENCE) as answer:
            return answer.read().decode()

    def test_a_lease_is_seen_live_and_by_the_minute(self):
        self.assertFalse(self.library_is_loaded(), "an idle node asks no driver")
        order = self.submit("python3", "-c", BUSY)
        lease = self.wait_running(order)[0]
        stream = self.follow(self.renter, "leases", "watch", lease["id"])
        now = self.next_with(stream, lambda now: now["devices"] and now["workloads"]
                             and now["workloads"][0].get("cpu_thousandths", 0) > 300)
        device, workload = now["devices"][0], now["workloads"][0]
        figures = {name: device[name] for name in ("device", "percent", "memory_mb", "milliwatts", "celsius", "core_mhz",
                                                    "memory_mhz", "throttled_by", "ecc_corrected")}
        self.assertEqual(figures, {"device": 0, "percent": 97, "memory_mb": 3072, "milliwatts": 312000, "celsius": 71,
                                   "core_mhz": 2520, "memory_mhz": 10501, "throttled_by": ["THROTTLED_BY_HEAT"],
                                   "ecc_corrected": 3})
        self.assertEqual(workload["lease"], lease["id"])
        self.assertGreater(workload["memory_mb"], 90)
        self.assertNotIn("network_in_kbps", workload, "it has no network")
        # The machine itself, of which the workload is a part.
        host = self.next_with(stream, lambda now: now.get("host", {}).get("cpu_thousandths", 0) > 300)["host"]
        self.assertGreater(host["memory_mb"], workload["memory_mb"])
        self.assertTrue(self.library_is_loaded())

        self.devices.say(percent=5, celsius=40)
        now = self.next_with(stream, lambda now: now["devices"] and now["devices"][0]["percent"] == 5)
        self.assertNotIn("milliwatts", now["devices"][0], "what is not told is not 0")
        of_node = self.follow(self.provider, "nodes", "watch", lease["node"])
        self.next_with(of_node, lambda now: now["devices"] and now["workloads"])
        of_node.kill()

        text = self.metrics()
        self.assertIn('fallow_device_celsius{device="0",model="TEST_GPU"} 40', text)
        self.assertRegex(text, rf'fallow_lease_memory_mb{{lease="{lease["id"]}"}} \d+')

        self.market.run("stop", str(order), key=self.renter)
        self.assertEqual(stream.wait(timeout=30 * PATIENCE), 0, "a stream ends with its lease")

        def minutes():
            return self.market.run("leases", "watch", lease["id"], "--minutes", key=self.renter)

        seen = self.market.wait_until("the minute that was cut short", minutes, 30 * PATIENCE)
        # On a slow machine there are several, and what was seen above is in any of them.
        self.assertEqual(max(minute["max"]["devices"][0]["percent"] for minute in seen), 97)
        self.assertGreater(max(minute["max"]["workloads"][0]["cpu_thousandths"] for minute in seen), 300)
        self.assertGreater(max(minute["max"]["host"]["cpu_thousandths"] for minute in seen), 300)
        for minute in seen:
            self.assertGreater(minute["seconds"], 0)
            self.assertLessEqual(minute["seconds"], 60)

    def test_an_idle_node_is_measured_while_somebody_watches(self):
        node = self.market.run("nodes", key=self.provider)[0]["id"]
        self.assertFalse(self.library_is_loaded())
        stream = self.follow(self.provider, "nodes", "watch", node)
        now = self.next_with(stream, lambda now: now["devices"])
        self.assertEqual(now["devices"][0]["celsius"], 71)
        self.assertEqual(now["workloads"], [])

    def test_what_a_lease_takes_of_energy_is_written_down_and_reckoned(self):
        order = self.submit("sleep", "600")
        lease = self.wait_running(order)[0]
        stream = self.follow(self.renter, "leases", "watch", lease["id"])
        for _ in range(3):
            self.next_with(stream, lambda now: now["devices"])
        self.market.run("stop", str(order), key=self.renter)
        self.wait_end(order)

        def energy():
            words = ("agent", "status", "--data", str(self.folder / "node"), "--kwh-price", "3600")
            return self.market.run(*words)[0]["energy"]

        one, = self.market.wait_until("the lease's energy", energy, 30 * PATIENCE)
        self.assertEqual((one["lease"], one["watts"]), (lease["id"], 312))
        self.assertGreaterEqual(one["measured_s"], 1)
        # At 3,600 a kWh a thousand joules cost 1.
        self.assertAlmostEqual(float(one["cost"]), 3600 * float(one["kwh"]), delta=0.01)
        self.assertGreater(float(one["cost"]), 0.3)

    def test_what_does_not_pay_for_its_electricity_is_not_offered(self):
        words = [self.market.fallow, "agent", "--data", str(self.folder / "poor"), "--device", self.device, "--join", "fj1.token",
                 "--price", "0.09", "--kwh-price", "0.30"]
        for more, why in (((), "--device-watts"), (("--device-watts", "300"), "300 W at 0.30 a kWh are 0.09 an hour")):
            done = subprocess.run([*words, *more], env=self.market.environment, capture_output=True, text=True,
                                  timeout=60 * PATIENCE)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(why, done.stderr)


if __name__ == "__main__":
    main()
