"""A machine of a test's own: servers on every address of its network namespace.

    world.py ADDRESS... < (ends with its input)

TCP: 80, 443 and 8099 greet with the caller's address; 25, 465 and 587 too, as a mail server would be
there; 3333 is a mining pool (Stratum); 8000 sends until it is hung up on; 9000 swallows. UDP: 53 answers each question for an address
with that of NAMES.
"""
import socket
import subprocess
import sys
import threading

NAMES = {"web.example": "93.184.216.34", "rebound.example": "192.168.50.1", "cloud.example": "169.254.169.254"}


def greet(connection, peer):
    connection.sendall(f"from {peer[0]}\n".encode())
    connection.recv(1)


def pool(connection, peer):
    asked = connection.recv(512)
    if b"mining.subscribe" in asked:
        connection.sendall(b'{"id":1,"result":[[["mining.notify","1"]],"08000002",4],"error":null}\n')


def send(connection, peer):
    block = b"x" * 65536
    while True:
        connection.sendall(block)


def swallow(connection, peer):
    while connection.recv(65536):
        pass


def handle(act, connection, peer):
    try:
        act(connection, peer)
    except OSError:
        pass
    connection.close()


def serve(port, act):
    with socket.create_server(("", port), backlog=4096) as server:
        while True:
            threading.Thread(target=handle, args=(act, *server.accept()), daemon=True).start()


def resolve():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", 53))
        # What came to several addresses is answered from the one that was asked.
        server.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        while True:
            question, control, _, peer = server.recvmsg(512, 256)
            at, words = 12, []
            while question[at]:
                words.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            kind = question[at + 2]
            address = NAMES.get(".".join(words)) if kind == 1 else None
            answer = question[:2] + (b"\x81\x80" if address or kind != 1 else b"\x81\x83") + b"\0\1\0" + (
                b"\1" if address else b"\0") + b"\0\0\0\0" + question[12:at + 5]
            if address:
                answer += b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(address)
            own = control[0][2][4:8]
            server.sendmsg([answer], [(socket.IPPROTO_IP, 8, b"\0" * 4 + own + b"\0" * 4)], 0, peer)


def main():
    for address in sys.argv[1:]:
        subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for port, act in {80: greet, 443: greet, 8099: greet, 25: greet, 465: greet, 587: greet, 3333: pool,
                      8000: send, 9000: swallow}.items():
        threading.Thread(target=serve, args=(port, act), daemon=True).start()
    threading.Thread(target=resolve, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
