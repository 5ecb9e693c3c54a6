"""A way to the market that loses, delays, doubles and cuts what goes over it, by a seed."""
import http.client
import random
import socket
import ssl
import threading
import time
import urllib.parse

FAULTS = ("drop the request", "drop the answer", "cut the answer", "delay", "double the request", "double the answer",
          "be busy", "answer nonsense")


# By chance alone one in sixty streams would meet more than a client tries.
IN_A_ROW_MAX = 6


class FlakyProxy:
    """Plain HTTP on `url`; TLS to the market. `share` of the requests meet a fault, streams are cut twice as often."""

    def __init__(self, market_url, seed, share):
        self._market = urllib.parse.urlsplit(market_url).netloc
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one for all: it is dear to make, with the system's roots most of all
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE
        self._random = random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        self._in_a_row = {}  # faults of one request, since it last met none
        self.faults = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self):
        self._listener.close()

    def _listen(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _choose(self, share, request):
        with self._lock:
            in_a_row = self._in_a_row.pop(request, 0)
            if self._random.random() >= share or in_a_row >= IN_A_ROW_MAX:
                return None, 0.0
            self._in_a_row[request] = in_a_row + 1
            fault = self._random.choice(FAULTS)
            self.faults[fault] = self.faults.get(fault, 0) + 1
            return fault, self._random.random()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as reader:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                try:
                    request = read_request(reader)
                    if request is None or not self._answer(connection, *request):
                        return
                except (OSError, http.client.HTTPException, ValueError):
                    return

    def _answer(self, connection, method, path, headers, body):
        """False when the connection is over."""
        is_stream = headers.get("Accept") == "text/event-stream"
        fault, chance = self._choose(self._share * (2 if is_stream else 1), (method, path))
        if fault == "drop the request":
            return False
        if fault == "be busy":
            status = b"429 Too Many Requests" if chance < 0.5 else b"503 Service Unavailable"
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")
            return True
        if fault == "answer nonsense":
            connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
            return False
        if fault == "delay":
            time.sleep(chance)
        if is_stream:
            return self._pass_stream(connection, method, path, headers, None if fault is None else chance)
        answer = self._ask(method, path, headers, body)
        if fault == "double the request":
            answer = self._ask(method, path, headers, body)
        if fault == "drop the answer":
            return False
        if fault == "cut the answer":
            connection.sendall(answer[:int(len(answer) * chance)])
            return False
        connection.sendall(answer)
        if fault == "double the answer":
            connection.sendall(answer)
        return True

    def _upstream(self, method, path, headers, body):
        upstream = http.client.HTTPSConnection(self._market, timeout=60, context=self._tls)
        upstream.request(method, path, body=body, headers=headers)
        return upstream, upstream.getresponse()

    def _ask(self, method, path, headers, body):
        upstream, response = self._upstream(method, path, headers, body)
        data = response.read()
        upstream.close()
        lines = [f"HTTP/1.1 {response.status} {response.reason}"]
        lines += [f"{name}: {value}" for name, value in response.getheaders()
                  if name.lower() not in ("transfer-encoding", "connection", "content-length")]
        lines.append(f"Content-Length: {response.getheader('Content-Length') if method == 'HEAD' else len(data)}")
        return "\r\n".join([*lines, "", ""]).encode() + data

    def _pass_stream(self, connection, method, path, headers, chance):
        """Cuts off after some pieces when there is a chance."""
        upstream, response = self._upstream(method, path, headers, None)
        try:
            connection.sendall(f"HTTP/1.1 {response.status} x\r\nContent-Type: text/event-stream\r\n"
                               "Connection: close\r\n\r\n".encode())
            left = None if chance is None else int(chance * 6)
            while True:
                piece = response.read1(200)
                if not piece or left == 0:
                    return False
                if left is not None:
                    left -= 1
                connection.sendall(piece)
        finally:
            upstream.close()


def read_request(reader):
    line = reader.readline()
    if not line:
        return None
    method, path, _ = line.decode().split()
    headers = {}
    while True:
        line = reader.readline().decode().rstrip("\r\n")
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.title() if name.lower() != "last-event-id" else "Last-Event-ID"] = value.strip()
    body = reader.read(int(headers.get("Content-Length", 0)))
    headers = {name: value for name, value in headers.items() if name not in ("Connection", "Accept-Encoding")}
    return method, path, headers, body
