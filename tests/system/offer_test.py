#!/usr/bin/env python3
"""What a provider asks for and says: who changes one term keeps the others; a node stands where its agent says."""
import json
import subprocess

from harness import PATIENCE, SystemTest, main


class OfferTest(SystemTest):
    def test_a_price_changed_keeps_the_other_terms(self):
        self.join("node")
        node = self.market.run("nodes", key=self.provider)[0]["id"]

        def offer(*words):
            self.market.run("nodes", "offer", node, *words, key=self.provider)
            return self.market.run("nodes", key=self.provider)[0]["offer"]

        offer("0.50", "--share-min", "0.25", "--hours-max", "12", "--disk-price", "0.01", "--spot-floor", "0.12",
              "--discount", "hour=100,day=500")
        terms = {"share_min": 0.25, "hours_max": 12, "disk_price_per_gb_hour": "0.01", "spot_floor_set_per_hour": "0.12",
                 "discounts": {"hour_basis_points": 100, "day_basis_points": 500, "week_basis_points": 500,
                               "month_basis_points": 500}}

        def kept(seen):
            self.assertEqual({name: seen[name] for name in terms}, terms)

        seen = offer("0.60")
        self.assertEqual((seen["price_per_hour"], seen["price_ceiling_per_hour"]), ("0.60", ""))
        kept(seen)
        seen = offer("--floor", "0.20", "--ceiling", "0.70")
        self.assertEqual((seen["price_floor_per_hour"], seen["price_ceiling_per_hour"]), ("0.20", "0.70"))
        kept(seen)
        seen = offer("--ceiling", "0.80")
        self.assertEqual((seen["price_floor_per_hour"], seen["price_ceiling_per_hour"]), ("0.20", "0.80"))
        kept(seen)
        seen = offer("0.55", "--spot-floor", "none", "--discount", "none", "--hours-max", "0", "--share-min", "1")
        self.assertEqual((seen["price_per_hour"], seen["price_ceiling_per_hour"]), ("0.55", ""))
        self.assertEqual((seen["share_min"], seen["hours_max"], seen["spot_floor_set_per_hour"]), (1, 0, ""))
        self.assertIsNone(seen.get("discounts"))

        # Of an offer that was taken back nothing is left; a new one needs a price.
        self.market.run("nodes", "withdraw", node, key=self.provider)
        done = subprocess.run([self.market.fallow, "--json", "nodes", "offer", node, "--hours-max", "3"],
                              env=dict(self.market.environment, FALLOW_API_KEY=self.provider), capture_output=True, text=True,
                              timeout=60 * PATIENCE)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(json.loads(done.stdout or done.stderr)["field"], "price_per_hour")

    def test_floors_pay_for_the_electricity_whatever_the_market_does(self):
        self.join("node")
        node = self.market.run("nodes", key=self.provider)[0]["id"]
        fee = self.market.run("market", key=self.provider)[0]["policy"].get("fee_basis_points", 0)
        electricity = ("--kwh-price", "0.30", "--device-watts", "320")

        def offer(*words):
            self.market.run("nodes", "offer", node, *words, key=self.provider)
            return self.market.run("nodes", key=self.provider)[0]["offer"]

        def earns(price):
            return float(price) * (1 - fee / 10_000)

        seen = offer("--floor", "0.01", "--ceiling", "0.70", "--spot-floor", "0.01", "--discount", "month=2000", *electricity)
        self.assertGreater(earns(seen["price_floor_per_hour"]) * 0.8, 0.096)
        self.assertLess(earns(seen["price_floor_per_hour"]) * 0.8, 0.0961)
        self.assertGreater(earns(seen["spot_floor_set_per_hour"]), 0.096)
        self.assertLess(earns(seen["spot_floor_set_per_hour"]), 0.0961)
        floors = [seen["price_floor_per_hour"], seen["spot_floor_set_per_hour"]]
        seen = offer("--ceiling", "0.80")
        self.assertEqual([seen["price_floor_per_hour"], seen["spot_floor_set_per_hour"]], floors)
        for words, why in ((("0.09", *electricity), "does not pay for the electricity"), (("0.5", "--kwh-price", "0.3"), "--device-watts")):
            done = subprocess.run([self.market.fallow, "nodes", "offer", node, *words], capture_output=True, text=True,
                                  env=dict(self.market.environment, FALLOW_API_KEY=self.provider), timeout=60 * PATIENCE)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(why, done.stderr)

    def test_an_agent_says_its_lan_and_rack(self):
        self.sandboxes()
        self.market.join_agent("node", self.provider, "--price", "0.36", "--device", f"{self.device},count=1",
                               "--lan", "hall-2", "--rack", "7")
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        seen = self.market.run("offers", f"{self.query} lan=hall-2 rack=7", key=self.renter)
        self.assertEqual([(offer["lan"], offer["rack"]) for offer in seen], [("hall-2", "7")])
        self.assertEqual(self.market.run("offers", f"{self.query} rack=8", key=self.renter), [])
        shown = subprocess.run([self.market.fallow, "offers", self.query], capture_output=True, text=True,
                               env=dict(self.market.environment, FALLOW_API_KEY=self.renter), timeout=60 * PATIENCE)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("/hall-2/7 ", shown.stdout)


if __name__ == "__main__":
    main()
