#!/usr/bin/env python3
"""The escape suite: escape/attempts.py inside each kind of sandbox that works on this machine, beside
another lease, and what only the outside can judge: bombs and links. Prints the table of all attempts."""
import json
import pathlib
import shutil

from harness import KINDS, PATIENCE, SystemTest, main

ATTEMPTS = pathlib.Path(__file__).resolve().parent / "escape" / "attempts.py"
# Written by the host's kernel for the whole machine: a sandbox that changes one has escaped.
SETTINGS = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/net/ipv4/ip_forward",
            "/proc/sys/kernel/hostname")
ATTEMPTS_MIN = 40
LAST_ATTEMPT = "forks without end"
NEIGHBOUR = ("import time, pathlib; pathlib.Path('of-the-other-lease').write_text('of-the-agent'); "
             "print('ready', flush=True); time.sleep(600)")


class EscapeTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.market.environment["OF_THE_AGENT"] = "of-the-agent"
        self.rows = {}

    def end_of(self, *command, options=()):
        order = self.submit(*command, options=options, hours="0.2")
        return order, self.wait_end(order, 180)["tasks"][0]

    def note(self, kind, attempt, got, why):
        self.rows.setdefault(attempt, {})[kind] = (got, why)

    def attempts(self, kind, node, options):
        neighbour = self.submit("python3", "-c", NEIGHBOUR, "sleeping-neighbour", options=options)
        lease = self.wait_running(neighbour)[0]["id"]
        self.market.wait_until("the other lease's file", lambda: "ready" in self.output(neighbour), 30 * PATIENCE)
        secrets = [str(path) for path in (self.folder / node).iterdir() if path.is_file()]
        secrets += [str(self.folder / node / "workloads" / str(lease) / "work" / "of-the-other-lease"), "/etc/shadow"]
        inputs = self.folder / f"inputs-{kind}"
        inputs.mkdir()
        shutil.copy(ATTEMPTS, inputs)
        port = self.market.listen.rsplit(":", 1)[1]
        order, task = self.end_of("python3", "attempts.py", port, *secrets, options=[*options, "--in", str(inputs)])
        lines = [line for line in self.output(order).splitlines() if line.startswith("{")]
        last = None
        for one in map(json.loads, lines):
            last = one.get("begins")
            if not last:
                self.note(kind, one["attempt"], one["got"], one["why"])
        # To end its own sandbox is nobody's escape; but only the last attempt may hide others by it.
        if last == LAST_ATTEMPT:
            self.note(kind, last, None, "sandbox ended")
        else:
            self.assertEqual(task["state"], "DONE", f"{kind}: {task} {self.output(order)[-2000:]}")
        self.assertGreaterEqual(len(lines), 2 * ATTEMPTS_MIN)
        self.market.run("stop", str(neighbour), key=self.renter)
        self.wait_end(neighbour)

    def bombs(self, kind, options):
        bombs = {"fill the disk": ("DISK_LIMIT", ["--disk", "0.05"],
                                   "i=0; while :; do head -c 8000000 /dev/zero > /tmp/$i; i=$((i+1)); done"),
                 "fill the disk with empty files": ("DISK_LIMIT", ["--disk", "0.02"],
                                                    "i=0; while :; do : > /work/$i; i=$((i+1)); done"),
                 "take all memory": ("OUT_OF_MEMORY", ["--memory", "0.25"],
                                     "python3 -c 'x = bytearray(900_000_000); import time; time.sleep(20)'"),
                 "take all memory as files": ("OUT_OF_MEMORY", ["--memory", "0.25"],
                                              "head -c 900000000 /dev/zero > /dev/shm/x; "
                                              "exec python3 -c 'x = bytearray(200_000_000)'")}
        for name, (reason, limits, script) in bombs.items():
            _, task = self.end_of("sh", "-c", script, options=[*options, *limits])
            right = (task["last_reason"], task["last_blame"]) == (reason, "BLAME_RENTER")
            self.note(kind, name, None if right else f"ended with {task['last_reason']}", task["last_reason"])

    def links(self, kind, options):
        out = self.folder / f"out-{kind}"
        script = ("ln -s /etc/shadow $FALLOW_OUT/file; ln -s / $FALLOW_OUT/folder; ln -s ../../../.. $FALLOW_OUT/up; "
                  "mkdir $FALLOW_OUT/d; (while :; do rmdir $FALLOW_OUT/d; ln -s /etc $FALLOW_OUT/d; rm $FALLOW_OUT/d; "
                  "mkdir $FALLOW_OUT/d; done) & sleep 1; echo mine > $FALLOW_OUT/good")
        self.market.run("run", self.query, "--hours", "0.1", *options, "--out", str(out), "--", "sh", "-c", script,
                        key=self.renter, timeout=120 * PATIENCE)
        found = sorted(p.name for p in out.rglob("*") if p.is_symlink() or p.is_file())
        self.note(kind, "links in the outputs, changing while it ends", None if found == ["good"] else str(found),
                  "left out")

    def print_table(self, tried):
        print(f"\n{'attempt':<52}" + "".join(f"{kind:<18}" for kind in KINDS))
        for attempt, kinds in self.rows.items():
            cells = []
            for kind in KINDS:
                got, why = kinds.get(kind, (None, "skipped"))
                cells.append("skipped" if why == "skipped" else "GOT OUT" if got else f"denied {why}"[:17])
            print(f"{attempt:<52}" + "".join(f"{cell:<18}" for cell in cells))
        for kind in KINDS:
            denied = sum(1 for kinds in self.rows.values() if kind in kinds and not kinds[kind][0])
            total = sum(1 for kinds in self.rows.values() if kind in kinds)
            print(f"{kind}: " + (f"{denied} of {total} denied" if kind in tried else "skipped, " + self.missing[kind]))

    def test_every_way_out_is_closed(self):
        lines = self.sandboxes()
        self.missing = {kind: lines[kind]["detail"] for kind in KINDS if not lines[kind]["works"]}
        tried = [kind for kind in KINDS if kind not in self.missing]
        before = {path: pathlib.Path(path).read_text() for path in SETTINGS if pathlib.Path(path).exists()}
        for kind in tried:
            node = f"node-{kind}"
            self.query = f"gpu_name={kind.upper()}_GPU"
            self.device = f"model={kind.upper()}_GPU,memory_gb=24"
            token = self.market.join_token(self.provider)
            self.market.start_agent(node, "--price", "0.36", "--device", f"{self.device},count=2", "--cpu-thousandths",
                                    "64000", "--memory-mb", "65536", "--sandbox", kind.lower(), token=token)
            self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
            options = ["--isolation", kind.lower()]
            self.attempts(kind, node, options)
            self.bombs(kind, options)
            self.links(kind, options)
            for path, text in before.items():
                self.assertEqual(pathlib.Path(path).read_text(), text, f"{kind}: {path} changed")
            # The machine still works for the next one.
            _, task = self.end_of("true", options=options)
            self.assertEqual(task["state"], "DONE", kind)
        self.print_table(tried)
        out = {(kind, attempt): kinds[kind][0] for attempt, kinds in self.rows.items() for kind in kinds if kinds[kind][0]}
        self.assertEqual(out, {})


if __name__ == "__main__":
    main()
