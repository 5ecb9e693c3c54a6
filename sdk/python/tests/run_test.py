#!/usr/bin/env python3
"""Runs over nodes that lie, and how runs end, over a market of the test's own that has no processes."""
import asyncio
import base64
import gc
import io
import itertools
import os
import pathlib
import queue
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import zipfile
from decimal import Decimal
from unittest import mock

from harness import fallow, main

from fallow import _batch, _function, _loop, _map, _plain, _purse, _worker, config, models
from fallow._http import TooLarge
from fallow._package import package_call, package_function, package_inputs

DONE, FAILED = models.OrderState.ORDER_DONE, models.OrderState.ORDER_FAILED


def value_line(place, value):
    return b"v %d %s\n" % (place, base64.b64encode(_plain.encode(value)))


def broken_line():
    return b"b 0 %s\n" % base64.b64encode(b'{"type": "ImportError", "text": "not here"}')


class FakeJob:
    """`behave(job)`: (its output, the state it ends in), or None: it goes on until it is stopped."""

    def __init__(self, market, number, inputs):
        self.id = number
        self.inputs = inputs
        self._market = market
        self._stopped = asyncio.Event()

    async def logs(self, follow):
        behaviour = self._market.behave(self)
        if behaviour is None:
            await self._stopped.wait()
        else:
            yield models.LogLine(lease=self.id, data=behaviour[0])
            self._state = behaviour[1]

    async def wait(self):
        task = models.TaskView(last_reason=models.EndReason.COMPLETED)
        if self._stopped.is_set():
            return models.OrderView(id=self.id, state=models.OrderState.ORDER_STOPPED, tasks=[task], charged=Decimal(1))
        if self._state == FAILED:
            task = models.TaskView(last_reason=models.EndReason.EXIT_CODE, last_blame=models.Blame.BLAME_RENTER)
        return models.OrderView(id=self.id, state=self._state, tasks=[task], charged=Decimal(1))

    async def stop(self):
        await asyncio.sleep(0.05)  # a moment, as over a line
        self._market.stopped.append(self.id)
        self._stopped.set()


class FakeMarket:
    """In the place of an AsyncClient, as far as a map needs one."""

    def __init__(self, behave):
        self.behave = behave
        self.placed = []
        self.stopped = []
        self.store = self

    async def quote(self, *_, **__):
        return models.QuoteView(tasks_at_once=2)

    async def put_files(self, files, new):
        return new["inputs"]

    async def submit(self, *_, input_manifest, **__):
        data, inputs = input_manifest, []
        while data:
            (size,) = struct.unpack_from("<I", data)
            inputs.append(data[4:4 + size])
            data = data[4 + size:]
        self.placed.append(FakeJob(self, len(self.placed) + 1, inputs))
        return self.placed[-1]

    def map(self, inputs, *, count=None, batch=2, in_flight=1, retries=2, ordered=True):
        settings = _map.Settings(query="", requirements={}, name="f", archive=b"", env={}, budget=None, project="",
                                 trusts_pickles=False, retries=retries, in_flight=in_flight, batch=batch, python="")
        run = _map.Map(self, settings, ((each,) for each in inputs), count, ordered, None, False)
        return _function.Results(_function.AsyncResults(run, return_exceptions=True))


def honest(job):
    return b"".join(value_line(place, place) for place in range(len(job.inputs))), DONE


