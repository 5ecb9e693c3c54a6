#!/usr/bin/env python3
"""Rented machines over a real market: commands, files and ports of a sandbox, and what ends a rental."""
import asyncio
import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from decimal import Decimal
from pathlib import Path

from harness import PATIENCE, QUERY, ROOT, MarketTest, fallow, main

SERVER = ["python3", "-c", textwrap.dedent("""
    import http.server, socketserver
    class Server(socketserver.ForkingMixIn, http.server.HTTPServer): pass
    server = Server(("127.0.0.1", 8123), http.server.SimpleHTTPRequestHandler)
    print("ready", flush=True)
    server.serve_forever()
""")]


class RentTest(MarketTest):
    def test_a_machine_to_work_on(self):
        with fallow.rent(QUERY, hours=0.1, name="bench", env={"COLOUR": "red"}) as box:
            self.assertEqual(box.view.state, "RUNNING")
            done = box.exec(["sh", "-c", "echo $COLOUR; pwd; echo err >&2; exit 7"])
            self.assertEqual((done.code, done.text, done.stderr), (7, "red\n/work\n", b"err\n"))
            self.assertEqual(box.exec(["sh", "-c", "kill -KILL $$"]).code, 128 + 9)
            self.assertEqual(box.exec(["/no/such/program"]).code, 127)
            data = b"in and out" * 200_000
            self.assertEqual(box.exec(["cat"], input=data).stdout, data)
            # It neither reads its input nor waits for what it has left behind.
            self.assertEqual(box.exec(["sh", "-c", "sleep 300 & echo done"], input=data).text, "done\n")
            self.assertEqual(box.exec(["sh", "-c", "echo $WHO"], env={"WHO": "me"}, check=True).text, "me\n")
            with self.assertRaisesRegex(fallow.CommandFailed, "exit code 3: why"):
                box.exec(["sh", "-c", "echo why >&2; exit 3"], check=True)
            with self.assertRaises(TimeoutError):
                box.exec(["sleep", "77"], timeout_s=0.3)
            count = ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 7[7]' || true"]
            self.wait_until("the end of what was hung up on", lambda: box.exec(count).text == "0\n")
            with self.assertRaisesRegex(TypeError, '"sh", "-c"'):
                box.exec("ls")
            with self.assertRaisesRegex(fallow.ReachFailed, "put"):
                box.exec(["echo", "x" * 40_000])
            job, lease = box.job, box.lease
        self.assertEqual(job.refresh().state, "ORDER_STOPPED")
        self.assertEqual(job.view.name, "bench")
        self.assertEqual([bill.lease for bill in job.bills()], [lease])
        with self.assertRaises(fallow.RentalOver):
            box.exec(["true"])
        with self.assertRaisesRegex(fallow.FallowError, "opened before"):
            box.open()
        self.assert_nothing_open()

    def test_output_comes_as_it_is_written(self):
        with fallow.rent(QUERY, hours=0.1) as box:
            with box.start(["sh", "-c", "echo one; read x; echo got $x >&2; trap 'echo bye; exit 5' INT; "
                                        "while :; do sleep 0.05; done"]) as process:
                self.assertEqual(next(process).data, b"one\n")
                process.write(b"two\n")
                piece = next(process)
                self.assertEqual((piece.data, piece.error_stream), (b"got two\n", True))
                self.assertIsNone(process.code)
                time.sleep(0.3)
                process.signal(signal.SIGINT)
                self.assertEqual([piece.data for piece in process], [b"bye\n"])
                self.assertEqual(process.code, 5)
                process.close_input()
                with self.assertRaisesRegex(fallow.ReachFailed, "closed before"):
                    process.write(b"late")
            # What is not read holds up nothing else, and is not kept either.
            endless = box.start(["yes"])
            next(endless)
            for _ in range(20):
                self.assertEqual(box.exec(["echo", "hi"]).text, "hi\n")
            endless.close()
            with self.assertRaisesRegex(fallow.ReachFailed, "start"):
                box.exec(["yes"])
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                found = list(pool.map(lambda number: box.exec(["echo", str(number)]).text, range(100)))
            self.assertEqual(found, [f"{number}\n" for number in range(100)])

    def test_files_go_both_ways(self):
        with self.own_folder() as folder, fallow.rent(QUERY, hours=0.1) as box:
            big = folder / "big"
            big.write_bytes(os.urandom(8 << 20))
            self.assertEqual(box.put(big).bytes, 8 << 20)
            self.assertEqual(box.exec(["sha256sum", "big"]).text.split()[0], hashlib.sha256(big.read_bytes()).hexdigest())
            copied = box.get("big", folder / "back")
            self.assertEqual(copied.path, str(folder / "back"))
            self.assertEqual((folder / "back").read_bytes(), big.read_bytes())
            tree = folder / "tree"
            (tree / "deep").mkdir(parents=True)
            (tree / "deep" / "run.sh").write_text("#!/bin/sh\necho ran\n")
            (tree / "deep" / "run.sh").chmod(0o755)
            (tree / "empty").write_text("")
            (tree / "link").symlink_to("/etc/passwd")
            os.mkfifo(tree / "pipe")
            copied = box.put(tree, "/out")
            self.assertEqual(sorted(copied.left_out), ["link is left out: it is a link",
                                                       "pipe is left out: it is no file and no folder"])
            self.assertEqual(box.exec(["/out/tree/deep/run.sh"]).text, "ran\n")
            box.exec(["sh", "-c", "ln -s /etc/passwd /out/tree/theirs"], check=True)
            copied = box.get("/out/tree", folder / "copy")
            self.assertEqual(len(copied.left_out), 1)
            found = sorted(str(path.relative_to(folder / "copy")) for path in (folder / "copy").rglob("*"))
            self.assertEqual(found, ["deep", "deep/run.sh", "empty"])
            self.assertTrue(os.access(folder / "copy" / "deep" / "run.sh", os.X_OK))
            self.assertEqual(box.get("/out", folder).path, str(folder / "files"))
            for path in ("/etc/passwd", "../etc/passwd", "/out/tree/theirs", "nothing"):
                with self.assertRaises(fallow.ReachFailed, msg=path):
                    box.get(path, folder / "stolen")
                with self.assertRaises(fallow.ReachFailed, msg=path):
                    box.put(big, path + "/x")
            self.assertFalse((folder / "stolen").exists())
            with self.assertRaisesRegex(fallow.ReachFailed, "cannot read"):
                box.put(folder / "not-there")
            with self.assertRaisesRegex(fallow.ReachFailed, "cannot write into"):
                box.get("big", folder / "no" / "such")
            # Nothing is left of what was broken off, and a full disk here is said.
            self.assertEqual([path for path in folder.rglob(".fallow-part*")], [])
            self.assertEqual(box.exec(["sh", "-c", "find /work /out -name '.fallow-part*'"]).text, "")

    def test_ports(self):
        with self.own_folder() as folder, fallow.rent(QUERY, hours=0.1) as box:
            page = os.urandom(1 << 20)
            (folder / "page").write_bytes(page)
            box.put(folder / "page")
            server = box.start(SERVER)
            self.assertEqual(next(server).data, b"ready\n")
            with box.forward(8123) as forward:
                self.assertEqual(urllib.request.urlopen(forward.url + "/page", timeout=30 * PATIENCE).read(), page)
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    pages = pool.map(lambda _: urllib.request.urlopen(forward.url + "/page", timeout=60 * PATIENCE).read(),
                                     range(32))
                    self.assertTrue(all(found == page for found in pages))
                self.assertEqual(forward.last_error, "")
                port = forward.port
            with self.assertRaises(OSError):
                http.client.HTTPConnection("127.0.0.1", port, timeout=5).request("GET", "/")
            closed = box.forward(9)
            with self.assertRaises((OSError, http.client.HTTPException)):
                urllib.request.urlopen(closed.url, timeout=30 * PATIENCE).read()
            self.assertIn("port 9", closed.last_error)
            with self.assertRaisesRegex(fallow.ReachFailed, "local_port"):
                box.forward(8123, local_port=closed.port)

    def test_in_every_kind_of_sandbox(self):
        done = subprocess.run([self.market.fallow, "--json", "agent", "doctor"], env=self.market.environment,
                              capture_output=True, text=True, timeout=90 * PATIENCE)
        works = {line["what"]: line["works"] for line in map(json.loads, done.stdout.splitlines())}
        kinds = [kind for kind in ("bubblewrap", "runc", "gVisor") if works[kind]]
        print(f"these work here: {kinds}", flush=True)
        for kind in kinds:
            model = f"{kind.upper()}_GPU"
            self.market.join_agent(kind, self.provider, "--price", "0.20", "--device", f"model={model},memory_gb=8,count=1",
                                   "--cpu-thousandths", "4000", "--memory-mb", "4096", "--sandbox", kind.lower())
            self.market.wait_for_offers(self.renter, f"gpu_name={model}", 1, 60 * PATIENCE)
        boxes = {}
        with self.own_folder() as folder, contextlib.ExitStack() as rentals:
            (folder / "a").write_text("a")
            for kind in kinds:
                boxes[kind] = rentals.enter_context(
                    fallow.rent(f"gpu_name={kind.upper()}_GPU", hours=0.1, unattended_minutes=0.1))
                boxes[kind].put(folder / "a")
            # Longer than the mark may be missing: it is set, and seen.
            time.sleep(10)
            for kind, box in boxes.items():
                with self.subTest(kind):
                    self.assertEqual(box.exec(["cat", "a"]).text, "a")
                    self.assertEqual(Path(box.get("a", folder / f"b-{kind}").path).read_text(), "a")
        for kind, box in boxes.items():
            with self.subTest(kind):
                self.assertEqual(box.job.refresh().state, "ORDER_STOPPED")

    def test_await(self):
        async def work():
            async with fallow.AsyncClient(self.client.config) as client:
                async with client.rent(QUERY, hours=0.1) as box, client.rent(QUERY, hours=0.1) as other:
                    done = await asyncio.gather(*(each.exec(["echo", str(each.lease)]) for each in (box, other)))
                    async with client.reach(box.lease) as reach:
                        self.assertEqual((await reach.exec(["true"])).code, 0)
                    async with await box.start(["cat"]) as process:
                        await process.write(b"x")
                        self.assertEqual((await process.__anext__()).data, b"x")
                    return [(each.lease, found.text) for each, found in zip((box, other), done)]

        for lease, text in asyncio.run(work()):
            self.assertEqual(text, f"{lease}\n")
        self.assert_nothing_open()

    def test_any_running_lease_can_be_reached(self):
        job = self.client.submit(QUERY, ["sh", "-c", "echo 42 > answer; echo up; sleep 600"], hours=0.1)
        self.assertEqual(next(job.logs(follow=True)).data, b"up\n")
        with fallow.reach(job.leases()[0].id) as reach:
            self.assertEqual(reach.exec(["cat", "answer"]).text, "42\n")
        self.assertTrue(job.refresh().state == "OPEN")
        _, stranger = self.market.open_account("stranger", "renter")
        client = fallow.Client(url=self.market.url, api_key=stranger, certificate=self.market.certificate)
        with self.assertRaises(fallow.NotFound):
            client.reach(reach.lease).exec(["true"])
        job.stop()
        job.wait(30 * PATIENCE)
        with self.assertRaises(fallow.Refused) as caught:
            fallow.reach(reach.lease).exec(["true"])
        self.assertEqual(caught.exception.code, "not_running")

    # ---- what ends it ---------------------------------------------------------------------------------
    def test_an_exception_gives_it_back(self):
        with self.assertRaises(ZeroDivisionError):
            with fallow.rent(QUERY, hours=0.1) as box:
                1 / 0
        self.assertEqual(box.job.refresh().state, "ORDER_STOPPED")
        with self.assertRaises(fallow.NoMatch):
            fallow.rent(QUERY, max_price="0.01").open()
        with self.assertRaises(TypeError):
            fallow.rent(QUERY, nodes=2)
        with self.assertRaises(TypeError):
            fallow.rent(QUERY, gpuss=2)
        self.assert_nothing_open()

    def test_what_does_not_start_in_time_is_given_back(self):
        held = self.client.submit(QUERY, ["sleep", "600"], tasks=8, hours=0.1)
        self.wait_until("a full market", lambda: held.refresh().tasks_running == 8)
        with self.assertRaisesRegex(TimeoutError, "waits for node"):
            fallow.rent(QUERY, hours=0.1, timeout_s=0.5).open()
        with self.assertRaises(fallow.NoMatch):
            fallow.rent(QUERY, hours=0.1, no_wait=True).open()
        held.stop()
        self.assert_nothing_open()

    def over(self, box, command):
        """How it says that it is gone, after what was under way then has lost its way."""
        def gone():
            try:
                box.exec(command)
            except (fallow.WayLost, fallow.Refused):
                pass
            except fallow.RentalOver as error:
                return error

        return self.wait_until("the rental's end", gone, 120)

    def program(self, code, *words):
        """Another program that rents; at its first line."""
        process = subprocess.Popen([sys.executable, "-B", "-c", code, *words], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={
            **os.environ, "PYTHONPATH": str(ROOT / "sdk" / "python"), "FALLOW_URL": self.market.url,
            "FALLOW_API_KEY": self.renter, "FALLOW_CERTIFICATE": self.market.certificate})
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        line = process.stdout.readline()
        self.assertTrue(line.startswith("job "), line or process.stderr.read())
        return process, self.client.job(int(line.split()[1]))

    RENTS = ("import sys, time, fallow\n"
             "box = fallow.rent(sys.argv[1], hours=0.5, unattended_minutes=0.1).open()\n"
             "print('job', box.job.id, flush=True)\n")

    def test_killed_without_a_word_it_ends_by_itself(self):
        process, job = self.program(self.RENTS + "time.sleep(600)\n", QUERY)
        # While it lives so does the rental, for much longer than the six seconds.
        time.sleep(14)
        self.assertEqual(job.refresh().state, "OPEN")
        process.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        self.assertEqual(job.wait(60 * PATIENCE).state, "ORDER_DONE")
        self.assertLess(time.monotonic() - killed_at, 25 * PATIENCE)
        self.assertIn("not heard of any more", job.output())
        self.assertLess(job.view.charged, Decimal("0.36") * 60 / 3600 * max(1, int(PATIENCE)))

    def test_a_program_that_ends_or_is_interrupted_gives_it_back(self):
        process, job = self.program(self.RENTS, QUERY)
        process.wait(30 * PATIENCE)
        self.assertEqual(job.wait(10 * PATIENCE).state, "ORDER_STOPPED")
        process, job = self.program(self.RENTS + "box.start(['sleep', '600']).wait()\n", QUERY)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        self.assertIn("KeyboardInterrupt", process.communicate(timeout=30 * PATIENCE)[1])
        self.assertEqual(job.wait(10 * PATIENCE).state, "ORDER_STOPPED")

    def test_its_hours_and_its_budget_end_it(self):
        with fallow.rent(QUERY, hours=1, budget="0.0004", unattended_minutes=None) as box:
            self.assertEqual(self.over(box, ["sleep", "600"]).lease.reason, "FUNDS")
        self.assertLessEqual(box.job.refresh().charged, Decimal("0.0004"))
        with fallow.rent(QUERY, hours=Decimal("0.001"), unattended_minutes=None) as box:
            self.assertEqual(self.over(box, ["sleep", "600"]).lease.reason, "TIME_LIMIT")
        self.assertLessEqual(box.job.refresh().charged, box.job.view.budget)

    def test_it_does_not_begin_anew_elsewhere(self):
        for name in ("attic", "cellar"):
            self.market.join_agent(name, self.provider, "--price", "0.20", "--device", "model=OTHER_GPU,memory_gb=8,count=1",
                                   "--cpu-thousandths", "4000", "--memory-mb", "4096")
        self.market.wait_for_offers(self.renter, "gpu_name=OTHER_GPU", 2, 60 * PATIENCE)
        with fallow.rent("gpu_name=OTHER_GPU", hours=0.1) as box:
            box.exec(["touch", "mine"], check=True)
            self.market.kill(box.view.node_name, signal.SIGKILL)
            lease = self.over(box, ["true"]).lease
            self.assertEqual((lease.reason, lease.blame), ("HOST_LOST", "BLAME_PROVIDER"))
        self.assert_nothing_open()
        self.assertEqual(box.job.refresh().charged, 0)
        self.assertEqual([bill.lease for bill in box.job.bills()], [box.lease], "it was placed elsewhere")

    def test_a_server_that_starts_again_is_found_again(self):
        with fallow.rent(QUERY, hours=0.1) as box:
            box.exec(["touch", "mine"], check=True)
            self.market.kill("server", signal.SIGKILL)
            self.market.start_server()

            def back():
                try:
                    return box.exec(["cat", "mine"]).code == 0
                except (fallow.WayLost, fallow.Refused, fallow.Unreachable):
                    return False

            self.wait_until("the way in", back, 60)
        self.assert_nothing_open()


if __name__ == "__main__":
    main(processes=2)
