#!/usr/bin/env python3
"""The owner of a node starts a game: the leased work makes way, and comes back when the owner has left."""
import os
import shutil
import subprocess
import time

from harness import PATIENCE, SystemTest, main
from kill_agent_test import processes_with

# Nothing of the machine that runs the test counts but the game.
POLICY = """
dry_run = {dry_run}
away_after = "1s"
[signs]
desktop = false
input = false
terminals = false
battery = false
programs = ["{game}"]
[gpu]
memory_mb = 0
percent = 0
"""


class OwnerTest(SystemTest):
    # Only the owner ends a lease here, not a machine that is too busy to be heard of.
    intervals = (1, 10, 20)

    def setUp(self):
        super().setUp()
        self.sandboxes()
        # Not longer than the kernel keeps a name: by what is left of two they would be the same.
        self.game = self.folder / f"game-{os.getpid()}"
        shutil.copy(shutil.which("sleep"), self.game)
        self.mark = f"fallow-mark-{os.getpid()}-{time.monotonic_ns()}"

    def join_with_policy(self, dry_run):
        policy = self.folder / "policy.toml"
        policy.write_text(POLICY.format(dry_run=str(dry_run).lower(), game=self.game.name))
        self.market.join_agent("node", self.provider, "--price", "0.36", "--device", self.device, "--cpu-thousandths",
                               "64000", "--memory-mb", "65536", "--owner-policy", str(policy))
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)

    def play(self):
        game = subprocess.Popen([self.game, "600"])

        def end():
            game.kill()
            game.wait()

        self.addCleanup(end)
        return end

    def test_a_game_suspends_and_evicts(self):
        self.join_with_policy(dry_run=False)
        # A renter's program of the game's name is no sign of the owner.
        order = self.submit("sh", "-c", f"trap '' TERM; : {self.mark}; cp /bin/sleep /tmp/{self.game.name}; "
                            f"while :; do /tmp/{self.game.name} 0.1; done")
        lease = self.wait_running(order)[0]
        self.market.wait_until("the renter's game", lambda: processes_with(f"/tmp/{self.game.name} 0.1"), 20 * PATIENCE)
        time.sleep(1.5)
        self.assertEqual(self.market.leases(self.renter, order)[0]["state"], "RUNNING")
        end = self.play()
        began = time.monotonic()
        self.market.wait_until("the workload's end", lambda: not processes_with(self.mark), 20 * PATIENCE)
        print(f"gone {time.monotonic() - began:.1f} s after the game began", flush=True)

        def ended():
            known = [each for each in self.market.leases_now(self.renter, order) if each["id"] == lease["id"]][0]
            return known if known["state"] == "ENDED" else None

        known = self.market.wait_until("the lease's end", ended, 20 * PATIENCE)
        self.assertEqual((known["reason"], known["blame"]), ("OWNER_RETURNED", "BLAME_OWNER"))
        self.assertEqual(self.market.run("nodes", key=self.provider)[0]["owner"], "OWNER_PRESENT")
        # What the market says and, without its word, what the watch on this machine has written down.
        status = ("agent", "status", "--data", str(self.folder / "node"))
        self.assertEqual([self.market.run(*status, key=key)[0]["owner"] for key in (self.provider, None)],
                         ["present", "present"])
        self.assertFalse(self.market.available(self.renter, self.query, 1))
        node = str(self.market.run("nodes", key=self.provider)[0]["id"])
        notes = lambda: [(note["act"], note["lease"], note["why"]) for note in self.market.run("nodes", "owner", node, key=self.provider)]
        told = self.market.wait_until("the notes", lambda: len(notes()) >= 3 and notes(), 20 * PATIENCE)
        self.assertEqual(told[:3], [("LEASE_EVICTED", lease["id"], ""), ("LEASE_SUSPENDED", lease["id"], ""),
                                    ("OWNER_CAME", "0", f"program {self.game.name} runs")])
        end()
        again = self.wait_running(order)[0]
        self.assertNotEqual(again["id"], lease["id"])
        self.market.run("stop", str(order), key=self.renter)
        self.wait_end(order)
        self.audit()

    def test_a_dry_run_only_writes_down(self):
        self.join_with_policy(dry_run=True)
        order = self.submit("sh", "-c", f": {self.mark}; sleep 60")
        self.wait_running(order)
        self.play()
        report = ("agent", "owner-report", "--data", str(self.folder / "node"))

        def told():
            seen = self.market.run(*report, key=self.provider)[0]
            return seen if seen["returns"] else None

        seen = self.market.wait_until("the owner in the report", told, 20 * PATIENCE)
        self.assertTrue(seen["dry_run"])
        self.assertEqual(seen["reasons"], {f"program {self.game.name} runs": 1})
        self.assertRegex(seen["earned_at_most"], r"^0\.00")
        words = subprocess.run([self.market.fallow, *report], env=self.market.environment, capture_output=True, text=True)
        self.assertIn("The owner would have had the machine", words.stdout)
        self.assertIn("the node was leased all along", words.stdout)
        time.sleep(1)
        status = self.market.run("agent", "status", "--data", str(self.folder / "node"))[0]
        self.assertEqual(status["owner"], "away", "a dry run counts nobody")
        self.assertEqual([l["state"] for l in self.market.leases(self.renter, order)], ["RUNNING"])
        self.market.run("stop", str(order), key=self.renter)

    def test_a_policy_with_a_fault_is_refused_with_its_line(self):
        policy = self.folder / "policy.toml"
        policy.write_text("dry_run = true\nawai_after = \"5m\"\n")
        for words in (["agent", "owner-policy", "--check", str(policy)],
                      ["agent", "--data", str(self.folder / "none"), "--device", self.device, "--owner-policy", str(policy)]):
            done = subprocess.run([self.market.fallow, *words], env=self.market.environment, capture_output=True, text=True,
                                  timeout=60 * PATIENCE)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"{policy}, line 2: \"awai_after\" is no setting here", done.stderr)
        # One that is not there is as wrong, and nothing to wait for.
        done = subprocess.run([self.market.fallow, "agent", "--data", str(self.folder / "none"), "--device", self.device,
                               "--owner-policy", str(self.folder / "nowhere.toml")], env=self.market.environment,
                              capture_output=True, text=True, timeout=60 * PATIENCE)
        self.assertEqual(done.returncode, 2, done.stderr)
        explained = subprocess.run([self.market.fallow, "agent", "owner-policy"], capture_output=True, text=True, check=True)
        policy.write_text(explained.stdout)
        checked = subprocess.run([self.market.fallow, "agent", "owner-policy", "--check", policy], capture_output=True,
                                 text=True, check=True)
        self.assertIn("killed after 4 s", checked.stdout)


if __name__ == "__main__":
    main(processes=2)