def within(seconds, what):
    """What it returns; fails when that takes longer. On a thread, as what hangs cannot be interrupted."""
    found = []
    thread = threading.Thread(target=lambda: found.append(what()), daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise AssertionError(f"not through after {seconds} s")
    return found[0]


def wait_until(check):
    end = time.monotonic() + 20
    while not check():
        if time.monotonic() > end:
            raise AssertionError("it did not happen within 20 s")
        time.sleep(0.01)


class LyingNodeTest(unittest.TestCase):
    def test_who_ends_well_without_results_is_not_paid_for_ever(self):
        market = FakeMarket(lambda job: (b"", DONE))
        results = market.map(range(4))
        values = within(20, lambda: list(results))
        self.assertEqual([type(value) for value in values], [fallow.InputLost] * 4)
        self.assertIn("without its result", str(values[0]))
        self.assertEqual(len(market.placed), 6)
        self.assertEqual(results.charged, 6)

    def test_what_was_not_begun_goes_on_as_often_as_it_takes(self):
        market = FakeMarket(lambda job: (value_line(0, "done"), DONE))
        self.assertEqual(within(20, lambda: list(market.map(range(9), batch=9))), ["done"] * 9)
        self.assertEqual(len(market.placed), 9)

    def test_one_word_of_a_broken_function_does_not_end_what_has_run(self):
        for lie in ((broken_line(), DONE), (b"", FAILED)):
            market = FakeMarket(lambda job: lie if job.id % 2 == 0 else honest(job))
            results = market.map(range(8))
            self.assertEqual(within(20, lambda: list(results)), [0, 1] * 4)
            self.assertEqual(results.charged, len(market.placed))

    def test_a_function_that_runs_nowhere_is_said_at_once(self):
        market = FakeMarket(lambda job: (broken_line(), DONE))
        with self.assertRaisesRegex(_batch.FunctionBroken, "not here"):
            next(market.map(range(8)))
        self.assertEqual(len(market.placed), 1)

    def test_results_that_are_too_large_are_lost_and_said(self):
        market = FakeMarket(lambda job: (b"", DONE))

        async def files_of(_):
            raise TooLarge(1000)

        async def wait(job):
            return models.OrderView(id=job.id, state=DONE, tasks=[models.TaskView(output_manifest="0" * 64)])

        market.files_of = files_of
        with mock.patch.object(FakeJob, "wait", wait):
            (value,) = within(20, lambda: list(market.map([1])))
        self.assertIsInstance(value, fallow.InputLost)
        self.assertIn("1000 bytes", str(value))


class LeavingTest(unittest.TestCase):
    @staticmethod
    def first_only(job):
        return honest(job) if job.id == 1 else None

    def test_a_break_stops_the_jobs(self):
        market = FakeMarket(self.first_only)
        for _ in market.map(itertools.count(), in_flight=3):
            wait_until(lambda: len(market.placed) == 4)
            break
        gc.collect()
        wait_until(lambda: sorted(market.stopped) == [2, 3, 4])
        time.sleep(0.2)
        self.assertEqual(len(market.placed), 4)

    def test_a_break_that_keeps_the_results_can_go_on(self):
        results = FakeMarket(honest).map(range(6))
        for _ in results:
            break
        self.assertEqual(within(20, lambda: list(results)), [1, 0, 1, 0, 1])
        self.assertEqual(within(20, lambda: list(results)), [])

    def test_await_stops_them_too(self):
        async def play():
            market = FakeMarket(self.first_only)
            async for _ in market.map(itertools.count(), in_flight=3).aio:
                while len(market.placed) < 4:
                    await asyncio.sleep(0.01)
                break
            gc.collect()
            while not market.stopped or len(market.stopped) + 1 < len(market.placed):
                await asyncio.sleep(0.01)

        asyncio.run(asyncio.wait_for(play(), 20))

    def test_who_waits_is_told_of_a_close(self):
        results = FakeMarket(lambda job: None).map(range(6))
        threading.Timer(0.3, results.close).start()
        self.assertEqual(within(20, lambda: list(results)), [])


class EndTest(unittest.TestCase):
    """A program ends whatever it leaves behind. Each is one of its own, with this file as a module."""

    def end_of(self, code, interrupt=False):
        script = ("from run_test import FakeMarket, LeavingTest, _loop, asyncio, honest, itertools, queue, wait_until\n"
                  + textwrap.dedent(code))
        process = subprocess.Popen([sys.executable, "-B", "-c", script], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, cwd=pathlib.Path(__file__).parent)
        try:
            if interrupt:
                self.assertEqual(process.stdout.readline(), "waits\n")
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
        return output

    def test_a_stream_that_is_still_open(self):
        self.assertEqual(self.end_of("""
            async def endless():
                try:
                    yield 1
                    yield 2
                finally:
                    await asyncio.sleep(0)
                    print("closed", flush=True)

            stream = _loop.iterate(endless())
            print(next(stream), flush=True)
        """), "1\nclosed\n")

    def test_a_source_that_never_goes_on(self):
        output = self.end_of("""
            print("waits", flush=True)
            for value in FakeMarket(honest).map(iter(queue.Queue().get, None)):
                pass
        """, interrupt=True)
        self.assertIn("KeyboardInterrupt", output)

    def test_the_jobs_of_a_map_are_stopped(self):
        for last in ("", "del results\n"):  # at the end, or just before it
            output = self.end_of(textwrap.dedent("""
                market = FakeMarket(LeavingTest.first_only)
                results = market.map(itertools.count(), in_flight=3)
                next(results)
                wait_until(lambda: len(market.placed) == 4)

                class Said(list):
                    def append(self, number):
                        print("stopped", number, flush=True)

                market.stopped = Said()
            """) + last)
            self.assertEqual(sorted(output.splitlines()), ["stopped 2", "stopped 3", "stopped 4"])

    def test_names_are_looked_up_to_the_end(self):
        # Who stops a job then has to find the market.
        self.assertEqual(self.end_of("""
            class Source:
                async def aclose(self):
                    found = await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
                    print("found" if found else "lost", flush=True)

            async def open_it():
                _loop.opened(Source())

            _loop.run(open_it())
        """), "found\n")


class PurseTest(unittest.TestCase):
    """Of answers that come as late as they like."""

    def setUp(self):
        self.purse = _purse.Purse()
        self.asked = []  # the answers to come, in the order of asking

    def ask(self):
        async def submit():
            self.asked.append(asyncio.get_running_loop().create_future())
            return await self.asked[-1]

        return asyncio.ensure_future(self.purse.ask(submit))

    def refuse(self, number):
        self.asked[number].set_exception(fallow.NoFunds(models.Problem(status=402, code="no_funds")))

    async def settle(self):
        for _ in range(10):
            await asyncio.sleep(0)

    def test_a_refusal_that_was_overtaken_is_asked_again(self):
        async def play():
            first, second = self.ask(), self.ask()
            await self.settle()
            self.asked[0].set_result(1)
            await first
            self.purse.give_back()  # before the refusal of the second is read
            self.refuse(1)
            await self.settle()
            self.asked[2].set_result(2)
            return await second

        self.assertEqual(asyncio.run(play()), 2)

    def test_who_was_not_heard_of_yet_may_hold_the_money(self):
        async def play():
            first, second = self.ask(), self.ask()
            await self.settle()
            self.refuse(1)
            await self.settle()
            self.assertFalse(second.done())
            self.asked[0].set_result(1)
            await first
            await self.settle()
            self.assertEqual(len(self.asked), 2)  # it holds it: no use in asking
            self.purse.give_back()
            await self.settle()
            self.asked[2].set_result(2)
            return await second

        self.assertEqual(asyncio.run(play()), 2)

    def test_where_nobody_holds_any_it_is_said(self):
        async def play():
            first, second = self.ask(), self.ask()
            await self.settle()
            self.refuse(0)
            self.refuse(1)
            await self.settle()
            for number in range(2, len(self.asked)):
                self.refuse(number)
            return await asyncio.gather(first, second, return_exceptions=True)

        self.assertEqual([type(error) for error in asyncio.run(play())], [fallow.NoFunds] * 2)


class RunTest(unittest.TestCase):
    def setUp(self):
        self.client = fallow.AsyncClient(config.Config("http://nowhere"))
        self.asked = []

        async def call(operation, *_):
            self.asked.append(operation)
            if operation != "CreateOrder":
                raise fallow.Unreachable("no answer")
            return models.OrderView(id=4711, state=models.OrderState.OPEN)

        self.client._http.call = call

    def test_cancelled_while_files_go_up_it_places_nothing(self):
        async def put_parts(_):
            await asyncio.sleep(3600)

        self.client.store.put_parts = put_parts

        async def play():
            task = asyncio.ensure_future(self.client.run("", ["true"], input="folder"))
            await asyncio.sleep(0.01)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=5)
            self.assertTrue(done)

        asyncio.run(play())
        self.assertEqual(self.asked, [])

    def test_a_folder_goes_up_before_its_job(self):
        async def put_parts(parts):
            self.asked.extend(parts.values())
            return "0" * 64

        self.client.store.put_parts = put_parts
        with self.assertRaises(fallow.Unreachable):
            asyncio.run(self.client.run("", ["true"], input="folder"))
        self.assertEqual(self.asked[:2], ["folder", "CreateOrder"])
        with self.assertRaisesRegex(TypeError, "list of words"):
            asyncio.run(self.client.run("", "true", input="folder"))
        self.assertEqual(self.asked.count("folder"), 1)

    def test_an_input_that_was_swept_meanwhile_goes_up_once_more(self):
        async def put_parts(parts):
            self.asked.extend(parts.values())
            return str(self.asked.count("folder")) * 64

        manifests = []

        async def call(operation, fields, *_):
            self.asked.append(operation)
            manifests.append(fields["input_manifest"])
            if len(manifests) <= self.swept:
                raise fallow.Refused(models.Problem(code="input_missing", detail="swept", status=422))
            return models.OrderView(id=4711, state=models.OrderState.OPEN)

        self.client.store.put_parts = put_parts
        self.client._http.call = call
        for self.swept in (0, 1):
            self.asked.clear()
            manifests.clear()
            job = asyncio.run(self.client.submit("", ["true"], input="folder"))
            self.assertEqual(job.id, 4711)
            self.assertEqual(self.asked, ["folder", "CreateOrder"] * (1 + self.swept))
            self.assertEqual(manifests[-1], str(1 + self.swept) * 64)
        self.swept = 2
        manifests.clear()
        with self.assertRaisesRegex(fallow.Refused, "swept"):
            asyncio.run(self.client.submit("", ["true"], input="folder"))

    def test_a_market_that_is_gone_leaves_the_jobs_number(self):
        with self.assertRaisesRegex(fallow.Unreachable, r"fallow.job\(4711\)"):
            asyncio.run(self.client.run("", ["true"], logs=False))


