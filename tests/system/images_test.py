#!/usr/bin/env python3
"""Orders that run OCI images, from a real registry on loopback: pulled once, pinned, blamed right, whole after kill -9."""
import base64
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
import time
import unittest

from harness import PATIENCE, Refused, SystemTest, main

TOOLS = ("skopeo", "umoci", "docker-registry", "bwrap")


def missing_tools():
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def layer(files, more=()):
    """A gzipped layer: {name: bytes}, then whole TarInfos."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
        for info in more:
            tar.addfile(info)
    return out.getvalue()


def shell_files():
    """The host's shell and what it needs to start."""
    files = {"bin/sh": pathlib.Path("/bin/sh").read_bytes()}
    for program in ("/bin/sh",):
        for path in re.findall(r"(/\S+)", subprocess.run(["ldd", program], capture_output=True, text=True).stdout):
            files[path.rstrip(")").lstrip("(/")] = pathlib.Path(path.strip("()")).read_bytes()
    return files


def write_image(folder, layers, config=None):
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    parts = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **put(gzip.compress(one, 1))}
             for one in layers]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    about = put(json.dumps({"architecture": machine, "os": "linux", "config": config or {},
                            "rootfs": {"type": "layers",
                                       "diff_ids": ["sha256:" + hashlib.sha256(one).hexdigest() for one in layers]},
                            }).encode())
    manifest = put(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                               "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **about},
                               "layers": parts}).encode())
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest,
         "annotations": {"org.opencontainers.image.ref.name": "v1"}}]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return manifest["digest"]


class Registry:
    """Debian's docker-registry on a port of the kernel's choice."""

    def __init__(self, folder, password=None):
        folder.mkdir()
        self.log = folder / "log"
        self.log.touch()
        lines = ["version: 0.1", "log: {level: info}", f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}",
                 "http: {addr: '127.0.0.1:0'}"]
        if password:
            import crypt
            (folder / "users").write_text("renter:" + crypt.crypt(password, crypt.METHOD_BLOWFISH) + "\n")
            lines.append(f"auth: {{htpasswd: {{realm: test, path: {folder}/users}}}}")
        (folder / "config.yml").write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")],
                                        stdout=self.log.open("a"), stderr=subprocess.STDOUT)
        end = time.monotonic() + 20 * PATIENCE
        while not (found := re.search(r"listening on (127\.0\.0\.1:\d+)", self.log.read_text())):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("docker-registry did not start:\n" + self.log.read_text())
            time.sleep(0.05)
        self.address = found.group(1)

    def push(self, image, name, credentials=()):
        subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", *credentials,
                        f"oci:{image}:v1", f"docker://{self.address}/{name}"], check=True, capture_output=True,
                       timeout=60 * PATIENCE)

    def pulls_of(self, name):
        """How often a blob of the image was sent."""
        return len(re.findall(rf'"GET /v2/{name}/blobs/', self.log.read_text()))

    def end(self):
        self.process.terminate()
        self.process.wait()


class Gate:
    """A proxy before a registry that can slow down, cut connections, and refuse."""

    def __init__(self, address):
        host, port = address.split(":")
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.bytes_per_second = None
        self.cut_after = None  # bytes of a connection's answers
        self.bytes_passed = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.join, args=(client,), daemon=True).start()

    def join(self, client):
        server = socket.create_connection(self.target)
        threading.Thread(target=self.copy, args=(client, server, False), daemon=True).start()
        self.copy(server, client, True)

    def copy(self, source, to, counted):
        passed = 0
        try:
            while data := source.recv(65536):
                if counted:
                    passed += len(data)
                    self.bytes_passed += len(data)
                    if self.cut_after is not None and passed > self.cut_after:
                        break
                    if self.bytes_per_second:
                        time.sleep(len(data) / self.bytes_per_second)
                to.sendall(data)
        except OSError:
            pass
        for one in (source, to):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def end(self):
        self.listener.close()


@unittest.skipIf(missing_tools(), "apt-get install skopeo umoci docker-registry bubblewrap; missing here: " +
                 ", ".join(missing_tools()))
class ImagesTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.registry = Registry(self.folder / "registry")
        self.addCleanup(self.registry.end)
        self.gate = Gate(self.registry.address)
        self.addCleanup(self.gate.end)
        self.options = ("--registry", self.registry.address, "--registry", self.gate.address)
        self.digest = write_image(self.folder / "tool", [layer({**shell_files(), "etc/name": b"the tool\n"})],
                                  {"Env": ["GREETING=hello"], "Entrypoint": ["/bin/sh"],
                                   "Cmd": ["-c", "echo default"]})
        self.registry.push(self.folder / "tool", "org/tool:1")

    def join(self, name, *options, price="0.36", count=1):
        self.sandboxes()
        before = len(self.market.available(self.renter, self.query, 0) or [])
        self.market.join_agent(name, self.provider, "--price", price, "--device", f"{self.device},count={count}",
                               "--cpu-thousandths", "64000", "--memory-mb", "65536", *self.options, *options)
        self.market.wait_for_offers(self.renter, self.query, before + 1, 60 * PATIENCE)

    def order(self, image, *command, options=()):
        return self.submit(*command, options=("--image", image, *options))

    def leases(self, order):
        return sorted(self.market.leases(self.renter, order), key=lambda lease: int(lease["id"]))

    def images_of(self, name):
        return sorted(os.listdir(self.folder / name / "images" / "images"))

    def test_runs_pinned_and_says_what_ran(self):
        self.join("node", count=2)
        name = f"{self.registry.address}/org/tool"
        script = "read line < /etc/name; echo \"$GREETING from $line\"; [ -e /usr/bin ] || echo alone"
        order = self.order(f"{name}:1", "-c", script, options=("--tasks", "2"))
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        self.assertEqual(self.output(order).count("hello from the tool\nalone\n"), 2)
        self.assertEqual(self.images_of("node"), [self.digest[7:]])
        self.assertEqual(self.registry.pulls_of("org/tool"), 2, "one layer, one configuration, once")
        for lease in self.leases(order):
            self.assertEqual(lease["image_digest"], self.digest)
            receipt = self.market.run("receipt", lease["id"], key=self.renter)[0]
            self.assertIn(bytes.fromhex(self.digest[7:]), base64.b64decode(receipt["body"]))
        pinned = self.order(f"{name}@{self.digest}", "-c", "echo pinned")
        self.assertEqual(self.wait_end(pinned)["state"], "ORDER_DONE")
        # Its own command, where the order names none.
        words = ["run", self.query, "--hours", "0.5", "--detach", "--image", f"{name}:1"]
        own = self.market.run(*words, key=self.renter)[0]["id"]
        self.assertEqual(self.wait_end(own)["state"], "ORDER_DONE")
        self.assertIn("default\n", self.output(own))
        self.assertEqual(self.registry.pulls_of("org/tool"), 2, "nothing was pulled again")
        self.audit()

    def test_an_archive_of_the_input(self):
        self.join("node")
        given = self.folder / "input"
        given.mkdir()
        subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{self.folder}/tool:v1",
                        f"oci-archive:{given}/tool.tar"], check=True, timeout=60 * PATIENCE)
        order = self.order("oci-archive:tool.tar", "-c", "[ -e tool.tar ] && echo found", options=("--in", str(given)))
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        self.assertIn("found\n", self.output(order))

    def assert_fails(self, image, reason, blame, said=""):
        order = self.order(image, "-c", "true", options=("--attempts", "1"))
        ended = self.wait_end(order, 150)
        self.assertEqual(ended["state"], "ORDER_FAILED")
        lease = self.leases(order)[-1]
        self.assertEqual((lease["reason"], lease["blame"]), (reason, blame), lease.get("detail"))
        self.assertIn(said, lease["detail"])
        self.assertEqual(float(lease["charged"]), 0)
        return lease

    def test_blames_whom_it_should(self):
        self.join("node")
        locked = Registry(self.folder / "locked", "secret")
        self.addCleanup(locked.end)
        locked.push(self.folder / "tool", "private/tool:1", ("--dest-creds", "renter:secret"))
        self.market.kill("node", signal.SIGTERM)
        self.market.start_agent("node", "--device", self.device, *self.options, "--registry", locked.address)
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        address = self.registry.address
        renter = ("INPUT_INVALID", "BLAME_RENTER")
        self.assert_fails(f"{address}/org/none:1", *renter, "unknown")  # the name or the manifest: registries differ
        self.assert_fails(f"{address}/org/tool:none", *renter, "manifest unknown")
        self.assert_fails(f"{address}/org/tool@sha256:{'0' * 64}", *renter)
        self.assert_fails(f"{locked.address}/private/tool:1", *renter, "authentication required")
        self.assert_fails("127.0.0.2:5000/org/tool:1", *renter, "not on the public internet")
        self.assert_fails("NOT A NAME", *renter)
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            gone = "127.0.0.1:%d" % nobody.getsockname()[1]
        self.assertNotEqual(gone, address)
        self.gate.cut_after = 0
        self.assert_fails(f"{self.gate.address}/org/tool:1", "IMAGE_UNAVAILABLE", "BLAME_MARKET")
        self.assertEqual(self.images_of("node"), [])

    def big_image(self, megabytes):
        digest = write_image(self.folder / "big", [layer({"data": os.urandom(megabytes << 20)}),
                                                   layer({**shell_files(), "etc/name": b"big\n"})],
                             {"Entrypoint": ["/bin/sh"]})
        self.registry.push(self.folder / "big", "org/big:1")
        return digest

    def test_a_registry_that_dies_in_the_middle_is_gone_on_with(self):
        self.join("node")
        digest = self.big_image(8)
        self.gate.cut_after = 3 << 20
        order = self.order(f"{self.gate.address}/org/big:1", "-c", "read line < /etc/name; echo $line")
        self.market.wait_until("a pull that was cut", lambda: self.gate.bytes_passed > 3 << 20, 30 * PATIENCE)
        self.assertEqual(self.images_of("node"), [])
        self.gate.cut_after = None
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        self.assertIn("big", self.output(order).splitlines())
        self.assertEqual(self.images_of("node"), [digest[7:]])

    def test_killed_while_it_pulls(self):
        self.join("node")
        digest = self.big_image(8)
        self.gate.bytes_per_second = 4 << 20
        order = self.order(f"{self.gate.address}/org/big:1", "-c", "echo whole")
        tries = 4
        for i in range(tries):
            before = self.gate.bytes_passed
            self.market.wait_until("a pull", lambda: self.gate.bytes_passed > before + (1 << 20), 30 * PATIENCE)
            time.sleep(0.4 * i)
            self.market.kill("node", signal.SIGKILL)
            self.assertIn(self.images_of("node"), ([], [digest[7:]]))
            self.market.start_agent("node", "--device", self.device, *self.options)
            if self.images_of("node"):
                break
        self.gate.bytes_per_second = None
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        self.assertIn("whole\n", self.output(order))
        self.assertEqual(self.images_of("node"), [digest[7:]])
        pull = self.folder / "node" / "images" / "pull"
        self.market.wait_until("an empty tmp", lambda: not os.listdir(pull / "tmp"), 10 * PATIENCE)
        for blob in (pull / "blobs" / "sha256").iterdir():
            self.assertEqual(hashlib.sha256(blob.read_bytes()).hexdigest(), blob.name)

    def test_nodes_without_images_are_not_taken(self):
        self.join("plain", "--images-gb", "0", price="0.10")
        name = f"{self.registry.address}/org/tool:1"
        with self.assertRaises(Refused) as refused:
            self.order(name, "-c", "true")
        self.assertEqual(refused.exception.problem.get("code"), "no_match")
        self.join("able", price="0.50")
        order = self.order(name, "-c", "true")
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        self.assertEqual(self.leases(order)[0]["node_name"], "able")

    def test_a_hostile_image_leaves_the_host_alone(self):
        self.join("node")
        mark = self.folder / "mark"
        mark.write_text("mine")
        evil = []
        for name, kind, target in (("up", tarfile.SYMTYPE, "../../../../../../.."), ("work", tarfile.SYMTYPE, "/etc"),
                                   ("tmp", tarfile.SYMTYPE, str(self.folder)), ("mem", tarfile.CHRTYPE, "")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.devmajor, info.devminor, info.mode = kind, target, 1, 1, 0o6777
            evil.append(info)
        files = {**shell_files(), "../../../../../../../.." + str(mark): b"theirs", "su": b"#!/bin/sh\n"}
        write_image(self.folder / "evil", [layer(files, evil), layer({"up" + str(mark): b"theirs",
                                                                     "tmp/mark": b"theirs"})],
                    {"Entrypoint": ["/bin/sh"]})
        self.registry.push(self.folder / "evil", "org/evil:1")
        order = self.order(f"{self.registry.address}/org/evil:1", "-c", "echo x > /tmp/mark; echo x > /work/passwd; echo ran",
                           options=("--attempts", "1"))
        self.wait_end(order)
        self.assertEqual(mark.read_text(), "mine")
        self.assertFalse(pathlib.Path("/etc/passwd").read_text().startswith("x"))
        for path in (self.folder / "node" / "images" / "images").rglob("*"):
            mode = path.lstat().st_mode
            self.assertFalse(mode & 0o6000, path)
            self.assertTrue(path.is_symlink() or path.is_dir() or path.is_file(), path)


if __name__ == "__main__":
    main()
