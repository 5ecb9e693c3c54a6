#!/usr/bin/env python3
"""Workloads that misbehave end cleanly, are blamed right, and leave the node as it was."""
import os
import time
from decimal import Decimal

from harness import PATIENCE, SystemTest, main


class HostileTaskTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.join("node", count=2)

    def end_of(self, *command, options=(), hours="0.2"):
        order = self.submit(*command, options=options, hours=hours)
        ended = self.wait_end(order, 120)
        return order, ended["tasks"][0]

    def assert_node_still_works(self):
        order, task = self.end_of("echo", "fine")
        self.assertEqual(task["state"], "DONE")
        self.assertEqual(self.output(order).strip(), "fine")

    def test_exit_codes_and_signals(self):
        _, task = self.end_of("sh", "-c", "exit 7")
        self.assertEqual((task["last_reason"], task["last_blame"], task["exit_code"]), ("EXIT_CODE", "BLAME_RENTER", 7))
        _, task = self.end_of("sh", "-c", "kill -SEGV $$")
        self.assertEqual((task["last_reason"], task["last_blame"]), ("EXIT_CODE", "BLAME_RENTER"))
        _, task = self.end_of("/no/such/program")
        self.assertEqual(task["last_blame"], "BLAME_RENTER")
        self.assertIn("no/such/program", task["detail"])

    def test_forks_without_end(self):
        bomb = "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.2)"
        order = self.submit("python3", "-c", bomb, hours="0.1")
        self.wait_running(order)
        time.sleep(3)
        self.assert_node_still_works()
        self.market.run("stop", str(order), key=self.renter)
        self.assertEqual(self.wait_end(order)["state"], "ORDER_STOPPED")
        self.assert_node_still_works()

    def test_fills_its_disk(self):
        _, task = self.end_of("sh", "-c", "dd if=/dev/zero of=big bs=1M count=4096; sleep 5", options=["--disk", "0.05"])
        self.assertEqual((task["last_reason"], task["last_blame"]), ("DISK_LIMIT", "BLAME_RENTER"))
        self.assert_node_still_works()

    def test_takes_more_memory_than_it_ordered(self):
        _, task = self.end_of("python3", "-c", "x = bytearray(600_000_000); import time; time.sleep(20)",
                              options=["--memory", "0.1"])
        self.assertEqual((task["last_reason"], task["last_blame"]), ("OUT_OF_MEMORY", "BLAME_RENTER"))
        self.assert_node_still_works()

    def test_ignores_the_stop_signal(self):
        order = self.submit("sh", "-c", "trap '' TERM; while true; do sleep 1; done")
        self.wait_running(order)
        self.market.run("stop", str(order), key=self.renter)
        self.assertEqual(self.wait_end(order, 60)["state"], "ORDER_STOPPED")
        self.assert_node_still_works()

    def test_runs_no_longer_than_paid_for(self):
        begun = time.time()
        _, task = self.end_of("sleep", "1000", hours="0.001")
        self.assertEqual((task["last_reason"], task["last_blame"]), ("TIME_LIMIT", "BLAME_RENTER"))
        self.assertLess(time.time() - begun, 60 * PATIENCE)

    def test_runs_longer_when_that_is_paid_for(self):
        # 36 s, in which a slow machine starts it and runs three commands.
        order = self.submit("sleep", "45", hours="0.01")
        self.wait_running(order)
        asked = ("extend", str(order), "--hours", "0.02")
        cost = self.market.run(*asked, "--dry-run", key=self.renter)[0]["cost"]
        budget = self.market.run("jobs", str(order), key=self.renter)[0]["budget"]
        extended = self.market.run(*asked, key=self.renter)[0]
        self.assertEqual(Decimal(extended["budget"]), Decimal(budget) + Decimal(cost))
        self.assertEqual(self.wait_end(order, 120)["state"], "ORDER_DONE")
        lease = self.market.leases(self.renter, order)[0]
        self.assertGreater(float(lease["proven"].rstrip("s")), 0.01 * 3600)

    def test_sees_nothing_of_the_agent(self):
        os.environ["FALLOW_TEST_SECRET"] = "of-the-agent"
        script = ("env; ls -la /root /home 2>&1; ls / ; cat /proc/1/environ | tr '\\0' '\\n'; "
                  f"ls {self.folder} 2>&1; ip addr 2>&1 || cat /proc/net/dev; id")
        order, task = self.end_of("sh", "-c", script)
        text = self.output(order)
        self.assertNotIn("of-the-agent", text)
        self.assertNotIn("node.key", text)
        self.assertNotIn(os.environ.get("HOSTNAME", "no-such-host-name"), text)
        self.assertNotIn("uid=0(root)", text)
        self.assertNotIn("eth0", text)
        self.assertEqual(task["state"], "DONE", text)

    def test_output_that_is_hostile_or_endless(self):
        out = self.folder / "out"
        script = ("ln -s /etc/passwd $FALLOW_OUT/passwd; mkfifo $FALLOW_OUT/pipe; echo good > $FALLOW_OUT/good; "
                  "printf '\\033]0;title\\007\\0\\377'; head -c 3000000 /dev/zero | tr '\\0' x")
        self.market.run("run", self.query, "--hours", "0.1", "--out", str(out), "--", "sh", "-c", script,
                        key=self.renter, timeout=120 * PATIENCE)
        self.assertEqual(sorted(p.name for p in out.rglob("*")), ["good"])


if __name__ == "__main__":
    main(processes=2)
