#!/usr/bin/env python3
"""Installs the packages in a fresh Debian 12 that runs under its own systemd, uses them as people would, and purges them.

The system is a folder in namespaces of its own: processes, mounts, control groups, host name and network. It needs root
and the mirror of Debian, and takes minutes, so `make package-test` runs it and `make test` does not.

Usage: packaging/packages_test.py BUILD    The packages are in BUILD/packages.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else "build/release").resolve()
PACKAGES = BUILD / "packages"
ROOT = pathlib.Path(__file__).resolve().parent.parent
BASE = BUILD.parent / "package-test" / "base.tar"
BASE_PACKAGES = "systemd,systemd-sysv,dbus,apt,ca-certificates,man-db,bash-completion,zsh,fish,procps,iproute2,prometheus"
QUERY = "gpu_name=TEST_GPU"
CONTROLLERS = ("cpu", "cpuacct", "memory", "pids", "devices", "freezer", "blkio")

BOOT = """
set -e
mount --bind "$R" "$R"
cd "$R"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mkdir -p run/lock
mount -t sysfs sysfs sys
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup sys/fs/cgroup
else
  mount -t tmpfs tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  for each in CONTROLLERS; do
    mkdir sys/fs/cgroup/$each
    mount -t cgroup -o $each cgroup sys/fs/cgroup/$each || rmdir sys/fs/cgroup/$each
  done
