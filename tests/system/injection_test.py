#!/usr/bin/env python3
"""Threat 25: line ends and escape sequences in names and output, as a terminal, a log and a table get them: no line is forged,
none is lost, and a terminal is told to do nothing."""
import csv
import io
import json
import os
import pty
import re
import subprocess

from harness import PATIENCE, RestClient, SystemTest, main

FORGED = "999999 forged"
# A line end of each kind, what moves the cursor, sets a title, and the same in Unicode's own control characters.
HOSTILE = f"x\n{FORGED}\r\n{FORGED}\x1b[2J\x1b[1A\x1b]0;{FORGED}\x07\u009b2J\u0085{FORGED}\x08\x7f"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class InjectionTest(SystemTest):
    def on_terminal(self, *words, key=None):
        """What a terminal gets of the command, its line ends apart."""
        master, slave = pty.openpty()
        environment = dict(self.market.environment, FALLOW_API_KEY=key or self.renter, TERM="xterm")
        process = subprocess.Popen([self.market.fallow, *words], env=environment, stdin=subprocess.DEVNULL, stdout=slave,
                                   stderr=slave)
        os.close(slave)
        shown = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        os.close(master)
        self.assertEqual(process.wait(timeout=60 * PATIENCE), 0, (words, shown))
        return COLOUR.sub("", shown.decode().replace("\r\n", "\n"))

    def assert_harmless(self, shown, lines, *words):
        self.assertEqual(CONTROL.findall(shown), [], words)
        self.assertEqual(len(shown.splitlines()), lines, f"{words}: {shown}")
        for line in shown.splitlines():
            self.assertFalse(line.startswith(FORGED), f"{words}: {shown}")
        self.assertIn("x?", shown, words)  # it was shown at all

    def order(self, name, *command):
        client = RestClient(self.market, self.renter)
        status, answer = client.call("POST", "/v1/orders", {
            "requirements": {"query": self.query, "hours": 0.1}, "name": name, "workload": {"command": list(command)}})
        client.close()
        self.assertEqual(status, 200, answer)
        return answer["id"]

    def test_names_and_output(self):
        self.join("node")
        order = self.order(HOSTILE, "printf", "%s\n", HOSTILE)
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        self.market.run("keys", "create", "--scope", "renter", "--label", HOSTILE, key=self.renter)

        self.assert_harmless(self.on_terminal("jobs"), 2, "jobs")
        self.assert_harmless(self.on_terminal("jobs", order), 3, "jobs", order)
        self.assert_harmless(self.on_terminal("keys"), 3, "keys")

        # Output may have lines; each is told to be the task's, and moves no cursor. A lone CR is how progress is drawn.
        shown = self.on_terminal("logs", order)
        self.assertEqual(CONTROL.findall(shown.replace("\r", "")), [], shown)
        for line in shown.splitlines():
            self.assertNotIn("\x1b", line)
        self.assertIn("[0] x\n", shown)
        self.assertIn(f"[0] {FORGED}", shown)
        # What a program reads is what was written.
        self.assertEqual(self.output(order), HOSTILE + "\n")

        # Files of the market: as many lines and rows as there are entries.
        client = RestClient(self.market, self.market.operator)
        self.addCleanup(client.close)
        status, found = client.call("GET", f"/v1/audit?order={order}&page_size=1000")
        self.assertEqual(status, 200, found)
        entries = found["entries"]
        client.connection.request("GET", f"/v1/audit.ndjson?order={order}", headers=client.headers)
        text = client.connection.getresponse().read().decode()
        self.assertEqual(len([json.loads(line) for line in text.splitlines()]), len(entries))
        client.connection.request("GET", f"/v1/audit.csv?order={order}", headers=client.headers)
        rows = list(csv.reader(io.StringIO(client.connection.getresponse().read().decode(), newline="")))
        self.assertEqual(len(rows) - 1, len(entries))
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})
        self.audit()

    def test_the_agents_log(self):
        self.join("node")
        order = self.order("job", f"/no/{HOSTILE}", "argument")
        self.assertEqual(self.wait_end(order)["state"], "ORDER_FAILED")
        lease = self.market.leases(self.renter, order)[0]
        log = self.folder / "node.log"
        self.market.wait_until("the end in the agent's log", lambda: f"lease {lease['id']} ended" in log.read_text(),
                               20 * PATIENCE)
        text = log.read_text()
        self.assertEqual(CONTROL.findall(text), [])
        starts = [line for line in text.splitlines() if f"lease {lease['id']} starts: /no/x?" in line]
        self.assertEqual(len(starts), 1, text)
        self.assertEqual([line for line in text.splitlines() if line.startswith(FORGED)], [])
        shown = self.on_terminal("jobs", order)
        self.assertEqual((CONTROL.findall(shown), len(shown.splitlines())), ([], 3), shown)

    def test_a_nodes_name(self):
        self.sandboxes()
        token = self.market.join_token(self.provider)
        self.market.start("node", "agent", "--data", str(self.folder / "node"), "--name", HOSTILE, "--join", token, "--price",
                          "0.36", "--device", self.device)
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        self.assert_harmless(self.on_terminal("offers", self.query), 2, "offers")
        self.assert_harmless(self.on_terminal("nodes", key=self.provider), 2, "nodes")
        order = self.order("job", "true")
        self.wait_end(order)
        self.assert_harmless(self.on_terminal("leases"), 2, "leases")


if __name__ == "__main__":
    main(processes=2)
