#!/usr/bin/env python3
"""200 orders racing on one wallet never overspend it by a micro."""
import concurrent.futures
import threading
from decimal import Decimal

from harness import PATIENCE, RestClient, SystemTest, main

ORDERS = 200


class MoneyRaceTest(SystemTest):
    def test_orders_racing_on_one_wallet(self):
        self.join("wide", price="1.00", count=8)
        # Each holds 0.50: the wallet pays for 20 of the 200.
        _, key = self.market.open_account("racer", "renter", deposit="10.25")
        local = threading.local()
        body = {"requirements": {"query": self.query, "hours": 0.5},
                "workload": {"command": ["sleep", "1000"]}}

        def order(_):
            if not hasattr(local, "client"):
                local.client = RestClient(self.market, key)
            for _ in range(200):
                status, answer = local.client.call("POST", "/v1/orders", body)
                if status not in (429, 503):
                    return status, answer
                threading.Event().wait(0.05)
            return status, answer

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(order, range(ORDERS)))
        accepted = [answer for status, answer in answers if status == 200]
        refused = [(status, answer.get("code")) for status, answer in answers if status != 200]
        self.assertEqual(len(accepted), 20)
        self.assertEqual(set(refused), {(402, "no_funds")})
        self.assertEqual(sum(Decimal(answer["budget"]) for answer in accepted), Decimal("10.00"))
        wallet = self.market.run("wallet", key=key)[0]
        self.assertEqual(Decimal(wallet["available"]), Decimal("0.25"))
        spent = sum(Decimal(order["charged"]) for order in self.market.run("jobs", key=key))
        self.assertLessEqual(Decimal(wallet["held"]), Decimal("10.00"))
        self.assertGreaterEqual(Decimal(wallet["held"]) + spent, Decimal("10.00") - Decimal("0.1"))
        for answer in accepted:
            self.market.run("stop", answer["id"], key=key)
        for answer in accepted:
            self.market.wait_for_end(key, answer["id"], 60 * PATIENCE)
        wallet = self.market.run("wallet", key=key)[0]
        spent = sum(Decimal(order["charged"]) for order in self.market.run("jobs", key=key))
        self.assertEqual(Decimal(wallet["available"]) + spent, Decimal("10.25"))
        self.assertEqual(Decimal(wallet["held"]), 0)
        self.market.end_all()
        self.audit()


if __name__ == "__main__":
    main()
