#!/usr/bin/env python3
"""kill -9 of the server at any moment, under load: nothing that was answered is missing.

FALLOW_KILL_ROUNDS (default 3) is how often; 50 is what docs/measurements.md records.
"""
import os
import random
import signal
import threading
import time
from decimal import Decimal

from harness import PATIENCE, RestClient, SystemTest, main

ROUNDS = int(os.environ.get("FALLOW_KILL_ROUNDS", "3"))


class Depositor(threading.Thread):
    """Deposits 0.01 again and again, each under its own reference; remembers what was answered."""

    def __init__(self, market, account, name):
        super().__init__(daemon=True)
        self.market, self.account, self.tag = market, account, name
        self.answered = []
        self.asked = 0
        self.refused = []
        self.ending = False

    def run(self):
        client = None
        while not self.ending:
            reference = f"{self.tag}-{self.asked}"
            self.asked += 1
            body = {"account": self.account, "amount": "0.01", "reference": reference}
            while not self.ending:
                try:
                    client = client or RestClient(self.market, self.market.operator)
                    status, answer = client.call("POST", "/v1/deposits", body,
                                                 {"Idempotency-Key": reference})
                except (OSError, http_errors):
                    client = None
                    time.sleep(0.05)
                    continue
                if status == 200:
                    self.answered.append(reference)
                    break
                if status not in (429, 503):
                    self.refused.append((status, answer))
                    break
                time.sleep(0.05)


import http.client  # noqa: E402

http_errors = http.client.HTTPException


class KillServerTest(SystemTest):
    intervals = (0.5, 10, 20)

    def test_nothing_answered_is_lost(self):
        self.join("steady", count=2)
        account, key = self.market.open_account("saver", "renter")
        order = self.submit("sh", "-c", "echo begun; sleep 100000", options=["--tasks", "2"], hours="5")
        running = self.wait_running(order, 2)
        began = {lease["id"]: time.time() for lease in running}
        depositors = [Depositor(self.market, account, f"d{i}") for i in range(3)]
        for depositor in depositors:
            depositor.start()

        for number in range(ROUNDS):
            time.sleep(random.uniform(0.2, 1.2))
            self.market.kill("server", signal.SIGKILL)
            self.audit()
            answered = sum(len(d.answered) for d in depositors)
            self.market.start_server()
            wallet = self.market.run("wallet", key=key)[0]
            self.assertGreaterEqual(Decimal(wallet["available"]), Decimal(answered) / 100)
            print(f"round {number + 1}: {answered} answered deposits, {wallet['available']} there", flush=True)

        for depositor in depositors:
            depositor.ending = True
        for depositor in depositors:
            depositor.join(timeout=60)
            self.assertEqual(depositor.refused, [])
        # Exactly once each: a deposit that was asked for again after a lost answer is booked once.
        answered = sum(len(d.answered) for d in depositors)
        asked = sum(d.asked for d in depositors)
        wallet = self.market.run("wallet", key=key)[0]
        self.assertGreaterEqual(Decimal(wallet["available"]), Decimal(answered) / 100)
        self.assertLessEqual(Decimal(wallet["available"]), Decimal(asked) / 100)
        self.assertGreater(answered, 0)

        # The workloads went on: the same leases, never started again, billed for what ran.
        def proven_on():
            leases = self.market.open_leases(self.renter, order)
            return leases if all(l["state"] == "RUNNING" for l in leases) and len(leases) == 2 else None

        leases = self.market.wait_until("both leases running on", proven_on, 60 * PATIENCE)
        self.assertEqual({l["id"] for l in leases}, set(began))
        self.assertEqual(self.output(order).split(), ["begun", "begun"])
        self.market.run("stop", str(order), key=self.renter)
        self.wait_end(order)
        for lease in self.market.leases(self.renter, order):
            wall = time.time() - began[lease["id"]]
            proven = float(lease["proven"].rstrip("s"))
            self.assertLessEqual(proven, wall + 2)
            self.assertGreater(proven, 0)
            charge = Decimal(int(proven * 1e6)) * Decimal("0.36") / Decimal(3600 * 10**6)
            self.assertAlmostEqual(Decimal(lease["charged"]), charge, delta=Decimal("0.000002"))
        self.market.end_all()
        self.audit()


if __name__ == "__main__":
    main()
