#!/usr/bin/env python3
"""An orderly restart of the server: who follows a job goes on following it, and hands over its secrets."""
import signal
import subprocess
import time

from harness import PATIENCE, SystemTest, main

AWAY_S = 4


class RestartTest(SystemTest):
    intervals = (0.5, 20, 60)

    def test_a_followed_job_outlives_the_servers_restart(self):
        self.join("steady")
        # One device: the second task begins when the first has ended, which is after the restart.
        words = [self.market.fallow, "run", self.query, "--hours", "0.5", "--tasks", "2", "--secret", "TOKEN", "--",
                 "sh", "-c", 'echo "begun ${#TOKEN}"; sleep 8; echo ended']
        environment = dict(self.market.environment, FALLOW_API_KEY=self.renter, TOKEN="hunter2")
        output, said = self.folder / "output", self.folder / "said"
        with open(output, "w") as out, open(said, "w") as err:
            running = subprocess.Popen(words, env=environment, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        self.market.wait_until("the first task's word", lambda: "begun" in output.read_text(), 60 * PATIENCE)
        self.market.kill("server", signal.SIGTERM)
        time.sleep(AWAY_S)
        self.assertIsNone(running.poll(), f"its node runs the job on, so it waits for the market: {said.read_text()}")
        self.market.start_server()
        self.assertEqual(running.wait(120 * PATIENCE), 0, said.read_text())
        self.assertEqual(sorted(output.read_text().splitlines()),
                         ["[0] begun 7", "[0] ended", "[1] begun 7", "[1] ended"], said.read_text())
        self.assertIn("the market does not answer", said.read_text())
        self.assertIn("2 of 2 tasks done", said.read_text())
        order = self.market.run("jobs", key=self.renter)[0]["id"]
        self.assertEqual(len(self.market.leases(self.renter, order)), 2, "nothing was begun anew")


if __name__ == "__main__":
    main()
