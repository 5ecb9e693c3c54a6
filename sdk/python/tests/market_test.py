#!/usr/bin/env python3
"""The SDK against a real market with real agents: quotes, jobs, logs, files, bills."""
import asyncio
import base64
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from decimal import Decimal

from harness import PATIENCE, QUERY, ROOT, MarketTest, fallow, main

from fallow import receipts


def account_of(_):
    return fallow.wallet().account


class ClientTest(MarketTest):
    def test_from_quote_to_bill(self):
        offers = fallow.offers(QUERY, order="price")
        self.assertEqual([offer.price_per_hour for offer in offers], [Decimal("0.36")] * 2)
        self.assertEqual(fallow.market().currency, "TEST")
        before = fallow.wallet().available
        quote = fallow.quote(QUERY, tasks=3, hours=0.1, max_price="0.40")
        self.assertEqual((quote.tasks, quote.tasks_at_once), (3, 3))
        with self.own_folder() as folder:
            (folder / "in").mkdir()
            (folder / "in" / "numbers").write_text("1 2 3")
            (folder / "in" / "run.sh").write_text('read n < numbers; echo "task $FALLOW_TASK of $n"; '
                                                  'echo $GREETING > "$FALLOW_OUT/$FALLOW_TASK.txt"; sleep 0.6')
            job = fallow.run("", ["sh", "run.sh"], quote=quote, name="three", input=folder / "in",
                             output=folder / "out", env={"GREETING": "hello"}, logs=True)
            for task in range(3):
                self.assertEqual((folder / "out" / str(task) / f"{task}.txt").read_text(), "hello\n")
            with self.assertRaisesRegex(fallow.FallowError, "exists already"):
                job.download(folder / "out")
        self.assertEqual(job.view.tasks_done, 3)
        self.assertEqual(job.tasks(), job.view.tasks)
        self.assertEqual(sorted(job.output().split("\n"))[1:], [f"task {task} of 1 2 3" for task in range(3)])
        self.assertEqual(fallow.job(job.id).view, job.refresh())
        self.assertIn(job.id, [each.id for each in fallow.jobs()])
        bills = job.bills()
        self.assertEqual(len(bills), 3)
        self.assertGreater(sum(bill.meters for bill in bills), 0)
        self.assertEqual(sum(bill.paid for bill in bills), job.view.charged)
        self.assertEqual(before - fallow.wallet().available, job.view.charged)
        self.assertLessEqual(job.view.charged, quote.total)
        lease = fallow.leases(order=job.id)[0]
        self.assertEqual(self.client.lease(lease.id), lease)
        charges = [each for each in self.client.transfers() if each.lease == lease.id]
        self.assertTrue(charges)

    def test_a_sweep_over_several_inputs_where_it_is_offered(self):
        with self.own_folder() as folder:
            (folder / "data" / "deep").mkdir(parents=True)
            (folder / "data" / "deep" / "word").write_text("hello")
            (folder / "run.sh").write_text('echo "$(cat set/deep/word) $SIZE" > "$FALLOW_OUT/said"')
            job = fallow.run("gpu_name=NOBODY_HAS_IT", ["sh", "bin/run.sh"], hours=0.1, output=folder / "out",
                             inputs={"set": folder / "data", "bin/run.sh": folder / "run.sh"}, matrix={"SIZE": [1, 2]},
                             any_of=[{"gpus": 1}, {"query": QUERY}])
            self.assertEqual([(folder / "out" / str(task) / "said").read_text() for task in range(2)],
                             ["hello 1\n", "hello 2\n"])
        self.assertEqual(job.view.requirements.query, QUERY)
        with self.assertRaises(fallow.NoMatch):
            fallow.quote("gpu_name=NOBODY_HAS_IT", any_of=[{"gpus": 1}, {"gpus": 2}])

    def test_a_receipt_is_checked_as_the_command_line_does(self):
        job = fallow.run(QUERY, ["sleep", "0.8"])
        receipt = fallow.receipt(job.leases()[0].id)
        key = fallow.market().public_key
        bill = fallow.verify_receipt(receipt, key)
        with self.own_folder() as folder:
            file = folder / "bill.json"
            file.write_text(json.dumps(self.market.run("receipt", str(bill.lease), key=self.renter)[0]))
            theirs = self.market.run("receipt", "verify", str(file), "--market-key", key)[0]
            again = fallow.verify_receipt(file.read_text(), key)
            # The log has gone on in between; nothing else differs.
            self.assertEqual({**again.body, "log_head": b""}, {**bill.body, "log_head": b""})
        self.assertEqual(int(theirs["paid_micros"]), bill.body["paid_micros"])
        self.assertEqual(int(theirs["proven_us"]), bill.body["proven_us"])
        self.assertGreaterEqual(bill.meters, 1)
        with self.assertRaisesRegex(fallow.ReceiptInvalid, "another market's key"):
            fallow.verify_receipt(receipt, "00" * 32)
        for place in range(0, len(receipt.body), 7):
            altered = bytearray(receipt.body)
            altered[place] ^= 1
            with self.assertRaises(fallow.ReceiptInvalid):
                fallow.verify_receipt(dataclasses.replace(receipt, body=bytes(altered)), key)
        # Whoever holds the market's key could sign anything; the figures still have to follow from each other.
        for field, words in (("proven_us", "prove"), ("charged_micros", "charge"), ("rate_hour_micros", "charge"),
                             ("paid_micros", "paid"), ("fee_micros", "fee"), ("meters_root", "Merkle"),
                             ("rerated_hour_micros", "re-rated"), ("volume_discount_micros", "volume")):
            body = dict(bill.body)
            body[field] = b"x" if field == "meters_root" else body[field] * 2 + 5_000_000_000
            with self.assertRaisesRegex(fallow.ReceiptInvalid, words, msg=field):
                receipts._check_meters(body)
                receipts._check_amounts(body)

    def test_refusals_say_where_and_what_to_do(self):
        with self.assertRaises(fallow.Refused) as caught:
            fallow.quote("gpu_ram>>5")
        self.assertEqual((caught.exception.code, caught.exception.status, caught.exception.column),
                         ("query_invalid", 400, 9))
        with self.assertRaises(fallow.NoMatch) as caught:
            fallow.quote(QUERY, max_price="0.01")
        self.assertEqual(caught.exception.relaxations[0].task_price_per_hour, Decimal("0.36"))
        self.assertIn("raise max price to 0.36", str(caught.exception))
        with self.assertRaises(fallow.NotFound):
            fallow.job(1)
        with self.assertRaises(fallow.NoFunds):
            fallow.submit(QUERY, ["true"], tasks=4, hours=1000)
        with self.assertRaises(fallow.NotAllowed):
            fallow.Client(url=self.market.url, certificate=self.market.certificate, api_key="fk_x").wallet()
        with self.assertRaises(fallow.JobFailed) as caught:
            fallow.run(QUERY, ["sh", "-c", "exit 7"])
        self.assertIn("exit code 7", str(caught.exception))
        with self.assertRaises(TypeError):
            fallow.submit(QUERY, "true")
        with self.assertRaises(TypeError):
            fallow.quote(QUERY, max_price=0.4)

    def test_only_the_trusted_certificate_will_do(self):
        for certificate in ("00" * 32, ""):
            with self.assertRaises(fallow.Unreachable):
                fallow.Client(url=self.market.url, api_key=self.renter, certificate=certificate).wallet()
        # Another server, another key: not one byte goes there, nor with the authorities' word, nor in plain text.
        second = self.start_second()
        with self.assertRaisesRegex(fallow.Unreachable, "another certificate"):
            fallow.Client(url=second, api_key=self.renter, certificate=self.market.certificate).wallet()
        with self.assertRaisesRegex(fallow.Unreachable, "not trusted"):
            fallow.Client(url=second, api_key=self.renter).wallet()

    def start_second(self):
        """The URL of another market, with a certificate of its own."""
        log = self.folder / "second.log"
        self.market.start("second", "server", "--json", "--data", str(self.folder / "second"), "--listen",
                          "127.0.0.1:0")
        self.addCleanup(self.market.kill, "second", signal.SIGTERM)

        def started():
            lines = [line for line in log.read_text().splitlines() if line.startswith('{"url"')]
            return json.loads(lines[0])["url"] if lines else None

        return self.wait_until("the second market", started)

    def test_the_configuration_is_the_command_lines(self):
        with self.own_folder() as folder:
            (folder / "fallow").mkdir()
            (folder / "fallow" / "config.toml").write_text(
                f'url = "{self.market.url}"\napi_key = "{self.renter}"\ncertificate = "{self.market.certificate}"\n')
            before = os.environ.get("XDG_CONFIG_HOME")
            os.environ["XDG_CONFIG_HOME"] = str(folder)
            try:
                self.assertEqual(fallow.Client().wallet().account, int(self.renter_id))
            finally:
                os.environ.pop("XDG_CONFIG_HOME") if before is None else os.environ.update(XDG_CONFIG_HOME=before)

    def test_one_key_makes_one_job(self):
        first = fallow.submit(QUERY, ["true"], idempotency_key="mine-1", hours=0.1)
        again = fallow.submit(QUERY, ["true"], idempotency_key="mine-1", hours=0.1)
        self.assertEqual(first.id, again.id)
        with self.assertRaises(fallow.Refused) as caught:
            fallow.submit(QUERY, ["false"], idempotency_key="mine-1", hours=0.1)
        self.assertEqual(caught.exception.code, "key_reused")
        first.wait(60 * PATIENCE)

    def test_stop_and_follow(self):
        job = fallow.submit(QUERY, ["sh", "-c", "echo begun; sleep 600"], hours=1)
        line = next(job.logs(follow=True))
        self.assertEqual((line.data, line.task), (b"begun\n", 0))
        with self.assertRaises(TimeoutError):
            job.wait(0.1)
        budget = job.view.budget
        self.assertEqual(job.extend(hours=0.5).requirements.duration_us, 5_400_000_000)
        self.assertEqual(job.view.budget, budget * 3 / 2)
        with self.assertRaises(fallow.Refused) as caught:
            job.extend(hours=8784)
        self.assertTrue(caught.exception.problem.relaxations)
        job.stop()
        self.assertEqual(job.wait(30 * PATIENCE).state, "ORDER_STOPPED")
        self.assertEqual(job.stop().state, "ORDER_STOPPED")
        with self.assertRaises(fallow.JobFailed):
            job.check()

    def test_the_same_bytes_from_many_at_once(self):
        data = os.urandom(700_000)

        async def put():
            async with fallow.AsyncClient(self.client.config) as client:
                await asyncio.gather(*(client.store.send(fallow.artifacts.digest_of(data), data) for _ in range(8)))
                return await client.store.get(fallow.artifacts.digest_of(data))

        self.assertEqual(asyncio.run(put()), data)

    def test_tasks_that_end_with_the_same_output(self):
        job = fallow.run(QUERY, ["sh", "-c", 'head -c 600000 /dev/zero > "$FALLOW_OUT/zeros"'], tasks=8,
                         output=self.folder / "zeros")
        self.assertEqual(job.view.tasks_done, 8)

    def test_await_and_threads(self):
        async def several():
            async with fallow.AsyncClient(self.client.config) as client:
                jobs = await asyncio.gather(*(client.run(QUERY, ["echo", str(number)]) for number in range(4)))
                return [await job.output() for job in jobs]

        self.assertEqual(asyncio.run(several()), [f"{number}\n" for number in range(4)])
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            wallets = list(pool.map(lambda _: fallow.wallet(), range(32)))
        self.assertEqual({wallet.account for wallet in wallets}, {int(self.renter_id)})

    def test_ctrl_c_stops_the_job(self):
        script = f"import fallow; fallow.run({QUERY!r}, ['sleep', '600'], name='interrupted', hours=0.2)"
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, env={
            **os.environ, "PYTHONPATH": str(ROOT / "sdk" / "python"), "FALLOW_URL": self.market.url,
            "FALLOW_API_KEY": self.renter, "FALLOW_CERTIFICATE": self.market.certificate})
        self.wait_until("the job", lambda: [job for job in self.client.jobs(open_only=True)
                                            if job.view.name == "interrupted" and job.view.tasks_running])
        process.send_signal(signal.SIGINT)
        self.assertIn(b"KeyboardInterrupt", process.communicate(timeout=30 * PATIENCE)[1])
        self.assert_nothing_open()
        job = next(job for job in self.client.jobs() if job.view.name == "interrupted")
        self.assertEqual(job.view.state, "ORDER_STOPPED")

    def test_a_forked_child_has_a_loop_of_its_own(self):
        fallow.wallet()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            self.assertEqual(pool.map(account_of, range(2)), [int(self.renter_id)] * 2)

    def test_events_resume_behind_an_index(self):
        market = fallow.market()
        job = fallow.run(QUERY, ["true"])
        events = self.client.events(after=market.last_index)
        seen = []
        for event in events:
            seen.append(event)
            if event.event.order_ended is not None and event.event.order_ended.order == job.id:
                break
        events.close()
        self.assertTrue(any(event.event.order_accepted is not None for event in seen))
        self.assertEqual([event.index for event in seen], sorted(event.index for event in seen))

    def test_gangs_deadlines_terms_and_projects(self):
        script = 'echo $FALLOW_NODE_RANK of $FALLOW_NODES'
        job = fallow.run(QUERY, ["sh", "-c", script], nodes=2, hours=0.1)
        self.assertEqual(sorted(job.output().splitlines()), ["0 of 2", "1 of 2"])
        self.assertEqual(len({lease.node for lease in job.leases()}), 2)
        self.assertEqual(fallow.quote(QUERY, nodes=2, tasks=4, term="6m").tasks, 4)
        with self.assertRaises(fallow.Refused):
            fallow.quote(QUERY, nodes=2, tasks=3)
        job = fallow.run(QUERY, ["true"], hours=0.1, deadline_hours=2, restart_minutes=1)
        self.assertAlmostEqual((job.view.deadline - job.view.created_at).total_seconds(), 7200, delta=1)
        with self.assertRaises(fallow.Refused) as caught:
            fallow.submit(QUERY, ["true"], hours=1, deadline_hours="1.01")
        self.assertEqual(caught.exception.status, 400)  # 5 minutes of a start do not fit beside the hour
        with self.assertRaisesRegex(TypeError, "chooses the tier"):
            fallow.submit(QUERY, ["true"], tier="spot", deadline_hours=2)
        with self.assertRaises(TypeError):
            fallow.submit(QUERY, ["true"], restart_minutes=2)
        quote = fallow.quote(QUERY, tier="reserved", term="12h")
        self.assertEqual((quote.requirements.tier, quote.requirements.duration_us), ("RESERVED", 12 * 3_600_000_000))
        with self.assertRaises(fallow.Refused):
            fallow.submit(QUERY, ["true"], project="thesis")
        wallet = self.client.set_total_budget("0.05", project="thesis")
        self.assertEqual([(each.name, each.budget) for each in wallet.projects], [("thesis", Decimal("0.05"))])
        self.assertEqual(fallow.run(QUERY, ["true"], project="thesis", hours=0.1).view.project, "thesis")
        with self.assertRaises(fallow.NoFunds) as caught:
            fallow.submit(QUERY, ["true"], project="thesis", hours=1)
        self.assertEqual(caught.exception.code, "over_budget")
        square = fallow.function(gpu=QUERY, hours=0.05, project="thesis")(lambda x: x * x)
        self.assertEqual(square.remote(3), 9)
        self.assertEqual(fallow.jobs()[0].view.project, "thesis")

    def test_any_operation_by_its_name(self):
        self.assertEqual(self.client.call("GetAccount").name, "renter")
        self.assertEqual(self.client.set_month_budget("50.00").month_budget, Decimal("50.00"))
        self.assertIsNone(self.client.set_month_budget(None).month_budget)
        with self.assertRaises(TypeError):
            self.client.call("GetAccount", nonsense=1)
        self.assertEqual(base64.b64decode(base64.b64encode(fallow.receipt(
            fallow.run(QUERY, ["true"]).leases()[0].id).market_public_key)).hex(), fallow.market().public_key)


if __name__ == "__main__":
    main()
