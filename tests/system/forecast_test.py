#!/usr/bin/env python3
"""fallow forecast: what a renter reads of the hours to come, with the history of a market that is some days old."""
import signal
import sqlite3
import subprocess
import time

import harness

HOUR = 3600


class Forecast(harness.SystemTest):
    def remember(self, days):
        """Two devices of a class; by night, from 0 to 8, both are leased."""
        now = int(time.time()) // HOUR
        history = sqlite3.connect(self.market.data / "history.db")
        with history:
            history.executemany("insert into hours values(?, ?, ?, 3600000, 7200000000, ?, 0, 400000)",
                                [(b"rtx_4090", b"eu", hour, 7_200_000_000 if hour % 24 < 8 else 0)
                                 for hour in range(now - 24 * days, now)])
        history.close()

    def shown(self, *words):
        done = subprocess.run([self.market.fallow, "forecast", *words], capture_output=True, text=True, timeout=60,
                              env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        return done.returncode, done.stdout, done.stderr

    def test_the_hours_to_come(self):
        code, said, _ = self.shown()
        self.assertEqual(code, 0)
        self.assertIn("no class has two days of history yet", said)
        code, _, refused = self.shown("RTX_4090")
        self.assertEqual(code, 3)
        self.assertIn("`fallow forecast` lists those that have", refused)

        self.market.kill("server", signal.SIGTERM)
        self.remember(days=14)
        self.market.start_server()
        code, said, error = self.shown("RTX 4090/eu")
        self.assertEqual(code, 0, error)
        print("\n" + said)
        self.assertIn("rtx_4090/eu: the next 24 hours (UTC), learned from 14 days", said)
        week = self.market.run("forecast", "RTX_4090", key=self.renter)
        self.assertEqual(len(week), 168)
        for hour in week:
            # "2026-11-22T14:00:00Z"
            free = hour["free_share"]["p50"]
            (self.assertLess if int(hour["at"][11:13]) < 8 else self.assertGreater)(free, 0.5, hour)
        best = said[said.index("best hours"):].splitlines()[2:]
        self.assertEqual(len(best), 5)
        for line in best:
            self.assertGreaterEqual(int(line.split()[1][:2]), 8, line)
        code, said, _ = self.shown()
        self.assertEqual(code, 0)
        self.assertIn("rtx_4090", said)


if __name__ == "__main__":
    harness.main()
