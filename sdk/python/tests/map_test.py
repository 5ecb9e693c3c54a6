#!/usr/bin/env python3
"""@fallow.function against real agents: values, failures, dead nodes, bounded flight."""
import asyncio
import itertools
import os
import pathlib
import pickle
import signal
import sys
import threading
import time
from decimal import Decimal

from harness import PATIENCE, QUERY, MarketTest, fallow, main

from fallow import _map

OFFSET = 3


@fallow.function(gpu=QUERY, max_price="0.40", hours=0.2)
def work(x):
    """Does what its input says."""
    if x == "raise":
        print("about to raise")
        raise KeyError("no such thing")
    if x == "segfault":
        import ctypes

        ctypes.string_at(0)
    if x == "exit":
        os._exit(3)
    if x == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if x == "sys.exit":
        sys.exit("bye")
    if x == "object":
        return object()
    return x * x + OFFSET if isinstance(x, int) else x


class MapTest(MarketTest):
    def test_one_call(self):
        self.assertEqual(work(4), 19)
        self.assertEqual(work.remote(4), 19)
        self.assertEqual(work.__name__, "work")
        self.assertEqual(work.remote({"a": (1, Decimal("0.1")), "b": b"\0"}), {"a": (1, Decimal("0.1")), "b": b"\0"})

    def test_a_thousand_inputs_in_order(self):
        results = work.map(range(1000))
        self.assertEqual(list(results), [x * x + OFFSET for x in range(1000)])
        self.assertLess(len(results.orders), 100)
        self.assertEqual(results.failed, 0)
        # What the run says it cost is what its jobs cost.
        self.assertEqual(results.charged, sum(fallow.job(order).view.charged for order in results.orders))

    def test_as_completed_and_several_iterables(self):
        @fallow.function(gpu=QUERY, in_flight=8, batch=1)
        def slow_first(number, seconds):
            time.sleep(seconds)
            return number

        # Long enough for the others to end before it on a machine that is busy with other tests.
        found = list(slow_first.map(range(4), [12, 0, 0, 0], ordered=False))
        self.assertEqual(sorted(found), [0, 1, 2, 3])
        self.assertEqual(found[-1], 0)

    def test_each_input_fails_alone(self):
        inputs = [1, "raise", 2, "segfault", 3, "exit", 4, "kill", 5, "sys.exit", "object", 6]
        values = list(work.with_options(batch=6).map(inputs, return_exceptions=True))
        self.assertEqual([value for value in values if isinstance(value, int)],
                         [x * x + OFFSET for x in inputs if isinstance(x, int)])
        failed = {each: value for each, value in zip(inputs, values) if isinstance(value, Exception)}
        self.assertEqual(failed["raise"].type_name, "KeyError")
        self.assertIn("no such thing", failed["raise"].text)
        self.assertIn("in work", failed["raise"].traceback)
        self.assertNotIn("_plain", failed["raise"].traceback)
        for each, words in (("segfault", "SIGSEGV"), ("exit", "code 3"), ("kill", "SIGKILL")):
            self.assertIsInstance(failed[each], fallow.InputLost)
            self.assertIn(words, str(failed[each]))
        self.assertEqual(failed["sys.exit"].type_name, "SystemExit")
        self.assertIn("no plain value", str(failed["object"]))

    def test_the_first_error_ends_the_run_and_its_jobs(self):
        @fallow.function(gpu=QUERY, batch=1, hours=0.2)
        def fails_late(x):
            time.sleep(0 if x == 2 else 600)
            raise ValueError(x)

        with self.assertRaises(fallow.RemoteError):
            list(fails_late.map(range(6), ordered=False))
        self.assert_nothing_open()

    def test_leaving_early_stops_the_jobs(self):
        @fallow.function(gpu=QUERY, batch=1, hours=0.2)
        def forever(x):
            time.sleep(0.1 if x == 0 else 600)
            return x

        with forever.map(itertools.count()) as results:
            self.assertEqual(next(results), 0)
        self.assert_nothing_open()

    def test_an_endless_source_is_read_no_further_than_needed(self):
        taken = []

        def source():
            for number in itertools.count():
                taken.append(number)
                yield number

        with work.map(source()) as results:
            for number in range(50):
                self.assertEqual(next(results), number * number + OFFSET)
            time.sleep(2)
            self.assertLess(len(taken), 50 + _map.UNGIVEN_MAX + 1)
        self.assert_nothing_open()

    def test_a_source_may_be_slow_or_wait_for_results(self):
        may_go_on = threading.Semaphore(3)

        def source():
            for number in range(12):
                self.assertTrue(may_go_on.acquire(timeout=60 * PATIENCE), "no result came for what it has brought")
                yield number

        # Never a full batch: that would be all of it.
        with work.with_options(batch=50).map(source(), ordered=False) as results:
            found = []
            for value in results:
                found.append(value)
                may_go_on.release()
        self.assertEqual(sorted(found), [x * x + OFFSET for x in range(12)])

    def test_what_a_source_raises_ends_the_run(self):
        def source():
            yield 1
            raise LookupError("the source is broken")

        with self.assertRaisesRegex(LookupError, "the source is broken"):
            list(work.with_options(batch=50).map(source()))
        self.assert_nothing_open()

    def test_one_slow_input_does_not_let_the_others_pile_up(self):
        @fallow.function(gpu=QUERY, hours=0.2, batch=20)
        def slow_first(x):
            time.sleep(4 if x == 0 else 0)
            return x

        ungiven_max, _map.UNGIVEN_MAX = _map.UNGIVEN_MAX, 60
        try:
            with slow_first.map(itertools.count(), in_flight=4) as results:
                self.assertEqual(next(results), 0)
                self.assertLessEqual(len(results.orders), 3)
                self.assertEqual([next(results) for _ in range(100)], list(range(1, 101)))
        finally:
            _map.UNGIVEN_MAX = ungiven_max

    def test_large_values_go_by_the_store(self):
        @fallow.function(gpu=QUERY)
        def large(count):
            return bytes([count % 251]) * count

        sizes = [10, 60_000, 3_000_000]
        self.assertEqual([len(value) for value in large.map(sizes)], sizes)
        self.assertEqual(large.with_options(results="pickle").remote(100_000), bytes([100_000 % 251]) * 100_000)

    def test_arrays(self):
        import numpy

        @fallow.function(gpu=QUERY)
        def twice(array):
            return array * 2

        numpy.testing.assert_array_equal(twice.remote(numpy.arange(5.0)), numpy.arange(5.0) * 2)

    def test_pickles_only_when_asked_for(self):
        def make(x):
            return pathlib.PurePosixPath("/a") / str(x)

        plain = fallow.function(gpu=QUERY)(make)
        with self.assertRaisesRegex(fallow.RemoteError, "no plain value"):
            plain.remote(1)
        self.assertEqual(plain.with_options(results="pickle").remote(1), pathlib.PurePosixPath("/a/1"))

    def test_a_node_cannot_smuggle_in_a_pickle(self):
        # A node that reports pickles, or nonsense, where plain values were agreed: nothing of it is read.
        from fallow import _batch, _worker, models

        class Evil:
            def __reduce__(self):
                return (os.system, ("touch /tmp/fallow-smuggled",))

        found = []
        batch = _batch.Batch(self.client.aio, [(0, b""), (1, b"")], False, found.append, None)
        evil = pickle.dumps(Evil())
        batch._take(_worker.PICKLE, 0, evil)
        batch._take(_worker.VALUE, 0, evil)
        batch._take(_worker.VALUE, 7, evil)
        batch._take_output(models.LogLine(data=b"v 9 !!!\nv x AA==\n\xff\xfe\nv 1\n" + b"k 1 AAAA\n"))
        self.assertEqual([(number, value, type(error)) for number, value, error in found],
                         [(0, None, fallow.ValueRefused)])
        self.assertFalse(os.path.exists("/tmp/fallow-smuggled"))

    def test_modules_go_along(self):
        with self.own_folder() as folder:
            (folder / "mine_for_the_test").mkdir()
            (folder / "mine_for_the_test" / "__init__.py").write_text("from .deep import answer\n")
            (folder / "mine_for_the_test" / "deep.py").write_text("def answer():\n    return 42\n")
            sys.path.insert(0, str(folder))
            try:
                import mine_for_the_test

                @fallow.function(gpu=QUERY)
                def ask():
                    return mine_for_the_test.answer()

                with self.assertRaisesRegex(fallow.FallowError, "mine_for_the_test"):
                    ask.remote()
                self.assertEqual(ask.with_options(modules=["mine_for_the_test"]).remote(), 42)
            finally:
                sys.path.remove(str(folder))

    def test_what_cannot_travel_is_said_before_it_costs(self):
        lock = threading.Lock()

        @fallow.function(gpu=QUERY)
        def locked():
            return lock

        before = len(fallow.jobs())
        with self.assertRaisesRegex(fallow.ValueRefused, "inside of it"):
            locked.remote()
        with self.assertRaises(fallow.ValueRefused):
            work.remote(lock)
        with self.assertRaises(fallow.NoMatch):
            work.with_options(max_price="0.01").map([1]).__next__()
        with self.assertRaises(TypeError):
            fallow.function(gpu=QUERY, max_prize="0.40")(len)
        self.assertEqual(len(fallow.jobs()), before)

    def test_keywords_await_and_progress(self):
        @fallow.function(gpu=QUERY)
        def power(x, exponent=2):
            return x ** exponent

        self.assertEqual(power.remote(2, exponent=5), 32)

        async def run():
            client = fallow.AsyncClient(self.client.config)
            async with client:
                mine = power.with_options(client=client)
                return await mine.aio.remote(3), [value async for value in mine.aio.map(range(5))]

        self.assertEqual(asyncio.run(run()), (9, [0, 1, 4, 9, 16]))

    def test_prints_come_out_of_the_logs(self):
        import contextlib
        import io

        shown = io.StringIO()
        with contextlib.redirect_stderr(shown):
            list(work.map(["raise"], return_exceptions=True, logs=True))
        self.assertIn("about to raise", shown.getvalue())

    def test_time_runs_out(self):
        @fallow.function(gpu=QUERY, hours=2 / 3600, batch=3)
        def sleeps(seconds):
            time.sleep(seconds)
            return seconds

        values = list(sleeps.map([0, 600, 0.1], return_exceptions=True))
        self.assertEqual((values[0], values[2]), (0, 0.1))
        self.assertIsInstance(values[1], fallow.InputLost)
        self.assertEqual((values[1].reason, values[1].blame), ("TIME_LIMIT", "BLAME_RENTER"))


