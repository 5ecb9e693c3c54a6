#!/usr/bin/env python3
"""Webhooks to a real receiver that fails in every way, while the server is killed: nothing is lost, nothing comes
out of turn, and every message verifies by what Standard Webhooks says, computed here anew."""
import base64
import hashlib
import hmac
import http.server
import json
import random
import signal
import ssl
import subprocess
import threading
import time

import harness
from harness import PATIENCE

KINDS = ("--on", "transferred")


def verify(secret, headers, body):
    """The sentence of what is wrong, or nothing."""
    if not secret.startswith("whsec_"):
        return "the secret does not begin with whsec_"
    key = base64.b64decode(secret[len("whsec_"):], validate=True)
    if not 24 <= len(key) <= 64:
        return f"the secret has {len(key)} bytes"
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        return "the timestamp is not of now"
    given = headers["webhook-signature"].split(" ")
    if not any(hmac.compare_digest(each, f"v1,{expected}") for each in given):
        return "no signature fits"
    return None


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what it verifies; with `flaky` it fails one time in four, in many ways."""
    daemon_threads = True
    ways = ("error", "drop", "redirect", "half", "slow")

    def __init__(self, flaky=False, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.flaky, self.tls = flaky, tls
        self.secrets = []
        self.taken = []     # (id, document) of every one that was answered with success
        self.troubles = []  # what did not verify
        self.failed = 0
        self.random = random.Random(7)
        self.lock = threading.Lock()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_address[1]}/in?from=fallow"

    def handle_error(self, request, client_address):
        pass  # the other side was killed

    def first_ids(self):
        """The ids in the order in which they were first taken."""
        with self.lock:
            return list(dict.fromkeys(name for name, _ in self.taken))

    def documents(self):
        with self.lock:
            return dict(self.taken)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.lock:
            wrong = [verify(secret, self.headers, body) for secret in server.secrets]
            if all(wrong):
                server.troubles.append((self.headers["webhook-id"], wrong))
            way = server.random.choice(server.ways) if server.flaky and server.random.random() < 0.25 else None
            if way:
                server.failed += 1
        if way == "error":
            return self.answer(server.random.choice((500, 503, 404)))
        if way == "redirect":
            return self.answer(302, [("Location", server.url)])
        if way == "drop":
            self.close_connection = True
            return None
        if way == "half":
            self.wfile.write(b"HTTP/1.1 200")
            self.close_connection = True
            return None
        if way == "slow":
            time.sleep(0.3)
        with server.lock:
            server.taken.append((self.headers["webhook-id"], json.loads(body)))
        return self.answer(204)


def place(name):
    return tuple(int(part) for part in name.split("_")[2:])


class Webhooks(harness.SystemTest):
    server_options = ("--webhook-allow", "127.0.0.0/8")

    def add(self, receiver, *options):
        made = self.market.run("webhooks", "add", receiver.url, *options, key=self.renter)[0]
        receiver.secrets.append(made["secret"])
        return made["webhook"]["id"]

    def deposit(self, count, first=0):
        client = harness.RestClient(self.market, self.market.operator)
        for number in range(first, first + count):
            status, answer = client.call("POST", "/v1/deposits", {
                "account": self.renter_id, "amount": f"0.{number + 1:06}", "reference": f"deposit-{number}"})
            self.assertEqual(status, 200, answer)
        client.close()

    def wait_for(self, receiver, amounts):
        def all_there():
            found = {int(document["data"]["event"]["transferred"]["amount_micros"])
                     for document in receiver.documents().values()}
            return amounts <= found

        self.market.wait_until(f"{len(amounts)} deliveries", all_there, 120 * PATIENCE)

    def test_a_flaky_receiver_and_a_server_that_is_killed(self):
        receiver = Receiver(flaky=True)
        self.addCleanup(receiver.shutdown)
        webhook = self.add(receiver, *KINDS)
        for part in range(3):
            self.deposit(15, part * 15)
            time.sleep(0.5)
            self.market.kill("server", signal.SIGKILL)
            self.market.start_server()
        self.wait_for(receiver, set(range(1, 46)))
        self.assertEqual(receiver.troubles, [])
        self.assertGreater(receiver.failed, 5)
        ids = receiver.first_ids()
        self.assertEqual([place(name) for name in ids], sorted(place(name) for name in ids))
        for name, document in receiver.documents().items():
            self.assertEqual(document["type"], "transferred", name)
            self.assertEqual(int(document["data"]["index"]), place(name)[0])
        again = len(receiver.taken) - len(ids)
        print(f"\n{len(ids)} events, {receiver.failed} failures, 3 kills of the server: all came, in order, "
              f"{again} of them twice")
        self.market.wait_until("the end of failures", lambda: "failing_since" not in self.market.run(
            "webhooks", key=self.renter)[0], 30 * PATIENCE)
        deliveries = self.market.run("webhooks", "deliveries", webhook, key=self.renter)
        self.assertEqual(deliveries[0]["id"], ids[-1])
        self.assertTrue(all(each["delivered"] for each in deliveries))
        # Again, by name and from a moment on.
        before = len(receiver.taken)
        receiver.flaky = False
        self.market.run("webhooks", "replay", webhook, "--delivery", ids[5], key=self.renter)
        self.market.wait_until("one again", lambda: len(receiver.taken) > before, 30 * PATIENCE)
        self.assertEqual(receiver.taken[before][0], ids[5])
        self.market.run("webhooks", "replay", webhook, "--since", "2020-01-01T00:00:00Z", key=self.renter)
        self.market.wait_until("all again", lambda: len(receiver.taken) >= before + 1 + len(ids), 60 * PATIENCE)
        self.assertEqual([name for name, _ in receiver.taken[before + 1:]], ids)
        self.audit()

    def test_a_secret_is_changed_and_the_wrong_one_is_seen(self):
        receiver = Receiver()
        self.addCleanup(receiver.shutdown)
        webhook = self.add(receiver, *KINDS)
        self.deposit(2)
        self.wait_for(receiver, {1, 2})
        former = receiver.secrets.pop()
        changed = self.market.run("webhooks", "secret", webhook, key=self.renter)[0]["secret"]
        self.assertNotEqual(changed, former)
        receiver.secrets = [changed]
        self.deposit(1, 2)
        receiver.secrets = [former]  # for a day the former one signs, too
        self.deposit(1, 3)
        self.wait_for(receiver, {1, 2, 3, 4})
        self.assertEqual(receiver.troubles, [])
        receiver.secrets = ["whsec_" + base64.b64encode(b"x" * 32).decode()]
        self.deposit(1, 4)
        self.wait_for(receiver, {5})
        self.assertEqual([trouble for _, trouble in receiver.troubles], [["no signature fits"]])

    def test_over_tls_by_a_certificate_that_the_system_trusts(self):
        tls = self.market.data / "tls"
        receiver = Receiver(tls=(str(tls / "certificate.pem"), str(tls / "key.pem")))
        self.addCleanup(receiver.shutdown)
        webhook = self.add(receiver, *KINDS)
        self.deposit(1)

        def refused():
            found = self.market.run("webhooks", "deliveries", webhook, key=self.renter)
            return found and found[0]["trouble"]

        self.assertIn("certificate", self.market.wait_until("a refusal", refused, 30 * PATIENCE))
        self.assertEqual(receiver.taken, [])
        self.market.kill("server", signal.SIGTERM)
        self.market.environment["SSL_CERT_FILE"] = str(tls / "certificate.pem")
        self.market.start_server()
        self.wait_for(receiver, {1})
        self.assertEqual(receiver.troubles, [])

    def test_keys_and_teams_by_the_command_line(self):
        viewer = self.market.run("keys", "create", "--role", "viewer", "--label", "dashboard", "--hours", "24",
                                 key=self.renter)[0]
        self.assertEqual(viewer["key"]["role"], "VIEWER")
        self.market.run("wallet", key=viewer["api_key"])
        with self.assertRaises(harness.Refused) as refused:
            self.market.run("keys", "create", key=viewer["api_key"])
        self.assertEqual(refused.exception.code, 3)
        self.assertEqual(refused.exception.problem["code"], "not_allowed")
        found = {key["label"]: key for key in self.market.run("keys", key=self.renter)}
        self.assertIn("last_used_at", found["dashboard"])
        self.assertIn("expires_at", found["dashboard"])
        self.market.kill("server", signal.SIGTERM)
        self.market.start_server()
        found = {key["label"]: key for key in self.market.run("keys", key=self.renter)}
        self.assertIn("last_used_at", found["dashboard"])
        self.market.run("keys", "revoke", viewer["key"]["id"], key=self.renter)
        with self.assertRaises(harness.Refused):
            self.market.run("wallet", key=viewer["api_key"])

        member, key = self.market.open_account("colleague", "renter")
        self.market.run("team", "set", member, "billing", key=self.renter)
        self.assertTrue(self.market.run("team", "of-mine", key=key)[0]["invited"])
        with self.assertRaises(harness.Refused):
            self.market.run("--team", self.renter_id, "wallet", key=key)
        self.market.run("team", "join", self.renter_id, key=key)
        self.assertEqual([team["account"] for team in self.market.run("team", "of-mine", key=key)], [self.renter_id])
        wallet = self.market.run("--team", self.renter_id, "wallet", key=key)[0]
        self.assertEqual(wallet["account"], self.renter_id)
        self.market.run("--team", self.renter_id, "wallet", "budget", "50", key=key)
        with self.assertRaises(harness.Refused):
            self.market.run("--team", self.renter_id, "run", "--detach", "--", "true", key=key)
        environment = dict(self.market.environment, FALLOW_API_KEY=key, FALLOW_TEAM=self.renter_id)
        shown = subprocess.run([self.market.fallow, "wallet"], env=environment, capture_output=True, text=True,
                               timeout=60 * PATIENCE)
        self.assertIn(f"account {self.renter_id}", shown.stdout)
        self.market.run("team", "leave", self.renter_id, key=key)
        with self.assertRaises(harness.Refused):
            self.market.run("--team", self.renter_id, "wallet", key=key)
        self.audit()


class ForeignAddresses(harness.SystemTest):
    """Without the operator's leave nothing but the public internet is spoken to."""

    def test_nothing_inside_is_reached(self):
        receiver = Receiver()
        self.addCleanup(receiver.shutdown)
        port = receiver.server_address[1]
        for url in (receiver.url, f"https://127.0.0.1:{port}/", f"https://[::1]:{port}/", "https://10.0.0.1/",
                    "https://169.254.169.254/latest/meta-data/", "https://user@example.org/"):
            with self.assertRaises(harness.Refused) as refused:
                self.market.run("webhooks", "add", url, key=self.renter)
            self.assertEqual(refused.exception.problem["field"], "url", url)
        # By names it is found out when they are used.
        for host in ("2130706433", "0x7f000001", "127.1"):
            made = self.market.run("webhooks", "add", f"https://{host}:{port}/", key=self.renter)[0]

            def tried(webhook=made["webhook"]["id"]):
                return self.market.run("webhooks", "deliveries", webhook, key=self.renter)

            delivery = self.market.wait_until("an attempt", tried, 30 * PATIENCE)[0]
            self.assertIn("at no address that may be reached", delivery["trouble"], host)
            self.market.run("webhooks", "remove", made["webhook"]["id"], key=self.renter)
        self.assertEqual(receiver.taken, [])


if __name__ == "__main__":
    harness.main(processes=2)