class WorkerTest(unittest.TestCase):
    def test_begins_no_more_when_its_results_are_large(self):
        source = (pathlib.Path(_worker.__file__)).read_text()
        limit = f"RESULTS_BYTES_MAX = {_worker.RESULTS_BYTES_MAX >> 20} << 20"
        self.assertEqual(source.count(limit), 1)
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            with zipfile.ZipFile(io.BytesIO(package_function(bytes, (), "plain"))) as read:
                files = {name: read.read(name) for name in read.namelist()}
            del files["__main__.pyc"]
            files["__main__.py"] = source.replace(limit, "RESULTS_BYTES_MAX = 2_000").encode()
            with zipfile.ZipFile(root / "job.pyz", "w") as write:
                for name, data in files.items():
                    write.writestr(name, data)
            (root / "inputs").write_bytes(package_inputs([package_call((900,), {}) for _ in range(10)]))
            done = subprocess.run([sys.executable, str(root / "job.pyz"), str(root / "inputs"), "60"], check=True,
                                  capture_output=True, env={**os.environ, "FALLOW_OUT": folder})
            self.assertEqual([line[:4] for line in done.stdout.splitlines() if line[:1] == b"v"],
                             [b"v 0 ", b"v 1 ", b"v 2 "])


if __name__ == "__main__":
    main()
