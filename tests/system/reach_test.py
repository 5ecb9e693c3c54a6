#!/usr/bin/env python3
"""Reaching into running leases: exec, port-forward and cp through the market, in every kind of sandbox that
works here; who may not, what ends a tunnel, and that one that is not read holds up no other."""
import hashlib
import http.client
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import fcntl
import time

from harness import KINDS, PATIENCE, RestClient, SystemTest, main

ATTEMPTS = pathlib.Path(__file__).resolve().parent / "escape" / "attempts.py"
ATTEMPTS_MIN = 40
COPY_BYTES = 64 << 20
# By processes, for no program starts a thread in gVisor's sandboxes yet.
WORKLOAD = ("import http.server, os, pathlib, socketserver\n"
            "class Server(socketserver.ForkingMixIn, http.server.HTTPServer): pass\n"
            "pathlib.Path('page').write_bytes(os.urandom(1 << 20))\n"
            "server = Server(('127.0.0.1', 8888), http.server.SimpleHTTPRequestHandler)\n"
            "print('ready', flush=True)\n"
            "server.serve_forever()\n")


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class ReachTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.lines = self.sandboxes()

    def environment(self, key):
        return dict(self.market.environment, FALLOW_API_KEY=key)

    def popen(self, *words, key=None, **pipes):
        # AddressSanitizer keeps what was let go, 256 MB of it; here memory is counted.
        environment = {**self.environment(key or self.renter), "ASAN_OPTIONS": "quarantine_size_mb=4"}
        process = subprocess.Popen([self.market.fallow, *words], env=environment, **pipes)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()

    def fallow(self, *words, key=None, data=b"", seconds=60):
        """(exit code, output, error output)"""
        done = subprocess.run([self.market.fallow, *words], env=self.environment(key or self.renter), input=data,
                              capture_output=True, timeout=seconds * PATIENCE)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def lease_on(self, name, *options):
        """A node of that name with a workload that listens; its lease."""
        self.query = f"gpu_name={name.upper()}_GPU"
        token = self.market.join_token(self.provider)
        self.node = ["--price", "0.36", "--device", f"model={name.upper()}_GPU,memory_gb=24,count=2",
                     "--cpu-thousandths", "64000", "--memory-mb", "65536", *options]
        self.node_folder = self.folder / name
        self.market.start_agent(name, *self.node, token=token)
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        order = self.submit("python3", "-c", WORKLOAD)
        lease = self.wait_running(order)[0]["id"]
        self.market.wait_until("the workload's server", lambda: "ready" in self.output(order), 30 * PATIENCE)
        return order, str(lease)

    # ---- in every kind of sandbox ------------------------------------------------------------
    def check_exec(self, lease):
        self.assertEqual(self.fallow("exec", lease, "--", "sh", "-c", "echo out; echo err >&2; exit 7"),
                         (7, b"out\n", "err\n"))
        self.assertEqual(self.fallow("exec", lease, "--", "cat", data=b"in and out" * 100_000)[:2],
                         (0, b"in and out" * 100_000))
        self.assertEqual(self.fallow("exec", lease, "--", "sh", "-c", "kill -KILL $$")[0], 128 + 9)
        code, _, error = self.fallow("exec", lease, "--", "/no/such/program")
        self.assertEqual(code, 127)
        self.assertIn("/no/such/program", error)
        self.assertEqual(self.fallow("exec", lease, "-e", "COLOUR=red", "--", "sh", "-c", "echo $COLOUR; pwd")[1],
                         b"red\n/work\n")
        # More commands in a row than the market lets be opened at once: they wait, and are not refused.
        for n in range(20):
            self.assertEqual(self.fallow("exec", lease, "--", "echo", str(n)), (0, f"{n}\n".encode(), ""))
        # It leaves something behind that holds its output open, and still ends.
        self.assertEqual(self.fallow("exec", lease, "--", "sh", "-c", "sleep 300 & echo done")[:2], (0, b"done\n"))

    def check_terminal(self, lease):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
        process = self.popen("exec", lease, "--", "sh", "-c", "tty; stty size; read x; stty size; exit 3",
                             stdin=slave, stdout=slave, stderr=subprocess.PIPE)
        os.close(slave)
        said = b""

        def read_until(text):
            nonlocal said
            end = time.monotonic() + 30 * PATIENCE
            while text not in said:
                self.assertLess(time.monotonic(), end, said)
                if select.select([master], [], [], 1)[0]:
                    said += os.read(master, 4096)

        read_until(b"50 132")
        self.assertIn(b"/dev/pts/", said)
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        process.send_signal(signal.SIGWINCH)
        time.sleep(0.5)
        os.write(master, b"go on\r")
        read_until(b"40 100")
        self.assertEqual(process.wait(30 * PATIENCE), 3)
        os.close(master)

    def check_confined(self, lease):
        """What a renter runs beside the workload is what the workload is."""
        script = ("import os\n"
                  "def facts(pid):\n"
                  "    lines = dict(l.split(':', 1) for l in open(f'/proc/{pid}/status') if ':' in l)\n"
                  "    names = ('Uid', 'Gid', 'CapEff', 'CapBnd', 'CapPrm', 'NoNewPrivs', 'Seccomp')\n"
                  "    return {n: lines[n].split() for n in names if n in lines}\n"
                  "def own(pid):\n"
                  "    spaces = ('user', 'pid', 'net', 'mnt', 'ipc', 'uts')\n"
                  "    def link(s): return os.readlink(f'/proc/{pid}/ns/{s}')\n"
                  "    links = {s: link(s) for s in spaces if os.path.exists(f'/proc/{pid}/ns/{s}')}\n"
                  "    # gVisor numbers the user's anew for each who asks.\n"
                  "    if links.get('pid') == 'pid:[1]': links.pop('user')\n"
                  "    groups = open(f'/proc/{pid}/cgroup').read() if os.path.exists(f'/proc/{pid}/cgroup') else ''\n"
                  "    return links, groups\n"
                  "main = next(p for p in os.listdir('/proc') if p.isdigit() and\n"
                  "            b'serve_forever' in open(f'/proc/{p}/cmdline', 'rb').read() and p not in ('1', str(os.getpid())))\n"
                  "assert facts(main) == facts('self'), (facts(main), facts('self'))\n"
                  "assert own(main) == own('self'), (own(main), own('self'))\n"
                  "fds = sorted(int(f) for f in os.listdir('/proc/self/fd'))\n"
                  "assert fds[:3] == [0, 1, 2] and len(fds) == 4, fds\n"
                  "for path in ('/proc/1/environ', '/proc/1/mem', '/proc/1/fd', '/etc/shadow'):\n"
                  "    try:\n"
                  "        os.listdir(path) if path.endswith('fd') else open(path, 'rb').read(1)\n"
                  "    except OSError:\n"
                  "        continue\n"
                  "    if path.startswith('/proc/1') and os.readlink('/proc/self/ns/pid') == 'pid:[1]':\n"
                  "        continue  # gVisor's own process 1: a guest like all\n"
                  "    raise SystemExit(path + ' can be read')\n"
                  "print('confined')\n")
        self.assertEqual(self.fallow("exec", lease, "--", "python3", "-c", script), (0, b"confined\n", ""))

    def check_no_way_out(self, lease):
        """The escape suite's attempts (escape_test.py), made by what was reached in with. Last: it may end the sandbox."""
        self.assertEqual(self.fallow("cp", str(ATTEMPTS), f"{lease}:attempts.py")[0], 0)
        secrets = [str(path) for path in self.node_folder.iterdir() if path.is_file()] + ["/etc/shadow"]
        port = self.market.listen.rsplit(":", 1)[1]
        _, out, error = self.fallow("exec", lease, "--", "python3", "attempts.py", port, *secrets, seconds=180)
        answers = [json.loads(line) for line in out.decode().splitlines() if line.startswith('{"attempt"')]
        self.assertGreaterEqual(len(answers), ATTEMPTS_MIN, error)
        self.assertEqual([one for one in answers if one["got"]], [])

    def forward(self, lease, ports):
        process = self.popen("--json", "port-forward", lease, ports, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = process.stdout.readline()
        self.assertTrue(line, process.stderr.read() if process.poll() is not None else "")
        return process, json.loads(line)["local_port"]

    def check_forward(self, lease):
        process, port = self.forward(lease, "8888:0")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30 * PATIENCE)
        for _ in range(3):
            connection.request("GET", "/page")
            response = connection.getresponse()
            self.assertEqual((response.status, len(response.read())), (200, 1 << 20))
        connection.close()
        done = subprocess.run(["curl", "-sS", "--max-time", "30", f"http://127.0.0.1:{port}/page"], capture_output=True,
                              timeout=40 * PATIENCE)
        self.assertEqual((done.returncode, len(done.stdout)), (0, 1 << 20), done.stderr)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10 * PATIENCE), 0)
        # Where nothing listens the caller is hung up on, and told why.
        process, port = self.forward(lease, "9:0")
        closed = http.client.HTTPConnection("127.0.0.1", port, timeout=30 * PATIENCE)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            closed.request("GET", "/")
            closed.getresponse()
        closed.close()
        self.assertIn("port 9", process.stderr.readline().decode())
        self.end(process)

    def check_copy(self, lease):
        big = self.folder / f"big-{lease}"
        big.write_bytes(os.urandom(COPY_BYTES))
        code, _, error = self.fallow("cp", str(big), f"{lease}:", seconds=120)
        self.assertEqual(code, 0, error)
        self.assertEqual(self.fallow("exec", lease, "--", "sha256sum", f"big-{lease}")[1].split()[0].decode(), digest(big))
        back = self.folder / f"back-{lease}"
        code, _, error = self.fallow("cp", f"{lease}:big-{lease}", str(back), seconds=120)
        self.assertEqual(code, 0, error)
        self.assertEqual(digest(back), digest(big))
        # Folders, with what is no file left out.
        script = "mkdir -p d/e; echo 1 > d/a; echo 2 > d/e/b; ln -s /etc/passwd d/l; mkfifo d/p"
        self.assertEqual(self.fallow("exec", lease, "--", "sh", "-c", script)[0], 0)
        folder = self.folder / f"out-{lease}"
        folder.mkdir()
        code, _, error = self.fallow("cp", f"{lease}:/work/d", str(folder))
        self.assertEqual(code, 0, error)
        self.assertIn("d/l".split("/")[1], error)
        found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())
        self.assertEqual(found, ["d/a", "d/e/b"])
        code, _, error = self.fallow("cp", str(folder / "d"), f"{lease}:/out")
        self.assertEqual(code, 0, error)
        self.assertEqual(self.fallow("exec", lease, "--", "cat", "/out/d/a", "/out/d/e/b")[1], b"1\n2\n")
        # No way out of the two folders, and none through a link.
        for path in ("/etc/passwd", "../etc/passwd", "/work/../etc/passwd", "d/l", "/proc/1/environ"):
            code, _, error = self.fallow("cp", f"{lease}:{path}", str(self.folder / "stolen"))
            self.assertEqual(code, 1, path)
            self.assertFalse((self.folder / "stolen").exists(), path)
        self.assertEqual(self.fallow("exec", lease, "--", "ln", "-s", "/tmp", "up")[0], 0)
        for path in ("/etc/x", "../x", "up/x", "/tmp/x"):
            code, _, error = self.fallow("cp", str(folder / "d" / "a"), f"{lease}:{path}")
            self.assertEqual(code, 1, (path, error))

    def test_every_kind_of_sandbox_is_reached(self):
        for kind in KINDS:
            if not self.lines[kind]["works"]:
                print(f"{kind}: skipped, {self.lines[kind]['detail']}")
                continue
            _, lease = self.lease_on(kind.lower(), "--sandbox", kind.lower())
            for check in (self.check_exec, self.check_terminal, self.check_confined, self.check_forward,
                          self.check_copy, self.check_no_way_out):
                with self.subTest(kind=kind, check=check.__name__):
                    check(lease)

    # ---- who may, and what ends it -----------------------------------------------------------
    def test_only_its_renter_reaches_a_lease_and_only_while_it_runs(self):
        order, lease = self.lease_on("node")
        _, stranger = self.market.open_account("stranger", "renter", deposit="1.00")
        code, out, error = self.fallow("exec", lease, "--", "true", key=stranger)
        self.assertEqual((code, out), (3, b""))
        self.assertIn("no lease", error)
        for key in (self.provider, self.market.operator):
            self.assertEqual(self.fallow("exec", lease, "--", "true", key=key)[0], 3)
        # Neither without a key, nor by what agents use.
        rest = RestClient(self.market)
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        self.assertEqual(rest.call("GET", f"/v1/leases/{lease}/tunnel", headers=upgrade)[0], 401)
        token = {"Authorization": "Bearer " + "0" * 64}
        self.assertEqual(rest.call("GET", "/v1/agent/tunnel", headers={**upgrade, **token})[0], 404)
        rest.close()
        charged = self.popen("exec", lease, "--", "sh", "-c", "trap '' TERM; sleep 600", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1)
        self.market.run("stop", str(order), key=self.renter)
        self.assertEqual(charged.wait(60 * PATIENCE), 255)
        self.assertRegex(charged.stderr.read().decode(), "the workload has ended|the lease has ended")
        self.wait_end(order)
        code, _, error = self.fallow("exec", lease, "--", "true")
        self.assertEqual(code, 3)
        self.assertIn("does not run any more", error)
        self.audit_after_stop()

    def audit_after_stop(self):
        self.market.end_all()
        self.audit()

    def test_a_lost_agent_or_server_ends_the_tunnel_with_a_sentence(self):
        _, lease = self.lease_on("node")
        for lost, sentence in (("node", "the connection to the node was lost"), ("server", "the way into the lease")):
            process = self.popen("exec", lease, "--", "sh", "-c", "while :; do echo x; sleep 0.1; done",
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(process.stdout.readline(), b"x\n")
            self.market.kill(lost, signal.SIGKILL)
            self.assertEqual(process.wait(30 * PATIENCE), 255)
            self.assertIn(sentence, process.stderr.read().decode())
            if lost == "node":
                # The workload has outlived the agent, and can be reached again through the next one.
                self.market.start_agent("node", *self.node)
                self.market.wait_until("a way in", lambda: self.fallow("exec", lease, "--", "true")[0] == 0,
                                       30 * PATIENCE)

    def test_commands_hear_signals_and_the_end_of_the_way(self):
        _, lease = self.lease_on("node")
        process = self.popen("exec", lease, "--", "sh", "-c", "trap 'echo bye; exit 5' INT; echo up; while :; do sleep 0.1; done",
                             stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"up\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30 * PATIENCE), 5)
        self.assertEqual(process.stdout.read(), b"bye\n")
        process = self.popen("exec", lease, "--", "sleep", "777")
        count = ["exec", lease, "--", "sh", "-c", "cat /proc/[0-9]*/comm | grep -c '^sleep$'"]
        self.market.wait_until("the command", lambda: self.fallow(*count)[1] == b"1\n", 30 * PATIENCE)
        process.kill()
        self.market.wait_until("its end", lambda: self.fallow(*count)[1] == b"0\n", 30 * PATIENCE)

    def test_what_is_not_read_holds_up_nothing_else(self):
        _, lease = self.lease_on("node")
        process, port = self.forward(lease, "8888:0")

        def peak_kb():
            return int(next(l for l in open(f"/proc/{process.pid}/status") if l.startswith("VmHWM")).split()[1])

        before_kb = peak_kb()
        stuck = http.client.HTTPConnection("127.0.0.1", port, timeout=60 * PATIENCE)
        self.assertEqual(self.fallow("exec", lease, "--", "sh", "-c", "head -c 200000000 /dev/zero > huge")[0], 0)
        stuck.request("GET", "/huge")  # and nothing of the answer is read
        time.sleep(1)
        began = time.monotonic()
        for _ in range(20):
            other = http.client.HTTPConnection("127.0.0.1", port, timeout=60 * PATIENCE)
            other.request("GET", "/page")
            self.assertEqual(len(other.getresponse().read()), 1 << 20)
            other.close()
        self.assertLess(time.monotonic() - began, 30 * PATIENCE)
        # It was not lost either. Read more slowly than it comes, nothing of it is kept that was read.
        answer = stuck.getresponse()
        left = 200_000_000
        while left > 0:
            left -= len(answer.read(min(left, 1 << 20)))
            time.sleep(0.005)
        stuck.close()
        self.assertLess(peak_kb() - before_kb, 20_000)

    def test_exec_ends_though_output_or_reader_do_not(self):
        _, lease = self.lease_on("node")
        # What a command leaves behind may write for ever.
        code, out, _ = self.fallow("exec", lease, "--", "sh", "-c", "yes & echo hi")
        self.assertEqual(code, 0)
        self.assertIn(b"hi\n", out)
        # Its reader has gone: so has the command, and the terminal is as it was.
        master, slave = pty.openpty()
        before = termios.tcgetattr(slave)
        process = self.popen("exec", "-t", lease, "--", "yes", stdin=slave, stdout=subprocess.PIPE)
        process.stdout.read(100)
        process.stdout.close()
        self.assertEqual(process.wait(30 * PATIENCE), 141)
        process.stdout = None
        self.assertEqual(termios.tcgetattr(slave), before)
        os.close(master)
        os.close(slave)
        count = ["exec", lease, "--", "sh", "-c", "cat /proc/[0-9]*/comm | grep -c '^yes$'"]
        self.market.wait_until("its end", lambda: self.fallow(*count)[1] == b"0\n", 30 * PATIENCE)
        # The command has ended, and its output is not read: the first signal ends the wait.
        process = self.popen("exec", lease, "--", "sh", "-c", "head -c 300000 /dev/zero", stdout=subprocess.PIPE)
        time.sleep(2)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30 * PATIENCE), 0)
        # A terminal's end behind an unfinished line.
        self.assertEqual(self.fallow("exec", "-t", lease, "--", "wc", "-c", data=b"unfinished", seconds=20)[0], 0)

    def test_keys_of_ssh_are_made_once(self):
        home = self.folder / "home"
        environment = dict(self.environment(self.renter), HOME=str(home), XDG_CONFIG_HOME=str(home))
        environment.pop("FALLOW_CONFIG", None)
        words = [self.market.fallow, "ssh", "--config", "17"]
        started = [subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) for _ in range(12)]
        texts = {process.communicate(timeout=60 * PATIENCE)[0] for process in started}
        self.assertEqual({process.returncode for process in started}, {0})
        self.assertEqual(len(texts), 1)
        folder = next(home.rglob("identity")).parent
        self.assertEqual(sorted(path.name for path in folder.iterdir()), ["host_key", "identity", "known_hosts"])
        # What is there is not replaced, whatever it is.
        (folder / "identity").write_text("my own")
        done = subprocess.run(words, env=environment, capture_output=True, timeout=60 * PATIENCE)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"remove it", done.stderr)
        self.assertEqual((folder / "identity").read_text(), "my own")

    def test_a_stock_ssh_client(self):
        if not shutil.which("ssh"):
            self.skipTest("no ssh client is installed here (Debian's openssh-client)")
        _, lease = self.lease_on("node")
        self.assertEqual(self.fallow("ssh", lease, "--", "echo out; echo err >&2; pwd; exit 7"),
                         (7, b"out\n/work\n", "err\n"))
        big = os.urandom(8 << 20)
        self.assertEqual(self.fallow("ssh", lease, "--", "cat", data=big)[:2], (0, big))
        self.assertRegex(self.fallow("ssh", lease, "--", "-tt", "tty")[1], rb"/dev/pts/")
        # Its ports, and no other machine's.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = self.popen("ssh", lease, "--", "-N", "-L", f"{port}:localhost:8888", "-o", "ExitOnForwardFailure=yes")

        def page(at):
            done = subprocess.run(["curl", "-sS", "--max-time", "10", f"http://127.0.0.1:{at}/page"], capture_output=True)
            return len(done.stdout) == 1 << 20

        self.market.wait_until("the port", lambda: page(port), 30 * PATIENCE)
        self.end(process)
        code, _, error = self.fallow("ssh", lease, "--", "-W", "192.0.2.1:80")
        self.assertNotEqual(code, 0)
        self.assertIn("open failed", error)
        # Who shows another key is not let in, and neither is who shows none.
        other = self.folder / "other"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
        config = self.folder / "ssh_config"
        config.write_bytes(self.fallow("ssh", "--config", lease)[1])
        words = ["ssh", "-F", str(config), f"lease-{lease}", "echo in"]
        environment = self.environment(self.renter)
        for said in ("FALLOW_URL", "FALLOW_CERTIFICATE"):  # the settings name the market
            environment.pop(said, None)
        self.assertEqual(subprocess.run(words, env=environment, capture_output=True, timeout=60 * PATIENCE).stdout, b"in\n")
        text = config.read_text()
        identity = next(line.split('"')[1] for line in text.splitlines() if "IdentityFile" in line)
        config.write_text(text.replace(identity, str(other)))
        done = subprocess.run(words, env=environment, capture_output=True, timeout=60 * PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (255, b""))
        self.assertIn(b"Permission denied", done.stderr)
        mode = os.stat(identity).st_mode & 0o777
        self.assertEqual(mode, 0o600)

    def test_as_many_tunnels_as_a_lease_may_have(self):
        _, lease = self.lease_on("node")
        held = [self.popen("exec", lease, "--", "sh", "-c", "echo up; cat", stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE) for _ in range(8)]
        for process in held:
            self.assertEqual(process.stdout.readline(), b"up\n")
        code, _, error = self.fallow("exec", lease, "--", "true")
        self.assertEqual(code, 3)
        self.assertIn("8 tunnels", error)
        held[0].stdin.close()
        self.assertEqual(held[0].wait(30 * PATIENCE), 0)
        held[0].stdin = None
        self.market.wait_until("room", lambda: self.fallow("exec", lease, "--", "true")[0] == 0, 30 * PATIENCE)
        # SIGTERM: whoever is inside is told, and nothing hangs.
        self.market.processes["server"].terminate()
        self.market.processes.pop("server").wait(30 * PATIENCE)
        for process in held[1:]:
            self.assertEqual(process.wait(30 * PATIENCE), 255)


if __name__ == "__main__":
    main(processes=2)
