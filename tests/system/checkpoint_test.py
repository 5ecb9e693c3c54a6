#!/usr/bin/env python3
"""A task that saves moves from node to node, past a server that dies, and ends with what an undisturbed run has."""
import base64
import re
import signal
import subprocess
import time

from harness import PATIENCE, SystemTest, main

STEPS = 100
MODULUS = 1_000_003
# Every fifth of a second a step; all that counts is in one small file, beside one that never changes.
TASK = f"""
cd "$FALLOW_CHECKPOINT_DIR" || exit 2
if [ ! -e state ]; then
  head -c 3000000 /dev/urandom > .ballast && mv .ballast ballast
  echo 0 1 > .state && mv .state state
fi
read step value < state
trap 'read step value < state; echo "left $step $(cat "$FALLOW_NOTICE" | tr -d \\" )"; exit 75' TERM
echo "began $step ballast $(cksum < ballast | tr ' ' -)"
while [ "$step" -lt {STEPS} ]; do
  sleep 0.2
  step=$((step + 1)); value=$(((value * 31 + step) % {MODULUS}))
  echo "$step $value" > .state && mv .state state
done
echo "result $value"
"""


def undisturbed():
    value = 1
    for step in range(1, STEPS + 1):
        value = (value * 31 + step) % MODULUS
    return value


class CheckpointTest(SystemTest):
    # Only the owner ends a lease here, not a server that is away for a moment.
    intervals = (0.5, 15, 30)

    def join_saving(self, name):
        self.sandboxes()
        before = len(self.market.available(self.renter, self.query, 0))
        self.market.join_agent(name, self.provider, "--price", "0.36", "--device", self.device, "--cpu-thousandths",
                               "64000", "--memory-mb", "65536", "--checkpoint-every", "1")
        self.market.wait_for_offers(self.renter, self.query, before + 1, 60 * PATIENCE)

    def owner_says(self, name, *words):
        subprocess.run([self.market.fallow, "agent", *words, "--data", str(self.folder / name)], check=True,
                       env=self.market.environment, capture_output=True, timeout=60 * PATIENCE)

    def words_of(self, lease):
        lines = self.market.run("logs", "--lease", lease["id"], key=self.renter)
        return b"".join(base64.b64decode(line["data"]) for line in lines).decode()

    def running_lease(self, order, state="RUNNING"):
        """Of the task, once it is the one that is wanted, on another node than the last."""
        def found():
            leases = [each for each in self.market.open_leases(self.renter, order) if each["id"] not in self.seen]
            return leases[0] if leases and (state is None or leases[0]["state"] == state) else None

        lease = self.market.wait_until("the next lease", found, 60 * PATIENCE)
        self.seen.append(lease["id"])
        return lease

    def test_moved_twice_past_a_dead_server(self):
        self.seen = []
        began = time.monotonic()
        self.join_saving("one")
        self.join_saving("two")
        order = self.submit("sh", "-c", TASK, options=["--attempts", "5"])

        first = self.running_lease(order)

        def saved():
            return [each for each in self.market.open_leases(self.renter, order) if each.get("checkpoints")]

        saved_first = self.market.wait_until("a checkpoint beside the task", saved, 60 * PATIENCE)[0]
        self.assertRegex(saved_first["checkpoint_manifest"], "^[0-9a-f]{64}$")
        self.owner_says(first["node_name"], "pause", "--now")
        second = self.running_lease(order)
        self.assertNotEqual(second["node_name"], first["node_name"])
        self.owner_says(first["node_name"], "resume")
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        self.market.wait_until("its first words", lambda: "began" in self.words_of(second), 60 * PATIENCE)
        time.sleep(1)

        # The next node gets the task, and cannot fetch its checkpoint before the server is dead.
        self.owner_says(second["node_name"], "pause", "--now")
        time.sleep(2)
        third_agent = self.market.processes[first["node_name"]]
        third_agent.send_signal(signal.SIGSTOP)
        try:
            third = self.running_lease(order, state=None)
            self.market.kill("server", signal.SIGKILL)
        finally:
            third_agent.send_signal(signal.SIGCONT)
        self.assertEqual(third["node_name"], first["node_name"])
        time.sleep(1)
        self.market.start_server()

        ended = self.wait_end(order)
        self.assertEqual(ended["state"], "ORDER_DONE", ended)
        self.assertEqual(ended["rescued"], 2)
        leases = sorted(self.market.leases(self.renter, order), key=lambda lease: int(lease["id"]))
        self.assertEqual([each["reason"] for each in leases], ["OWNER_RETURNED", "OWNER_RETURNED", "COMPLETED"])
        words = "".join(map(self.words_of, leases))
        print(words, f"{time.monotonic() - began:.1f} s", flush=True)
        self.assertIn(f"result {undisturbed()}\n", words)
        starts = list(map(int, re.findall(r"began (\d+) ", words)))
        ends = list(map(int, re.findall(r"left (\d+) ", words)))
        self.assertEqual(len(starts), 3)
        # Not a step is lost: what was done until the notice is saved behind it.
        self.assertEqual(starts, [0, *ends])
        self.assertGreater(ends[0], 0)
        self.assertGreater(ends[1], ends[0])
        self.assertEqual(len(set(re.findall(r"ballast (\S+)", words))), 1)
        self.assertEqual(len(re.findall(r"\{reason:OWNER_RETURNED,seconds:\d+\}", words)), 2)
        self.assertEqual(words.count("goes on from the checkpoint"), 2)
        self.assertNotIn("begins anew", words)
        self.audit()


if __name__ == "__main__":
    main()
