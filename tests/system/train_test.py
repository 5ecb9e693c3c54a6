#!/usr/bin/env python3
"""A training on OpenCL whose owners come home twice: it moves, goes on, and ends with the very same weights."""
import base64
import re
import shutil
import subprocess
import time

from harness import BUILD, PATIENCE, SystemTest, main

STEPS = "8000"
TRAIN = BUILD / "examples" / "train" / "train"
NODES = ("first", "second")


class TrainTest(SystemTest):
    # Only the owners end a lease here, not a machine that is too busy to be heard of.
    intervals = (1, 10, 20)

    def undisturbed_weights(self):
        alone = subprocess.run([TRAIN, "--steps", STEPS], capture_output=True, text=True, timeout=120 * PATIENCE,
                               env=self.market.environment)
        if "no OpenCL device" in alone.stderr:
            self.skipTest(alone.stderr.strip())
        self.assertEqual(alone.returncode, 0, alone.stderr)
        return self.weights(alone.stdout)

    def weights(self, text):
        return re.search(r"^weights ([0-9a-f]{64})$", text, re.MULTILINE)[1]

    def join_saving(self, name):
        before = len(self.market.available(self.renter, self.query, 0) or [])
        self.market.join_agent(name, self.provider, "--price", "0.36", "--device", self.device, "--cpu-thousandths",
                               "64000", "--memory-mb", "65536", "--checkpoint-every", "1")
        self.market.wait_for_offers(self.renter, self.query, before + 1, 60 * PATIENCE)

    def owner(self, node, *words):
        subprocess.run([self.market.fallow, "agent", *words, "--data", self.folder / node], env=self.market.environment,
                       capture_output=True, timeout=30 * PATIENCE, check=True)

    def saved_by(self, order, attempt):
        """The lease of that attempt, once the market has taken a checkpoint that it made itself."""
        def saved():
            for lease in self.market.open_leases(self.renter, order):
                if lease["attempt"] == attempt and lease.get("checkpoints", 0) > 0:
                    return lease
            return None

        return self.market.wait_until(f"a checkpoint of attempt {attempt}", saved, 60 * PATIENCE)

    def said_by(self, lease):
        lines = self.market.run("logs", "--lease", str(lease["id"]), key=self.renter)
        return b"".join(base64.b64decode(line["data"]) for line in lines if not line.get("error_stream")).decode()

    def test_moved_twice_it_ends_with_the_same_weights(self):
        self.sandboxes()
        weights = self.undisturbed_weights()
        folder = self.folder / "input"
        folder.mkdir()
        shutil.copy2(TRAIN, folder)
        for node in NODES:
            self.join_saving(node)
        begun = time.monotonic()
        # Slow enough to be met at work twice; so it waits more than it computes.
        order = self.submit("./train", "--steps", STEPS, "--steps-per-second", "500", "--every", "0.5",
                            options=("--in", str(folder)))
        for attempt in (1, 2):
            lease = self.saved_by(order, attempt)
            self.owner(lease["node_name"], "pause", "--now")
            if attempt == 1:
                left = lease["node_name"]
        # Back to the first, whose owner has gone.
        self.owner(left, "resume")
        ended = self.wait_end(order)
        print(f"moved twice, done after {time.monotonic() - begun:.1f} s", flush=True)

        self.assertEqual(ended["state"], "ORDER_DONE", self.output(order))
        leases = sorted(self.market.leases(self.renter, order), key=lambda lease: int(lease["id"]))
        self.assertEqual([lease["reason"] for lease in leases], ["OWNER_RETURNED", "OWNER_RETURNED", "COMPLETED"])
        nodes = [lease["node_name"] for lease in leases]
        self.assertEqual(nodes, [left, next(node for node in NODES if node != left), left])
        texts = [self.said_by(lease) for lease in leases]
        print("\n".join(texts), flush=True)
        self.assertTrue(texts[0].startswith("begins\n"), texts[0])
        steps = [0]
        for before, after in zip(texts, texts[1:]):
            last = re.search(r'^leaves at step (\d+): (.*)$', before, re.MULTILINE)
            # It read the notice, and what that left time for was saved: not a step is done twice.
            self.assertEqual(last[2], '{"reason":"OWNER_RETURNED","seconds":10}')
            self.assertTrue(after.startswith(f"goes on at step {last[1]}\n"), after)
            steps.append(int(last[1]))
        self.assertLess(steps[0], steps[1])
        self.assertLess(steps[1], steps[2])
        self.assertLess(steps[2], int(STEPS))
        self.assertEqual(self.weights(texts[2]), weights)
        self.assertRegex(texts[2], r"(?m)^right (9\d|100)\.\d %$")
        # The market's view of it.
        self.assertLess(leases[0]["checkpoint_at"], leases[1]["checkpoint_at"])
        task = self.market.order(self.renter, order)["tasks"][0]
        self.assertRegex(task["checkpoint_manifest"], "^[0-9a-f]{64}$")
        self.audit()


if __name__ == "__main__":
    main()
