#!/usr/bin/env python3
"""Bytes through a tunnel beside a plain TLS copy on the same loopback, in one run, turn by turn: `fallow cp` in and
out, one port, and two streams of one tunnel at once. FALLOW_SANDBOX names the kind of sandbox (runc)."""
import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from local_market import LocalMarket  # noqa: E402
from report import print_rows  # noqa: E402

BYTES = 256 << 20
PEER = "plain TLS copy"
RECEIVE = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
stream = context.wrap_socket(listener.accept()[0], server_side=True)
piece = bytearray(1 << 18)
with open(sys.argv[3], "wb") as file:
    while n := stream.recv_into(piece):
        file.write(memoryview(piece)[:n])
"""
SEND = """
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
stream = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
with open(sys.argv[2], "rb") as file:
    while piece := file.read(1 << 18):
        stream.sendall(piece)
stream.unwrap()
"""
SERVE = ("import http.server, socketserver\n"
         "class Server(socketserver.ForkingMixIn, http.server.HTTPServer): pass\n"
         "server = Server(('127.0.0.1', 8888), http.server.SimpleHTTPRequestHandler)\n"
         "print('ready', flush=True)\nserver.serve_forever()\n")


def tls_copy(folder, source):
    certificate, key, target = folder / "certificate.pem", folder / "key.pem", folder / "tls_copy"
    if not certificate.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVE, certificate, key, target], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
    port = receiver.stdout.readline().strip()
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", SEND, port, source], stderr=subprocess.DEVNULL)
    receiver.wait()
    took = time.monotonic() - began
    assert target.stat().st_size == BYTES
    return took


def fetch(url):
    return subprocess.Popen(["curl", "-sS", "-o", "/dev/null", "-w", "%{time_total} %{size_download}", url],
                            stdout=subprocess.PIPE, text=True)


def timed(*words, environment):
    began = time.monotonic()
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return time.monotonic() - began


def measure(market, folder, rounds):
    market.start_server()
    _, provider = market.open_account("provider", "provider")
    _, renter = market.open_account("renter", "renter", deposit="10.00")
    market.join_agent("node", provider, "--price", "0.36", "--device", "model=TEST_GPU,memory_gb=24", "--sandbox",
                      os.environ.get("FALLOW_SANDBOX", "runc"))
    market.wait_for_offers(renter, "gpu_name=TEST_GPU", 1)
    order = market.run("run", "gpu_name=TEST_GPU", "--hours", "0.5", "--detach", "--", "python3", "-c", SERVE,
                       key=renter)[0]["id"]
    running = market.wait_until("a running lease", lambda: [
        lease for lease in market.leases(renter, order, "--open") if lease["state"] == "RUNNING"], 60)
    lease = running[0]["id"]
    environment = dict(market.environment, FALLOW_API_KEY=renter)
    source = folder / "source"
    source.write_bytes(os.urandom(1 << 20) * (BYTES >> 20))
    forward = subprocess.Popen([market.fallow, "--json", "port-forward", str(lease), "8888:0"], env=environment,
                               stdout=subprocess.PIPE, text=True)
    market.processes["forward"] = forward
    port = int(forward.stdout.readline().split('"local_port":')[1].split("}")[0])
    took = {PEER: [], "cp in": [], "cp out": [], "port-forward": []}
    spread = []
    for _ in range(rounds):
        took[PEER].append(tls_copy(folder, source))
        took["cp in"].append(timed(market.fallow, "cp", source, f"{lease}:file", environment=environment))
        took["cp out"].append(timed(market.fallow, "cp", f"{lease}:file", folder / "back", environment=environment))
        one = fetch(f"http://127.0.0.1:{port}/file").communicate()[0].split()
        assert int(one[1]) == BYTES
        took["port-forward"].append(float(one[0]))
        both = [float(f.communicate()[0].split()[0]) for f in [fetch(f"http://127.0.0.1:{port}/file") for _ in range(2)]]
        spread.append(min(both) / max(both))
    forward.terminate()
    market.processes.pop("forward").wait()
    market.run("stop", str(order), key=renter)
    market.wait_for_end(renter, order, 60)
    speed = {name: BYTES / statistics.median(seconds) / 1e6 for name, seconds in took.items()}
    return [(name, speed[name], "MB/s", f"of {BYTES >> 20} MiB; {speed[name] / speed[PEER]:.2f} of the {PEER}") for name in took] + [
        ("two streams at once", statistics.median(spread), "ratio", "the quicker's time by the slower's; 1 is even")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fallow-reach-", ignore_cleanup_errors=True) as path:
        market = LocalMarket(options.build, pathlib.Path(path))
        try:
            rows = measure(market, pathlib.Path(path), options.rounds)
        finally:
            market.end_all()
    print_rows(rows, options.json)


if __name__ == "__main__":
    main()
