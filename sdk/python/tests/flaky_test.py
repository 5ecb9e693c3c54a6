#!/usr/bin/env python3
"""Over a line that loses, delays, doubles and cuts: no order is placed twice, no result is lost."""
import collections
import os

from harness import QUERY, MarketTest, fallow, main

from flaky_proxy import FAULTS, FlakyProxy


class FlakyTest(MarketTest):
    def setUp(self):
        self.seed = int(os.environ.get("FALLOW_TEST_SEED", "7"))
        print(f"FALLOW_TEST_SEED={self.seed}", flush=True)
        self.proxy = FlakyProxy(self.market.url, self.seed, share=0.3)
        self.addCleanup(self.proxy.close)
        self.flaky = fallow.Client(url=self.proxy.url, api_key=self.renter)
        self.addCleanup(self.flaky.close)

    def names(self):
        return collections.Counter(job.view.name for job in self.client.jobs())

    def test_every_order_is_placed_once(self):
        jobs = [self.flaky.submit(QUERY, ["sh", "-c", f"echo {number}; echo {number} > $FALLOW_OUT/n"],
                                  name=f"order-{number}", hours=0.1, output=True) for number in range(20)]
        for number, job in enumerate(jobs):
            self.assertEqual(job.wait().state, "ORDER_DONE")
            self.assertEqual(job.output(), f"{number}\n")
            self.assertEqual(job.download(self.folder / f"n{number}")[0].read_text(), f"{number}\n")
        self.assertEqual({name: count for name, count in self.names().items() if name.startswith("order-")},
                         {f"order-{number}": 1 for number in range(20)})
        self.assert_money_adds_up()

    def test_long_output_comes_once_and_whole(self):
        command = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); [ $((i % 500)) -eq 0 ] && sleep 0.3; done"
        job = self.flaky.submit(QUERY, ["sh", "-c", command], name="talker", hours=0.1)
        text = b"".join(line.data for line in job.logs(follow=True)).decode()
        self.assertEqual(text.splitlines(), [f"line {number}" for number in range(3000)])

    def test_no_result_of_a_map_is_lost(self):
        @fallow.function(gpu=QUERY, client=self.flaky, hours=0.1, batch=10)
        def flaky_square(x):
            return x * x

        with flaky_square.map(range(400), in_flight=8) as results:
            self.assertEqual(list(results), [x * x for x in range(400)])
        self.assertEqual(self.names()["flaky_square"], len(results.orders))
        self.assertEqual(len(set(results.orders)), len(results.orders))
        self.assertGreaterEqual(sum(self.proxy.faults.values()), 50)
        self.assertEqual(set(self.proxy.faults), set(FAULTS))
        print(self.proxy.faults, flush=True)
        self.assert_money_adds_up()

    def assert_money_adds_up(self):
        self.assert_nothing_open()
        paid = sum(job.view.charged for job in self.client.jobs())
        self.assertEqual(self.client.wallet().available + paid, 100)

    def test_a_silent_market_is_said(self):
        nowhere = fallow.Client(url="http://127.0.0.1:9", api_key="fk_x")
        with self.assertRaisesRegex(fallow.Unreachable, "is it running"):
            nowhere.wallet()


if __name__ == "__main__":
    main(processes=2)
