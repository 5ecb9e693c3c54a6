#!/usr/bin/env python3
"""Bad input over real sockets: a clear error each time, nothing lost, the server up."""
import json
import os
import socket
import ssl
import subprocess
import time

from harness import PATIENCE, Refused, RestClient, SystemTest, main


class BadInputTest(SystemTest):
    def raw(self, data, wait=5.0):
        """What the server answers to these bytes on a fresh TLS connection, until it closes or waits."""
        host, port = self.market.listen.rsplit(":", 1)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection((host, int(port)), timeout=wait * PATIENCE) as plain:
            with context.wrap_socket(plain) as connection:
                try:
                    connection.sendall(data)
                except OSError:
                    pass
                answer = b""
                try:
                    while chunk := connection.recv(65536):
                        answer += chunk
                except OSError:
                    pass
                return answer

    def quote(self, **fields):
        client = RestClient(self.market, self.renter)
        body = {"query": self.query, "hours": 1}
        body.update(fields)
        status, answer = client.call("POST", "/v1/quotes", json.dumps(body).encode())
        client.close()
        return status, answer

    def assert_alive(self):
        client = RestClient(self.market)
        self.assertEqual(client.call("GET", "/readyz")[0], 200)
        client.close()

    def assert_problem(self, answer, status, code=None):
        got, problem = answer
        self.assertEqual(got, status, problem)
        self.assertTrue(problem.get("detail"), problem)
        if code:
            self.assertEqual(problem["code"], code, problem)

    def test_json_that_is_wrong(self):
        self.join("node")
        self.assertEqual(self.quote()[0], 200)
        self.assert_problem(self.quote(colour="red"), 400, "unknown_field")
        self.assert_problem(self.quote(hours="many"), 400)
        self.assert_problem(self.quote(gpus=-1), 400)
        self.assert_problem(self.quote(gpus=10**30), 400)
        self.assert_problem(self.quote(hours=1e18), 400)
        self.assert_problem(self.quote(hours=-1), 400)
        self.assert_problem(self.quote(max_price_per_hour="-1"), 400)
        self.assert_problem(self.quote(max_price_per_hour="99999999999999999999"), 400)
        self.assert_problem(self.quote(max_price_per_hour="0.0000001"), 400)
        self.assert_problem(self.quote(query="gpu_ram>>24"), 400, "query_invalid")
        self.assertEqual(self.quote(query="gpu_ram>=24 colour=red")[1]["column"], 13)
        client = RestClient(self.market, self.renter)
        for body in (b"", b"{", b"[]", b"null", b"\xff\xfe{}", b'{"query": "\xff"}', b"[" * 100_000,
                     b'{"query":"a","query":"b"}x'):
            status, problem = client.call("POST", "/v1/quotes", body)
            self.assertIn(status, (200, 400, 409), (body[:20], problem))
        self.assert_alive()

    def test_requests_that_are_too_large(self):
        line = b"GET /v1/market HTTP/1.1\r\nHost: x\r\n"
        answer = self.raw(line + b"X-Big: " + b"a" * 10_000_000 + b"\r\n\r\n")
        self.assertTrue(answer == b"" or b" 431 " in answer[:64], answer[:200])
        answer = self.raw(line + b"".join(b"X-%d: y\r\n" % i for i in range(100_000)) + b"\r\n")
        self.assertTrue(answer == b"" or b" 431 " in answer[:64], answer[:200])
        answer = self.raw(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(answer == b"" or answer[9:12] in (b"414", b"431"), answer[:200])
        client = RestClient(self.market, self.renter)
        try:
            status, _ = client.call("POST", "/v1/quotes", b'{"query":"' + b"a" * 5_000_000 + b'"}')
            self.assertEqual(status, 413)
        except OSError:
            pass  # cut off while sending is an answer, too
        self.assert_alive()

    def test_requests_that_are_ambiguous(self):
        for head in (b"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
                     b"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
                     b"GET /v1/market HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
                     b"GET /v1/market HTTP/9.9\r\nHost: x\r\n\r\n",
                     b"\x16\x03\x01\x00\x00garbage\r\n\r\n"):
            answer = self.raw(head)
            self.assertTrue(answer == b"" or answer[9:10] in (b"4", b"5"), (head, answer[:200]))
        self.assert_alive()

    def test_connections_that_say_nothing(self):
        host, port = self.market.listen.rsplit(":", 1)
        silent = [socket.create_connection((host, int(port))) for _ in range(50)]
        self.assert_alive()
        slow = socket.create_connection((host, int(port)))
        begun = time.monotonic()
        slow.settimeout(60 * PATIENCE)
        self.assertEqual(slow.recv(1), b"", "a half-open connection must be ended")
        self.assertLess(time.monotonic() - begun, 40 * PATIENCE)
        for connection in silent + [slow]:
            connection.close()
        self.assert_alive()

    def test_money_and_names_that_are_wrong(self):
        operator = RestClient(self.market, self.market.operator)
        for amount in ("-1", "0", "1e3", "", "9" * 30, "0.0000001", "NaN", "١"):
            status, problem = operator.call("POST", "/v1/deposits",
                                            {"account": self.renter_id, "amount": amount, "reference": "r" + amount})
            self.assertEqual(status, 400, (amount, problem))
        status, problem = operator.call("POST", "/v1/deposits",
                                        {"account": "999999", "amount": "1", "reference": "x"})
        self.assertEqual(status, 404, problem)
        client = RestClient(self.market, self.renter)
        for name in ("../operator.key", "..%2f..%2foperator.key", "%2e%2e/operator.key", "a" * 64, "A" * 64,
                     "0" * 63, "0" * 65, "/etc/passwd", "%00" * 32):
            status, _ = client.call("GET", f"/v1/artifacts/{name}")
            self.assertIn(status, (400, 404), name)
        self.assert_alive()

    def test_the_command_line_says_what_is_wrong(self):
        cases = ((["quote", "gpu_ram>="], 2), (["quote", "colour=red"], 2), (["run", self.query], 2),
                 (["offers", "--count", "x"], 2), (["jobs", "1"], 3), (["receipt", "1"], 3), (["frobnicate"], 2),
                 (["quote", "gpu_name=NO_SUCH_GPU"], 3),
                 (["--url", "https://127.0.0.1:1", "wallet"], 4), (["--url", "ftp://x", "wallet"], 2),
                 (["receipt", "verify", "/etc/passwd"], 2))
        for words, code in cases:
            with self.assertRaises(Refused) as caught:
                self.market.run(*words, key=self.renter)
            self.assertEqual(caught.exception.code, code, f"{words}: {caught.exception}")
            self.assertGreater(len(str(caught.exception)), 40)

    def test_an_altered_log_is_refused(self):
        for number in range(5):
            self.market.open_account(f"account {number}", "renter")
        self.market.end_all()
        for name in ("log.db", "log.db-wal"):
            path = self.market.data / "log" / name
            if path.exists() and b"account 3" in path.read_bytes():
                data = path.read_bytes().replace(b"account 3", b"account 8")
                path.write_bytes(data)
        with self.assertRaises(Exception) as caught:
            self.market.start_server()
        self.assertIn("entry", str(caught.exception))
        self.assertIn("Restore", str(caught.exception))

    def test_a_full_disk_loses_nothing(self):
        if os.geteuid() != 0:
            self.skipTest("mounting a small file system needs root")
        self.market.end_all()
        small = self.folder / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", small], check=False).returncode != 0:
            self.skipTest("tmpfs cannot be mounted here")
        try:
            self.market.data = small / "market"
            self.market.start_server()
            account, key = self.market.open_account("saver", "renter")
            ballast = small / "ballast"
            answered = 0
            with open(ballast, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 4096)
                except OSError:
                    pass
            operator = RestClient(self.market, self.market.operator)
            refused = 0
            for number in range(400):
                status, answer = operator.call("POST", "/v1/deposits", {
                    "account": account, "amount": "0.01", "reference": f"n{number}"})
                answered += status == 200
                refused += status == 503
                self.assertIn(status, (200, 429, 503), answer)
                if refused >= 3:
                    self.assertIn("store", answer["detail"])
                    break
            self.assertGreater(refused, 0, "the disk did not fill")
            ballast.unlink()
            deadline = time.monotonic() + 30 * PATIENCE
            while time.monotonic() < deadline:
                status, _ = operator.call("POST", "/v1/deposits", {
                    "account": account, "amount": "0.01", "reference": "after"})
                if status == 200:
                    answered += 1
                    break
                time.sleep(0.2)
            self.assertEqual(status, 200, "the market did not recover once there was space")
            wallet = self.market.run("wallet", key=key)[0]
            self.assertEqual(float(wallet["available"]), answered / 100)
            self.market.end_all()
            self.audit()
        finally:
            self.market.end_all()
            subprocess.run(["umount", "-l", small], check=False)


if __name__ == "__main__":
    main(processes=2)