fi
mount --rbind /dev dev
ip link set lo up
# A way out that leads nowhere: without one no workload could be let out.
ip link add uplink type veth peer name nowhere
ip address add 192.0.2.2/24 dev uplink
ip link set uplink up
ip link set nowhere up
ip route add default via 192.0.2.1
hostname packages
# No chroot: from within one the kernel makes no user namespace, and so no sandbox.
mkdir -p mnt/before
pivot_root . mnt/before
cd /
umount -l mnt/before
exec /usr/bin/env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=journal
""".replace("CONTROLLERS", " ".join(CONTROLLERS))


def make_base():
    BASE.parent.mkdir(parents=True, exist_ok=True)
    mirror = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian"
    part = BASE.with_suffix(".part.tar")
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", str(part),
                    f"{mirror} bookworm main", f"{mirror}-security bookworm-security main"], check=True)
    part.rename(BASE)


class System:
    """A Debian 12 in a folder. Before boot(), run() is a chroot; after it, inside what systemd runs."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fallow-packages-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.folder.chmod(0o755)
        subprocess.run(["tar", "-xf", str(BASE), "-C", str(self.folder), "--exclude=./dev/*"], check=True)
        shutil.copy("/etc/resolv.conf", self.folder / "etc/resolv.conf")
        # Nothing of the base starts by itself: the alerts' checker came with a server.
        (self.folder / "etc/systemd/system/prometheus.service").symlink_to("/dev/null")
        self.starter = None
        self.init = None

    def boot(self):
        self.starter = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child", "--propagation",
             "private", "bash", "-c", BOOT], env=dict(os.environ, R=str(self.folder)), stdin=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            children = pathlib.Path(f"/proc/{self.starter.pid}/task/{self.starter.pid}/children").read_text().split()
            if children:
                self.init = children[0]
                done = self.run("systemctl", "is-system-running", check=False)
                if done.stdout.strip() in ("running", "degraded"):
                    return
            time.sleep(0.5)
        raise AssertionError("systemd did not start")

    def run(self, *words, check=True, timeout=300, **environment):
        into, root = ["nsenter", "-t", self.init, "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"], []
        if not self.init:
            root = ["chroot", str(self.folder)]
            into = ["unshare", "--mount", "--propagation", "private", "bash", "-c",
                    f"mount --rbind /dev {self.folder}/dev && mount -t proc proc {self.folder}/proc && exec \"$@\"", "bash"]
        clean = ["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
                 "DEBIAN_FRONTEND=noninteractive", *[f"{name}={value}" for name, value in environment.items()]]
        done = subprocess.run([*into, *root, *clean, *words], capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)} exited with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit, check=False).stdout[-4000:]

    def files(self):
        """Every name that outlasts a start of the machine, without what tools keep of their own work."""
        kept = ("dev", "proc", "sys", "run", "tmp", "var/log", "var/cache", "var/lib/dpkg", "var/lib/apt", "var/lib/systemd",
                "var/tmp", "root", "mnt/before", "etc/ld.so.cache", "etc/machine-id", "var/lib/dbus/machine-id", "etc/.updated", "var/.updated")
        names = set()
        for folder, folders, files in os.walk(self.folder):
            at = os.path.relpath(folder, self.folder)
            folders[:] = [name for name in folders if os.path.normpath(f"{at}/{name}") not in kept]
            names |= {path for name in folders + files if (path := os.path.normpath(f"{at}/{name}")) not in kept}
        return names

    def end(self):
        if self.init:
            subprocess.run(["kill", "-9", self.init])
            self.starter.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class PackagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.started = time.monotonic()
        if not BASE.exists():
            make_base()
        cls.system = System()
        cls.addClassCleanup(cls.system.end)
        cls.debs = sorted(PACKAGES.glob("*.deb"))

    def fallow(self, *words, key=None, check=True):
        extra = {"FALLOW_API_KEY": key} if key else {}
        done = self.system.run("fallow", "--json", *words, check=check, **self.market, **extra)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def wait(self, what, check, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = check()
            if answer:
                return answer
            time.sleep(0.3)
        self.fail(f"{what} did not happen within {seconds} s\n{self.system.journal('fallow-server')}\n{self.system.journal('fallow-agent')}")

    def test_from_install_to_purge(self):
        for step in (self.install, self.words, self.monitoring, self.units, self.server, self.agent, self.restarts, self.money,
                     self.remove_and_return, self.purge):
            begun = time.monotonic()
            step()
            print(f"package-test: {step.__name__.replace('_', ' ')}: {time.monotonic() - begun:.1f} s", flush=True)

    def install(self):
        system = self.system
        self.assertEqual(len(self.debs), 3, self.debs)
        depends = set()
        for deb in self.debs:
            for field in ("Depends", "Recommends"):
                text = subprocess.run(["dpkg-deb", "-f", str(deb), field], capture_output=True, text=True, check=True).stdout
                depends |= {part.split("|")[0].split("(")[0].strip() for part in text.split(",") if part.strip()}
            shutil.copy(deb, system.folder / "var/tmp")
        depends -= {"fallow"}
        system.run("apt-get", "-qq", "update")
        system.run("apt-get", "-qq", "install", "-y", "--no-install-recommends", *sorted(depends), timeout=600)
        self.before = system.files()
        done = system.run("apt-get", "install", "-y", "--no-install-recommends", *[f"/var/tmp/{deb.name}" for deb in self.debs])
        self.assertIn("Setting up fallow-agent", done.stdout)
        self.assertNotIn("dpkg: warning", done.stdout + done.stderr)
        system.boot()
        self.groups_before = self.groups()
        self.assertRegex(system.run("fallow", "--version").stdout, r"^fallow \d+\.\d+\.\d+$")
        for unit in ("fallow-server", "fallow-agent"):
            self.assertEqual(system.run("systemctl", "is-enabled", unit, check=False).stdout.strip(), "disabled")
            self.assertEqual(system.run("systemctl", "is-active", unit, check=False).stdout.strip(), "inactive")

    def words(self):
        run = self.system.run
        for page in ("fallow", "fallow-run", "fallow-agent", "fallow-server"):
            done = run("man", "--warnings", page, MANWIDTH="100")
            self.assertIn("SYNOPSIS", done.stdout)
            self.assertEqual(done.stderr, "", page)
        bash = ("source /usr/share/bash-completion/bash_completion; _completion_loader fallow; "
                'COMP_WORDS=(fallow agent doc); COMP_CWORD=2; _fallow; echo "${COMPREPLY[@]}"')
        self.assertEqual(run("bash", "-c", bash).stdout.strip(), "doctor")
        self.assertIn("doctor", run("fish", "-c", "complete -C 'fallow agent doc'").stdout)
        zsh = "autoload -Uz compinit && compinit -u -d /tmp/zcompdump && print ${_comps[fallow]} && autoload +X _fallow && which _fallow"
        done = run("zsh", "-f", "-c", zsh)
        self.assertTrue(done.stdout.startswith("_fallow\n"), done.stdout[:200])
        self.assertIn("doctor", done.stdout)

    def monitoring(self):
        rules = "/usr/share/fallow/prometheus/fallow.rules.yml"
        self.assertIn("SUCCESS", self.system.run("promtool", "check", "rules", rules).stdout)
        shutil.copy(ROOT / "packaging/prometheus/fallow.rules.test.yml", self.system.folder / "tmp")
        shutil.copy(ROOT / "packaging/prometheus/fallow.rules.yml", self.system.folder / "tmp")
        self.assertIn("SUCCESS", self.system.run("promtool", "test", "rules", "/tmp/fallow.rules.test.yml").stdout)
        json.loads((self.system.folder / "usr/share/fallow/grafana/fallow.json").read_text())

    def units(self):
        run = self.system.run
        for unit in ("fallow-server.service", "fallow-agent.service"):
            done = run("systemd-analyze", "verify", f"/lib/systemd/system/{unit}")
            self.assertEqual(done.stderr, "", unit)
            done = run("systemd-analyze", "--no-pager", "security", unit)
            print(f"package-test: {done.stdout.strip().splitlines()[-1].strip()}")

    def server(self):
        system = self.system
        options = '"--meter-interval 0.5 --suspend-after 2 --close-after 5 --name packaged"'
        (system.folder / "etc/default/fallow-server").write_text(f"FALLOW_SERVER_OPTIONS={options}\n")
        system.run("systemctl", "enable", "--now", "fallow-server")
        self.wait("the server's start", lambda: "operator key in" in system.journal("fallow-server"))
        key = system.run("cat", "/var/lib/fallow/operator.key").stdout.strip()
        self.market = {"FALLOW_URL": "https://127.0.0.1:8470", "FALLOW_CERTIFICATE":
                       [line.split()[1] for line in system.journal("fallow-server").splitlines() if line.startswith("certificate ")][-1]}
        self.operator = key
        self.assertEqual(self.fallow("market", key=key)[0]["name"], "packaged")
        owner = system.run("sh", "-c", "ps -o user= -p $(systemctl show -p MainPID --value fallow-server)").stdout.strip()
        self.assertNotEqual(owner, "root")
        self.assertEqual(oct((system.folder / "var/lib/private/fallow").stat().st_mode & 0o777), "0o700")
        console = system.run("systemctl", "show", "-p", "MainPID", "--value", "fallow-server").stdout.strip()
        self.assertNotEqual(console, "0")
        if (system.folder / "usr/share/fallow/console/index.html").exists():
            self.assertIn("console at https://127.0.0.1:8470/", system.journal("fallow-server"))
        made = self.fallow("account", "create", "renter", "--scope", "renter", key=key)[0]
        self.renter = made["api_key"]
        self.fallow("wallet", "deposit", made["account"]["id"], "10.00", "--reference", "first", key=key)
        self.provider = self.fallow("account", "create", "provider", "--scope", "provider", key=key)[0]["api_key"]

    def agent(self):
        system = self.system
        done = system.run("fallow", "agent", "install", "--price", "0.36", check=False)
        self.assertIn("add --join TOKEN", done.stderr)
        token = self.fallow("nodes", "token", key=self.provider)[0]["token"]
        done = system.run("fallow", "agent", "install", "--join", token, "--price", "0.36", "--name", "packaged", "--device",
                          "model=TEST_GPU,memory_gb=24", "--egress", "--resolver", "9.9.9.9", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + system.journal("fallow-agent"))
        self.assertRegex(done.stdout, r"node \d+ of https://127.0.0.1:8470 runs")
        self.assertFalse((system.folder / "etc/systemd/system/fallow-agent.service").exists(), "the package's unit will do")
        # Also from within the unit's limits. Of a network all is made; nobody answers beyond it.
        said = system.journal("fallow-agent")
        self.assertIn("runc sandboxes work", said)
        self.assertIn("no resolver answered", said)
        self.wait("an offer", lambda: [o for o in self.fallow("offers", QUERY, key=self.renter) if o["available"]])
        done = system.run("fallow", "run", QUERY, "--hours", "0.1", "--", "sh", "-c", "echo hello from $(id -u)",
                          **self.market, FALLOW_API_KEY=self.renter)
        self.assertIn("hello from", done.stdout)
        lines = self.fallow("agent", "doctor", check=False)
        print("package-test: doctor: " + ", ".join(f"{each['what']} {'ok' if each['works'] else 'missing'}" for each in lines))

    def lease(self):
        running = [l for l in self.fallow("leases", "--open", key=self.renter) if l["state"] == "RUNNING"]
        return running[0] if running else None

    def restarts(self):
        """A workload outlives a restarted, a killed and a reinstalled agent, and a restarted server."""
        system = self.system
        system.run("fallow", "run", QUERY, "--hours", "0.1", "--detach", "--", "sleep", "600", **self.market,
                   FALLOW_API_KEY=self.renter)
        lease = self.wait("a running lease", self.lease)
        pids = lambda: system.run("pgrep", "-x", "sleep", check=False).stdout.split()
        before = self.wait("its process", pids)
        agent = lambda: system.run("systemctl", "show", "-p", "MainPID", "--value", "fallow-agent").stdout.strip()
        connected = lambda: self.fallow("nodes", key=self.provider)[0]["connected"]
        seen = [agent()]
        for what in (["systemctl", "restart", "fallow-agent"], ["systemctl", "restart", "fallow-server"],
                     ["apt-get", "-qq", "install", "-y", "--reinstall", *[f"/var/tmp/{deb.name}" for deb in self.debs]]):
            system.run(*what)
            self.wait(f"the node's return after {' '.join(what)[:40]}", connected)
            seen.append(agent())
            self.assertEqual(pids(), before)
        self.assertNotEqual(seen[0], seen[1])
        system.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "fallow-agent")
        system.run("systemctl", "restart", "fallow-agent")
        self.wait("the node's return", connected)
        self.assertEqual(pids(), before)
        again = self.wait("the lease", self.lease)
        self.assertEqual(again["id"], lease["id"])
        state = self.fallow("agent", "status", key=self.provider)[0]
        self.assertEqual((state["runs"], state["workloads"], state["connected"]), (True, 1, True))
        self.assertIn("started with the machine", state["service"])

    def money(self):
        earned = self.fallow("agent", "earnings", key=self.provider)
        self.assertTrue([line for line in earned if "day" in line], earned)

    def remove_and_return(self):
        system = self.system
        done = system.run("apt-get", "remove", "-y", "fallow-agent")
        self.assertIn("ended 1 workload", done.stdout)
        self.assertEqual(system.run("pgrep", "-x", "sleep", check=False).stdout, "")
        self.assertTrue((system.folder / "var/lib/fallow-agent/node.key").exists())
        system.run("apt-get", "install", "-y", *[f"/var/tmp/{deb.name}" for deb in self.debs])
        system.run("systemctl", "enable", "--now", "fallow-agent")
        self.wait("the node's return", lambda: self.fallow("nodes", key=self.provider)[0]["connected"])

    def purge(self):
        system = self.system
        system.run("apt-get", "purge", "-y", "fallow", "fallow-server", "fallow-agent")
        left = system.files() - self.before
        self.assertEqual(left, set(), "purge leaves something")
        self.assertEqual(self.before - system.files(), set(), "purge took something")
        self.assertEqual(system.run("pgrep", "-a", "fallow", check=False).stdout, "")
        mounts = system.run("cat", "/proc/self/mountinfo").stdout
        self.assertNotIn("fallow-agent", mounts)
        self.assertEqual(self.groups() - self.groups_before, set(), "control groups are left")

    def groups(self):
        """The control groups with our name: the machine's own may have some, of agents that have nothing to do with this."""
        return set(self.system.run("sh", "-c", "find /sys/fs/cgroup -name 'fallow*'", check=False).stdout.split())


