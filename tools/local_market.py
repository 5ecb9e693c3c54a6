"""A market of real processes in a folder: what the demo and the system tests stand on.

One LocalMarket owns a server and any number of agents, and ends every process that it started. It talks to
them through the `fallow` program; what is asked again and again, while something is waited for, and what every
market begins with it asks the API over a kept connection: a program for each would take the processor from what
is tried or waited for.
"""
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import time
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
ASKED_MAX = 5  # times, of a market that has started anew or is busy


class MarketError(Exception):
    """What went wrong, in words, with the end of the logs where that helps."""


class Refused(MarketError):
    """`fallow` said no: `code` is its exit code, `problem` the API's problem if there is one."""

    def __init__(self, words, done):
        self.code = done.returncode
        text = (done.stderr or done.stdout).strip()
        super().__init__(f"`fallow {' '.join(words)}` exited with {done.returncode}: {text}")
        try:
            self.problem = json.loads(done.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            self.problem = {}


class RestClient:
    """One kept connection to the market's API. The certificate is pinned by the CLI's tests."""

    def __init__(self, market, key=None):
        host, port = market.listen.rsplit(":", 1)
        # Not the default one: to read whom the system trusts takes a tenth of a second.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection(host, int(port), timeout=120, context=context)
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def call(self, method, path, body=None, headers=None):
        """(status, document)"""
        sent = dict(self.headers, **(headers or {}))
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        self.connection.request(method, path, body=data, headers=sent)
        response = self.connection.getresponse()
        text = response.read()
        try:
            return response.status, json.loads(text) if text else {}
        except ValueError:
            return response.status, {"text": text.decode(errors="replace")}

    def close(self):
        self.connection.close()


class LocalMarket:
    def __init__(self, build, folder, intervals=(0.5, 2, 5)):
        """`intervals`: seconds between meter records, until suspended, until closed."""
        self.fallow = str(pathlib.Path(build) / "src" / "fallow")
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "market"
        self.intervals = intervals
        self.server_options = ()
        self.processes = {}
        self.connections = {}  # by API key, while nobody asks by them
        self.listen = "127.0.0.1:0"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("FALLOW_")}
        self.environment["HOME"] = str(folder)
        self.environment["XDG_CONFIG_HOME"] = str(self.folder / "config")

    # ---- processes ---------------------------------------------------------------------------
    def run(self, *words, key=None, timeout=60):
        """The JSON documents that `fallow --json WORDS` prints. Refused when it exits with not 0."""
        environment = dict(self.environment, **({"FALLOW_API_KEY": key} if key else {}))
        done = subprocess.run([self.fallow, "--json", *words], env=environment, capture_output=True,
                              text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Refused(words, done)
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def start(self, name, *words):
        with open(self.folder / f"{name}.log", "a") as log:
            self.processes[name] = subprocess.Popen([self.fallow, *words], env=self.environment, stdout=log,
                                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        return self.processes[name]

    def kill(self, name, signal):
        process = self.processes.pop(name)
        process.send_signal(signal)
        process.wait()

    def end_all(self):
        while self.connections:
            self.connections.popitem()[1].close()
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def log_tail(self, name):
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def wait_until(self, what, check, seconds):
        """The first true answer of check(); MarketError when it takes too long or a process ends."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise MarketError(f"{name} ended with {process.returncode}:\n{self.log_tail(name)}")
            asked_at = time.monotonic()
            answer = check()
            if answer:
                return answer
            # A program under a sanitizer takes a second to start: who only asked and asked again would leave
            # what it waits for no processor.
            time.sleep(min(2, max(0.05, 2 * (time.monotonic() - asked_at))))
        logs = "".join(f"\n--- {name}\n{self.log_tail(name)}" for name in self.processes)
        raise MarketError(f"{what} did not happen within {seconds} s{logs}")

    # ---- the market --------------------------------------------------------------------------
    def start_server(self):
        """Starts, or starts again on the same port, and waits until it answers."""
        meter, suspend, close = (str(s) for s in self.intervals)
        log = self.folder / "server.log"
        seen = log.stat().st_size if log.exists() else 0
        self.start("server", "server", "--json", "--data", str(self.data), "--listen", self.listen, "--name",
                   "local", "--meter-interval", meter, "--suspend-after", suspend, "--close-after", close,
                   *self.server_options)

        def started():
            for line in log.read_text(errors="replace")[seen:].splitlines():
                if line.startswith('{"url"'):
                    return json.loads(line)
            return None

        market = self.wait_until("the server's start", started, 60)
        self.url = market["url"]
        self.listen = self.url.split("//")[1]
        self.certificate = market["certificate"]
        self.environment["FALLOW_URL"] = self.url
        self.environment["FALLOW_CERTIFICATE"] = self.certificate
        self.operator = pathlib.Path(market["operator_key_file"]).read_text().strip()
        return market

    def open_account(self, name, scope, deposit=None):
        """(id, API key)"""
        made = self.ask(self.operator, "POST", "/v1/accounts", {"name": name, "scopes": [scope.upper()]})
        account, key = made["account"]["id"], made["api_key"]
        if deposit:
            self.ask(self.operator, "POST", "/v1/deposits",
                     {"account": account, "amount": deposit, "reference": f"first of {name}"})
        return account, key

    def join_token(self, provider_key):
        """Good for one node."""
        return self.ask(provider_key, "POST", "/v1/join-tokens", {"uses_max": 1, "hours": 24})["token"]

    def start_agent(self, name, *options, token=None):
        join = ["--join", token] if token else []
        return self.start(name, "agent", "--data", str(self.folder / name), "--name", name, *join, *options)

    def join_agent(self, name, provider_key, *options):
        return self.start_agent(name, *options, token=self.join_token(provider_key))

    def look(self, key, path, **parameters):
        """What the API answers to GET `path`: the documents that `fallow --json` prints, many in one."""
        if parameters:
            path += "?" + urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)
        return self.ask(key, "GET", path)

    def ask(self, key, method, path, body=None):
        """The document that the API answers; what is asked again since its answer was lost is done once."""
        headers = {"Idempotency-Key": uuid.uuid4().hex} if body is not None else None
        why = None
        for attempt in range(ASKED_MAX):
            if attempt > 1:  # at first it was but a connection that the market had ended
                time.sleep(0.1 * 2 ** attempt)
            connection = self.connections.pop(key, None) or RestClient(self, key)
            try:
                status, answer = connection.call(method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                why = repr(error)
                continue
            self.connections[key] = connection
            if status == 200:
                return answer
            why = f"{status} {answer}"
            if status not in (429, 503):
                break
        raise MarketError(f"{method} {path} failed: {why}")

    def available(self, key, query, count):
        page = self.look(key, "/v1/offers", query=query, order="price", page_size=100)
        offers = [o for o in page.get("offers", []) if o["available"]]
        return offers if len(offers) >= count else None

    def wait_for_offers(self, key, query, count, seconds=60):
        return self.wait_until(f"{count} available offers", lambda: self.available(key, query, count), seconds)

    def order(self, key, order_id):
        return self.run("jobs", str(order_id), key=key)[0]

    def leases(self, key, order_id, *options):
        return self.run("leases", "--job", str(order_id), *options, key=key)

    def leases_now(self, key, order_id, open_only=False):
        """The same, for whoever asks until they are as he waits for."""
        page = self.look(key, "/v1/leases", order=order_id, open_only=str(open_only).lower(), page_size=100)
        return page.get("leases", [])

    def open_leases(self, key, order_id):
        return self.leases_now(key, order_id, open_only=True)

    def wait_for_end(self, key, order_id, seconds):
        def ended():
            order = self.look(key, f"/v1/orders/{order_id}")
            return order if order["state"] != "OPEN" else None

        return self.wait_until(f"the end of job {order_id}", ended, seconds)