class PoorTest(MarketTest):
    nodes = ("one",)
    deposit = "0.20"

    def test_a_small_wallet_only_slows_it_down(self):
        # Each batch holds 0.072 for its 0.2 hours: two at a time are all that it covers.
        self.assertEqual(list(work.with_options(batch=1).map(range(8), in_flight=4)),
                         [x * x + OFFSET for x in range(8)])
        with self.assertRaises(fallow.NoFunds):
            work.with_options(hours=10).remote(1)


class DyingNodeTest(MarketTest):
    def test_a_dead_node_costs_no_result(self):
        @fallow.function(gpu=QUERY, hours=0.2, batch=10)
        def slow(x):
            time.sleep(0.1)
            return x

        with slow.map(range(200), in_flight=8) as results:
            values = [next(results) for _ in range(5)]
            self.market.kill("two", signal.SIGKILL)
            killed_at = time.monotonic()
            values += list(results)
        self.assertEqual(values, list(range(200)))
        self.assertGreater(results.rescued, 0)
        self.assertLess(time.monotonic() - killed_at, 90 * PATIENCE)
        # Nothing is paid for what the dead node did.
        lost = [lease for order in results.orders for lease in fallow.leases(order=order)
                if lease.blame == "BLAME_PROVIDER"]
        self.assertTrue(lost)
        for lease in lost:
            self.assertEqual(lease.charged, lease.refunded)
        self.assert_nothing_open()


class DyingServerTest(MarketTest):
    def test_a_killed_server_costs_no_result(self):
        @fallow.function(gpu=QUERY, hours=0.2, batch=10)
        def slow(x):
            time.sleep(0.1)
            return x

        with slow.map(range(150), in_flight=8) as results:
            values = [next(results) for _ in range(5)]
            self.market.kill("server", signal.SIGKILL)
            time.sleep(1)
            self.market.start_server()
            values += list(results)
        self.assertEqual(values, list(range(150)))
        # No order was placed that the run does not know of.
        self.assertEqual({job.id for job in fallow.jobs()}, set(results.orders))
        self.assert_nothing_open()


if __name__ == "__main__":
    main()