class ImageTest(unittest.TestCase):
    def test_the_servers_image_runs_under_runc(self):
        archive = next(PACKAGES.glob("*.oci.tar"))
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fallow-image-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        run = lambda *words, **o: subprocess.run(words, check=True, capture_output=True, text=True, timeout=120, **o).stdout
        run("skopeo", "copy", "--quiet", f"oci-archive:{archive}", f"oci:{folder}/layout:it")
        run("umoci", "unpack", "--image", f"{folder}/layout:it", f"{folder}/bundle")
        rootfs = folder / "bundle/rootfs"
        size = int(run("du", "-sm", str(rootfs)).split()[0])
        print(f"package-test: image: {archive.stat().st_size / 1e6:.1f} MB packed, {size} MB unpacked")
        self.assertFalse((rootfs / "bin/sh").exists() or (rootfs / "usr/bin/dpkg").exists())
        configuration = json.loads((folder / "bundle/config.json").read_text())
        self.assertEqual(configuration["process"]["user"]["uid"], 65532)
        configuration["process"]["terminal"] = False
        # A volume of the user's that is given for the data.
        (folder / "data").mkdir()
        os.chown(folder / "data", 65532, 65532)
        for mount in configuration["mounts"]:
            if mount["destination"] == "/var/lib/fallow":
                mount.update(type="bind", source=str(folder / "data"), options=["rbind", "rw"])
        (folder / "bundle/config.json").write_text(json.dumps(configuration))
        name = f"fallow-image-{os.getpid()}"
        with open(folder / "log", "w") as log:
            server = subprocess.Popen(["runc", "run", "--bundle", str(folder / "bundle"), name], stdout=log, stderr=log,
                                      stdin=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 60
            while "operator key in" not in (folder / "log").read_text() and time.monotonic() < end and server.poll() is None:
                time.sleep(0.2)
            said = (folder / "log").read_text()
            self.assertRegex(said, r"(?m)^market at https://\S+:8470$")
            self.assertIn("console at", said)
            self.assertRegex(run("runc", "exec", name, "/usr/bin/fallow", "--version"), r"^fallow \d")
        finally:
            subprocess.run(["runc", "kill", name, "TERM"], capture_output=True)
            server.wait(timeout=60)
            subprocess.run(["runc", "delete", "--force", name], capture_output=True)
        self.assertEqual(server.returncode, 0)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("package-test: it makes a system of its own and needs root")
    unittest.main(verbosity=1)
