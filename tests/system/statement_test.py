#!/usr/bin/env python3
"""A month's statement beside the wallet, the ledger, the leases and their receipts; and a trial of other rules on the log
that all of that is made of, beside the running market."""
import csv
import io
import json
import signal
import subprocess
import time
from decimal import Decimal

from harness import PATIENCE, SystemTest, main


class StatementTest(SystemTest):
    def text(self, *words, key):
        return subprocess.run([self.market.fallow, *words], capture_output=True, text=True, check=True, timeout=120 * PATIENCE,
                              env=dict(self.market.environment, FALLOW_API_KEY=key)).stdout

    def table(self, key, *words):
        return list(csv.DictReader(io.StringIO(self.text("wallet", "statement", "--csv", *words, key=key), newline="")))

    def run_jobs(self):
        self.join("node", price="36.00", count=2)  # a cent a second
        for name, command in (("short", "sleep 2"), ("=1+1", "exit 3"), ("two", "sleep 1")):
            order = self.submit("sh", "-c", command, options=("--name", name, "--tasks", "2" if name == "two" else "1"))
            self.wait_end(order)

    def test_it_is_the_ledgers_month(self):
        self.run_jobs()
        shown = self.market.run("wallet", "statement", key=self.renter)[0]
        wallet = self.market.run("wallet", key=self.renter)[0]
        history = self.market.run("wallet", "history", "-n", "1000", key=self.renter)
        leases = self.market.run("leases", key=self.renter)
        self.assertEqual(shown["closing"]["available"], wallet["available"])
        self.assertEqual(Decimal(shown["closing"]["total"]), sum(Decimal(entry["amount"]) for entry in history))
        self.assertEqual((shown["opening"]["total"], shown["deposited"], shown["complete"]), ("0.00", "100.00", False))
        self.assertEqual(Decimal(shown["spent"]), sum(Decimal(lease["charged"]) - Decimal(lease["refunded"]) for lease in leases))
        self.assertGreater(Decimal(shown["spent"]), 0)
        self.assertEqual({line["lease"] for line in shown["lines"]}, {lease["id"] for lease in leases})
        for line in shown["lines"]:
            self.assertEqual(line["tier"], "ON_DEMAND")
            self.assertEqual(line["receipt"], f"/v1/leases/{line['lease']}/receipt")
            path = self.folder / f"receipt-{line['lease']}.json"
            path.write_text(self.text("receipt", line["lease"], key=self.renter))
            bill = self.market.run("receipt", "verify", str(path))[0]
            self.assertEqual(Decimal(bill["paid_micros"]) / 10**6, Decimal(line["net"]), bill)
        # A page at a time it is the same.
        self.assertEqual([line["lease"] for page in self.market.run("wallet", "statement", "-n", "3", key=self.renter)
                          for line in page["lines"]], [line["lease"] for line in shown["lines"]][:3])
        provider = self.market.run("wallet", "statement", key=self.provider)[0]
        self.assertEqual(Decimal(provider["earned"]), Decimal(shown["spent"]) - Decimal(shown["fee"]))
        self.assertEqual(Decimal(provider["closing"]["total"]), Decimal(provider["earned"]))

        rows = self.table(self.renter)
        self.assertEqual(rows[0]["kind"], "opening")
        self.assertEqual(sum(Decimal(row["amount"]) for row in rows[:-1]), Decimal(rows[-1]["amount"]))
        self.assertEqual(rows[-1]["amount"], shown["closing"]["total"])
        spent = [row for row in rows if row["kind"] == "spent"]
        self.assertEqual({row["name"] for row in spent}, {"short", "'=1+1", "two"})
        self.assertEqual(sum(Decimal(row["net"]) for row in spent), Decimal(shown["spent"]))
        said = self.text("wallet", "statement", key=self.renter)
        self.assertIn(f"spent      {shown['spent']}, of it the market's fee {shown['fee']}", said)
        self.assertIn("the month is not over", said)
        self.assertEqual([row["kind"] for row in self.table(self.renter, "--month", "2001-01")],
                         ["opening", "deposited", "withdrawn", "closing"])
        wrong = subprocess.run([self.market.fallow, "wallet", "statement", "--month", "2026-13"], capture_output=True, text=True,
                               env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("2026-11", wrong.stderr)

        # The market's sums by day and device are the same money.
        days = self.market.run("agent", "earnings", "--days", "2", "--all", key=self.provider)
        self.assertEqual(sum(Decimal(line["earned"]) for line in days if "day" in line), Decimal(provider["earned"]))
        devices = [line for line in days if "devices" in line]
        self.assertEqual(sum(Decimal(line["earned"]) for line in devices), Decimal(provider["earned"]))
        self.assertEqual(sum(line["leases"] for line in devices), len(leases))

        # The operator finds each of the leases' ends, and nothing of a lease that never was.
        operator = self.market.operator
        ends = self.market.run("events", "--kind", "lease_ended", key=operator)
        self.assertEqual({entry["lease"] for entry in ends}, {lease["id"] for lease in leases})
        table = list(csv.DictReader(io.StringIO(self.text("events", "--kind", "lease_ended", "--csv", key=operator), newline="")))
        self.assertEqual([row["lease"] for row in table], [entry["lease"] for entry in ends])
        self.assertEqual(json.loads(table[0]["detail"]), ends[0]["event"])
        self.assertIn("nothing of the kind", self.text("events", "--lease", "999999", key=operator))

        # From the log alone it is made anew, the same to the byte.
        tables = [self.text("wallet", "statement", "--csv", key=key) for key in (self.renter, self.provider)]
        self.market.kill("server", signal.SIGTERM)
        for path in self.market.data.glob("history.db*"):
            path.unlink()
        self.market.start_server()
        self.assertEqual([self.text("wallet", "statement", "--csv", key=key) for key in (self.renter, self.provider)], tables)

    def test_other_rules_on_the_same_log(self):
        self.run_jobs()
        # A trial ends where the log does: what its model starts a little later than it was started shall be done by then.
        time.sleep(2 * PATIENCE)
        self.market.open_account("latecomer", "renter")
        before = self.market.run("market", key=self.market.operator)[0]
        words = ("market", "policy", "fee_basis_points=1000", "--dry-run")
        there = self.market.run(*words, key=self.market.operator, timeout=120 * PATIENCE)[0]
        self.assertEqual(there["state"], "TRIAL_DONE", there)
        here = self.market.run(*words, "--data", str(self.market.data), "--memory-gb", "1", "--minutes", "2",
                               timeout=120 * PATIENCE)[0]
        for trial in (there, here):
            self.assertEqual(trial["present"]["fee_basis_points"], 500)
            self.assertEqual(trial["policy"]["fee_basis_points"], 1000)
            for run in ("fact", "now", "tried"):
                self.assertEqual((trial[run]["orders"], trial[run]["orders_placed"], trial[run]["leases"]), ("3", "3", "4"), run)
                self.assertEqual((trial[run]["tasks_done"], trial[run]["tasks_failed"]), ("3", "1"), run)
            self.assertEqual(trial["fact"]["charged"], self.market.run("wallet", "statement", key=self.renter)[0]["spent"])
            # The model runs tasks as long as they ran: what it charges for them is what was charged.
            self.assertAlmostEqual(Decimal(trial["now"]["charged"]), Decimal(trial["fact"]["charged"]), delta=Decimal("0.02"))
            self.assertAlmostEqual(Decimal(trial["tried"]["fee"]), 2 * Decimal(trial["now"]["fee"]), delta=Decimal("0.0001"))
        self.assertEqual(there["tried"], here["tried"])
        after = self.market.run("market", key=self.market.operator)[0]
        self.assertEqual(after["policy"], before["policy"])
        self.audit()
        # What cannot be is said, by whoever is asked.
        for more in ((), ("--data", str(self.market.data))):
            for change, why in (("fee_basis_points=10001", "10001"), ("fee=1", "FIELD=VALUE"), ("fee_basis_points=x", "whole number")):
                refused = subprocess.run([self.market.fallow, "market", "policy", change, "--dry-run", *more], capture_output=True,
                                         text=True, timeout=60 * PATIENCE,
                                         env=dict(self.market.environment, FALLOW_API_KEY=self.market.operator))
                self.assertEqual(refused.returncode, 2, refused.stdout)
                self.assertIn(why, refused.stderr)

    def test_rules_are_laid_down_by_name(self):
        operator = self.market.operator
        policy = json.loads(self.text("market", "policy", key=operator))
        self.assertEqual(policy["fee_basis_points"], 500)
        changed = self.market.run("market", "policy", "fee_basis_points=300", "waits_for_fence=false", key=operator)[0]
        self.assertEqual((changed["fee_basis_points"], changed["waits_for_fence"]), (300, False))
        path = self.folder / "policy.json"
        path.write_text(json.dumps(policy))
        self.market.run("market", "policy", "--file", str(path), "attempts_max=7", key=operator)
        self.assertEqual(self.market.run("market", key=operator)[0]["policy"], dict(policy, attempts_max=7))


if __name__ == "__main__":
    main(processes=2)
