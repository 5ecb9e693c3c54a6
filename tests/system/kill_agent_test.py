#!/usr/bin/env python3
"""A node's agent dies, hangs or comes back: who pays, where the task goes, what runs twice."""
import os
import pathlib
import signal
import time

from harness import PATIENCE, SystemTest, main


def processes_with(text):
    """Process ids whose command line holds the text; dead ones excluded."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if text in (entry / "cmdline").read_text().replace("\0", " "):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


class AgentTest(SystemTest):
    def lease_of(self, order):
        leases = self.market.leases(self.renter, order)
        return sorted(leases, key=lambda lease: int(lease["id"]))


class KillAgentTest(AgentTest):
    def assert_moved_and_refunded(self, order, first):
        ended = self.wait_end(order)
        self.assertEqual(ended["state"], "ORDER_DONE")
        self.assertEqual(ended["rescued"], 1)
        lost, done = self.lease_of(order)
        self.assertEqual(lost["id"], first["id"])
        self.assertEqual((lost["reason"], lost["blame"]), ("HOST_LOST", "BLAME_PROVIDER"))
        self.assertEqual(lost["charged"], lost["refunded"])
        self.assertEqual(done["reason"], "COMPLETED")
        self.assertNotEqual(lost["node"], done["node"])
        return lost

    def test_killed_agent_task_runs_elsewhere(self):
        self.join("cheap", "0.10")
        self.join("spare", "0.10")
        order = self.submit("sh", "-c", "sleep 4; echo survived")
        lease = self.wait_running(order)[0]
        self.assertEqual(lease["node_name"], "cheap")
        killed_at = time.time()
        self.market.kill("cheap", signal.SIGKILL)

        def moved():
            return [l for l in self.market.open_leases(self.renter, order) if l["id"] != lease["id"]]

        self.market.wait_until("the task's new lease", moved, 45 * PATIENCE)
        print(f"moved after {time.time() - killed_at:.1f} s", flush=True)
        lost = self.assert_moved_and_refunded(order, lease)
        # Never charged beyond the last proven moment plus one interval.
        proven = float(lost["proven"].rstrip("s"))
        started = time.mktime(time.strptime(lost["started_at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        self.assertLessEqual(started + proven, killed_at + self.intervals[0] + 1)
        self.assertIn("survived", self.output(order))

    def test_stopped_agent_task_runs_elsewhere_and_not_twice(self):
        self.join("cheap", "0.10")
        self.join("spare", "0.10")
        mark = f"fallow-mark-{os.getpid()}-{time.monotonic_ns()}"
        order = self.submit("sh", "-c", f": {mark}; sleep 6; echo survived")
        lease = self.wait_running(order)[0]
        agent = self.market.processes["cheap"]
        agent.send_signal(signal.SIGSTOP)
        try:
            self.market.wait_until("the task's end elsewhere", lambda: self.market.look(
                self.renter, f"/v1/orders/{order}")["tasks_done"] == 1, 90 * PATIENCE)
            # The supervisor fenced the first one by itself, although its agent could not.
            self.market.wait_until("the first workload's end", lambda: not processes_with(mark), 20 * PATIENCE)
        finally:
            agent.send_signal(signal.SIGCONT)
        self.assert_moved_and_refunded(order, lease)
        self.market.wait_for_offers(self.renter, self.query, 2, 60 * PATIENCE)


class RestartTest(AgentTest):
    # An agent under a sanitizer takes seconds to start, and must be back before it counts as lost.
    intervals = (0.5, 2, 5 * PATIENCE)

    def test_restarted_agent_takes_its_workload_back(self):
        self.join("only")
        order = self.submit("sh", "-c", "echo begun; for i in $(seq 60); do sleep 0.1; done; echo ended")
        lease = self.wait_running(order)[0]
        self.market.kill("only", signal.SIGKILL)
        self.market.start_agent("only", "--device", self.device, "--cpu-thousandths", "64000", "--memory-mb",
                                "65536")
        ended = self.wait_end(order)
        self.assertEqual(ended["state"], "ORDER_DONE")
        leases = self.lease_of(order)
        self.assertEqual([each["id"] for each in leases], [lease["id"]])
        self.assertEqual(self.output(order).split(), ["begun", "ended"])
        self.assertGreater(float(leases[0]["proven"].rstrip("s")), 5)

    def test_agent_that_ends_politely_leaves_its_workload_running(self):
        self.join("only")
        mark = f"fallow-mark-{os.getpid()}-{time.monotonic_ns()}"
        order = self.submit("sh", "-c", f": {mark}; sleep 3; echo ended")
        self.wait_running(order)
        self.market.kill("only", signal.SIGTERM)
        self.assertTrue(processes_with(mark), "the workload ended with its agent")
        self.market.start_agent("only", "--device", self.device, "--cpu-thousandths", "64000", "--memory-mb",
                                "65536")
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")


if __name__ == "__main__":
    main(processes=2)
