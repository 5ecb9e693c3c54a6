"""Runs inside a lease with egress: one line of JSON for each thing tried, with what came of it.

    attempts.py MBPS_ENOUGH HOST_ADDRESS...
"""
import json
import socket
import sys
import time

WEB = "93.184.216.34"
SECONDS = 3
TRIES = 3
OPENED = 120


def tell(name, got):
    print(json.dumps({"attempt": name, "got": got}), flush=True)


def attempt(name, act):
    try:
        got = act()
    except OSError as error:
        got = f"denied {error.strerror or error}"
    tell(name, got)


def reach(host, port, family=socket.AF_INET):
    def run():
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.settimeout(4)
            one.connect((host, port))
            return "reached " + one.recv(100).decode().strip()
    return run


def mine():
    with socket.create_connection((WEB, 3333), timeout=4) as one:
        one.sendall(b'{"id":1,"method":"mining.subscribe","params":["miner/1.0"]}\n')
        return "reached " + one.recv(200).decode().strip()


def tell_udp(host, port):
    """A question to a resolver: only an answer counts."""
    def run():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(2)
            one.connect((host, port))
            one.send(b"FW\1\0\0\1\0\0\0\0\0\0\3web\7example\0\0\1\0\1")
            return f"reached, {len(one.recv(512))} bytes"
    return run


def by_name(name):
    def run():
        return reach(socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0], 80)()
    return run


def down():
    with socket.create_connection((WEB, 8000), timeout=5) as one:
        one.recv(65536)
        begun, got = time.monotonic(), 0
        while time.monotonic() - begun < SECONDS:
            got += len(one.recv(65536))
        return got * 8 / 1e6 / (time.monotonic() - begun)


def up():
    block = b"x" * 65536
    with socket.create_connection((WEB, 9000), timeout=5) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 262144)
        begun, sent = time.monotonic(), 0
        while time.monotonic() - begun < SECONDS:
            sent += one.send(block)
        one.shutdown(socket.SHUT_WR)
        one.settimeout(30)
        one.recv(1)  # the other side has all of it
        return sent * 8 / 1e6 / (time.monotonic() - begun)


def quickest(measure):
    """Of some tries, until one is quick enough: a busy machine may hold one up for all of its time."""
    def run():
        best = 0.0
        for _ in range(TRIES):
            best = max(best, measure())
            if best > float(sys.argv[1]):
                break
        return best
    return run


def many():
    """How many connections stand at once."""
    opened = []
    for _ in range(OPENED):
        try:
            opened.append(socket.create_connection((WEB, 80), timeout=2))
        except OSError:
            pass
    count = len(opened)
    for one in opened:
        one.close()
    return count


def main():
    attempt("the internet, port 80", reach(WEB, 80))
    attempt("the internet, port 443", reach(WEB, 443))
    attempt("the internet by name", by_name("web.example"))
    attempt("the resolver", tell_udp("9.9.9.9", 53))
    for port in (25, 465, 587):
        attempt(f"mail, port {port}", reach(WEB, port))
    attempt("a mining pool, port 3333", mine)
    attempt("the provider's LAN", reach("192.168.50.1", 80))
    attempt("the provider's LAN by a name that leads there", by_name("rebound.example"))
    attempt("the LAN's resolver", tell_udp("192.168.50.1", 53))
    attempt("the neighbour on the uplink, a public address", reach("130.82.7.1", 80))
    attempt("a range that the provider closed", reach("198.41.0.4", 80))
    attempt("metadata", reach("169.254.169.254", 80))
    attempt("metadata by name", by_name("cloud.example"))
    attempt("private 10/8", reach("10.20.30.40", 80))
    attempt("private 172.16/12", reach("172.20.0.1", 80))
    attempt("shared 100.64/10", reach("100.100.0.1", 80))
    attempt("multicast", tell_udp("224.0.0.251", 53))
    attempt("broadcast", tell_udp("255.255.255.255", 53))
    for address in sys.argv[2:]:
        attempt(f"the host at {address}", reach(address, 8099))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect((WEB, 80))
        own = one.getsockname()[0]
    parts = own.split(".")
    attempt("the host at its end of the link", reach(".".join([*parts[:3], str(int(parts[3]) - 1)]), 8099))
    attempt("the internet by IPv6", reach("2606:2800::1", 80, socket.AF_INET6))
    attempt("the link's own IPv6", reach("fe80::1", 80, socket.AF_INET6))
    try:
        other = open("other").read().strip()
        attempt("another lease", reach(other, 7000))
    except FileNotFoundError:
        pass
    attempt("Mbit/s inwards", quickest(down))
    attempt("Mbit/s outwards", quickest(up))
    attempt("connections at once", many)


if __name__ == "__main__":
    main()
