#!/usr/bin/env python3
"""Runs inside a sandbox and tries to get out of it: one line of JSON for each attempt.

    attempts.py MARKET_PORT SECRET_FILE... < nothing

An attempt that works in a way that would matter returns a text: what it got. One that is denied
raises, or returns None. Nothing here harms a machine that denies everything, and little one that does
not: each attempt takes the smallest step that shows the way is open.
"""
import ctypes
import errno
import glob
import json
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
MARKET_PORT = int(sys.argv[1])
SECRET_FILES = sys.argv[2:]
SECRET = b"of-the-agent"  # what the agent's environment, key folder and the other lease hold
ATTEMPTS = []
# x86-64's numbers, for calls that libc does not wrap.
NUMBERS = {"ptrace": 101, "syslog": 103, "pivot_root": 155, "acct": 163, "mount": 165, "umount2": 166, "swapon": 167,
           "reboot": 169, "sethostname": 170, "iopl": 172, "init_module": 175, "delete_module": 176, "quotactl": 179,
           "settimeofday": 164, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272,
           "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "kcmp": 312,
           "finit_module": 313, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425, "open_tree": 428, "fsopen": 430,
           "clone3": 435, "pidfd_open": 434, "pidfd_getfd": 438, "capset": 126, "clone": 56}
NAMESPACES = {"user": 0x10000000, "mount": 0x20000, "network": 0x40000000, "process": 0x20000000}


def attempt(name):
    def add(function):
        ATTEMPTS.append((name, function))
        return function
    return add


def call(name, *arguments):
    result = LIBC.syscall(NUMBERS[name], *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def works(name, *arguments):
    """An attempt that is one system call, which must fail."""
    return lambda: f"{name} answered {call(name, *arguments)}"


def add_calls():
    text = ctypes.create_string_buffer
    zeros = text(256)
    for name, words in {
            "mount a tmpfs over /work": ("mount", b"x", b"/work", b"tmpfs", 0, 0),
            "mount another proc": ("mount", b"proc", b"/tmp", b"proc", 0, 0),
            "mount a control group hierarchy": ("mount", b"x", b"/tmp", b"cgroup", 0, b"memory"),
            "mount debugfs": ("mount", b"x", b"/tmp", b"debugfs", 0, 0),
            "bind / somewhere else": ("mount", b"/", b"/tmp", 0, 4096, 0),
            "remount / for writing": ("mount", 0, b"/", 0, 32 | 4096, 0),
            "take a mask off /proc": ("umount2", b"/proc/kcore", 2),
            "take /usr away": ("umount2", b"/usr", 2),
            "the newer way to mount: fsopen": ("fsopen", b"tmpfs", 0),
            "the newer way to bind: open_tree": ("open_tree", -100, b"/", 1),
            "pivot_root": ("pivot_root", b"/work", b"/work"),
            "clone into a user namespace": ("clone", NAMESPACES["user"] | signal.SIGCHLD, 0, 0, 0, 0),
            "trace process 1": ("ptrace", 16, 1, 0, 0),
            "trace another process": ("ptrace", 16, os.getppid(), 0, 0),
            "compare kernel objects with process 1": ("kcmp", os.getpid(), 1, 0, 0, 0),
            "bpf: make a map": ("bpf", 0, text(struct.pack("5I", 2, 4, 4, 1, 0) + bytes(100)), 120),
            "perf: watch the kernel": ("perf_event_open", text(struct.pack("IIQ", 1, 112, 0) + bytes(100)), 0, -1, -1, 0),
            "kexec": ("kexec_load", 0, 0, 0, 0),
            "load a module": ("init_module", zeros, 256, b""),
            "load a module from a file": ("finit_module", 0, b"", 0),
            "unload a module": ("delete_module", b"loop", 0),
            "put a key into the session's ring": ("add_key", b"user", b"fallow", b"x", 1, -3),
            "reach the session's ring": ("keyctl", 0, -3, 0, 0, 0),
            "ask for a key": ("request_key", b"user", b"fallow", 0, 0),
            "userfaultfd": ("userfaultfd", 1),
            "io_uring": ("io_uring_setup", 1, text(120)),
            "open a file by its handle": ("open_by_handle_at", -100, text(struct.pack("II", 8, 1) + bytes(8)), 0),
            "ports of the machine: iopl": ("iopl", 3),
            "reboot": ("reboot", 0xfee1dead, 672274793, 0, 0),
            "swap to a file": ("swapon", b"/work/swap", 0),
            "process accounting": ("acct", b"/work/acct"),
            "disk quotas": ("quotactl", 0x80000100, b"/dev/sda", 0, 0),
            "set the clock": ("settimeofday", text(struct.pack("qq", 1, 0)), 0),
            "rename the host": ("sethostname", b"mine", 4),
            "read the kernel's log": ("syslog", 3, zeros, 256)}.items():
        ATTEMPTS.append((name, works(*words)))
    for name, flag in NAMESPACES.items():
        ATTEMPTS.append((f"unshare a {name} namespace", works("unshare", flag)))


@attempt("clone3 into a user namespace")
def _():
    arguments = ctypes.create_string_buffer(struct.pack("11Q", NAMESPACES["user"], 0, 0, 0, signal.SIGCHLD, *[0] * 6))
    pid = call("clone3", arguments, 88)
    if pid == 0:
        os._exit(0)
    return f"process {pid}"


@attempt("chroot")
def _():
    os.chroot("/usr")
    return "changed"


@attempt("join the namespaces of process 1 by its files")
def _():
    own = {name: os.stat(f"/proc/self/ns/{name}").st_ino for name in ("user", "mnt", "net", "pid")}
    for name, inode in own.items():
        with open(f"/proc/1/ns/{name}", "rb") as file:
            if os.fstat(file.fileno()).st_ino != inode:
                call("setns", file.fileno(), 0)
                return name
    return None


@attempt("read the memory of process 1")
def _():
    with open("/proc/1/maps") as maps, open("/proc/1/mem", "rb") as memory:
        memory.seek(int(maps.readline().split("-")[0], 16))
        return f"{len(memory.read(16))} bytes"


@attempt("read the memory of process 1 by process_vm_readv")
def _():
    room = ctypes.create_string_buffer(16)
    one = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(room), 16))
    return f"{call('process_vm_readv', 1, one, 1, one, 1, 0)} bytes"


@attempt("take a descriptor of process 1")
def _():
    return f"descriptor {call('pidfd_getfd', call('pidfd_open', 1, 0), 0, 0)}"


@attempt("find the agent's environment")
def _():
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/task/*/environ"):
        try:
            with open(path, "rb") as file:
                if SECRET in file.read():
                    return path
        except OSError:
            pass
    return None


@attempt("see processes of the host")
def _():
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with open(path, "rb") as file:
            line = file.read()
        if b"fallow\0agent" in line or b"workload-supervisor" in line or b"sleeping-neighbour" in line:
            return line.decode(errors="replace")
    return None


@attempt("use an inherited descriptor")
def _():
    kept = [os.readlink(path) for path in glob.glob("/proc/self/fd/*") if os.path.islink(path)]
    for target in kept:
        if not target.startswith(("pipe:", "/dev/null", "/proc/", "/work", "/tmp", "host:")):
            return target
    return None


@attempt("leave by /proc/1/root")
def _():
    inside = sorted(os.listdir("/"))
    outside = sorted(os.listdir("/proc/1/root"))
    return None if outside == inside else " ".join(outside)


@attempt("leave by /proc/*/cwd and root of every process")
def _():
    for path in glob.glob("/proc/[0-9]*/root") + glob.glob("/proc/[0-9]*/cwd"):
        try:
            if os.path.exists(path + "/home") or os.path.exists(path + "/../var/lib/dpkg"):
                return path
        except OSError:
            pass
    return None


@attempt("climb out with ..")
def _():
    path = "/work/" + "../" * 64
    return "home" if os.path.exists(path + "home") or os.path.exists(path + "var/lib/dpkg") else None


@attempt("read files of the agent and of the other lease")
def _():
    for path in SECRET_FILES:
        for prefix in ("", "/proc/1/root", "/work/" + "../" * 32):
            try:
                with open(prefix + path, "rb") as file:
                    return f"{prefix + path}: {len(file.read())} bytes"
            except OSError:
                pass
    return None


@attempt("find the other lease's file anywhere")
def _():
    for top in ("/work", "/out", "/tmp", "/dev/shm", "/run", "/var", "/home", "/root"):
        for folder, _, names in os.walk(top):
            if "of-the-other-lease" in names:
                return folder
    return None


@attempt("find the other lease's shared memory")
def _():
    with open("/proc/sysvipc/shm") as file:
        return file.read() if len(file.readlines()) > 1 else None


def writes(path, text=b"0"):
    def run():
        with open(path, "r+b" if os.path.exists(path) else "wb", buffering=0) as file:
            file.write(text)
        return f"{len(text)} bytes"
    return run


def add_writes():
    for name, path, text in (
            ("write into /usr", "/usr/bin/fallow-escape", b"x"),
            ("overwrite a program of the host", "/usr/bin/env", b"\x7fELF"),
            ("write into /etc", "/etc/passwd", b"root::0:0::/:/bin/sh\n"),
            ("write into /", "/fallow-escape", b"x"),
            ("overwrite process 1's program", "/.init", b"\x7fELF"),
            ("where core files go: core_pattern", "/proc/sys/kernel/core_pattern", b"|/work/x"),
            ("the kernel's module loader", "/proc/sys/kernel/modprobe", b"/work/x"),
            ("routing of the host", "/proc/sys/net/ipv4/ip_forward", b"1"),
            ("a new binary format", "/proc/sys/fs/binfmt_misc/register", b":x:M::x::/work/x:"),
            ("sysrq", "/proc/sysrq-trigger", b"h"),
            ("the uevent helper", "/sys/kernel/uevent_helper", b"/work/x"),
            ("the release agent of control groups", "/sys/fs/cgroup/memory/release_agent", b"/work/x"),
            ("leave the control group", "/sys/fs/cgroup/memory/cgroup.procs", b"0"),
            ("leave the control group (v2)", "/sys/fs/cgroup/cgroup.procs", b"0"),
            ("another user mapping", "/proc/self/uid_map", b"0 0 1"),
            ("the processor's settings", "/sys/devices/system/cpu/cpu0/online", b"0")):
        ATTEMPTS.append((name, writes(path, text)))


@attempt("be the last to go when memory is short")
def _():
    writes("/proc/self/oom_score_adj", b"-1000")()
    if os.path.exists("/proc/sentry-meminfo"):
        raise RuntimeError("own kernel")  # gVisor's file: the host's process keeps its score
    return "-1000"


def reads(*paths):
    def run():
        for path in paths:
            for found in glob.glob(path):
                try:
                    with open(found, "rb", buffering=0) as file:
                        if got := file.read(16):
                            return f"{found}: {len(got)} bytes"
                except OSError:
                    pass
        return None
    return run


def add_reads():
    for name, paths in {
            "the machine's memory": ("/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore"),
            "the kernel's messages": ("/dev/kmsg",),
            "disks": ("/dev/sd*", "/dev/vd*", "/dev/nvme*", "/dev/dm-*", "/dev/loop*", "/dev/mapper/*"),
            "GPUs that were not leased": ("/dev/nvidia*", "/dev/dri/*", "/dev/kfd"),
            "keys in /proc": ("/proc/keys",),
            "passwords of the host": ("/etc/shadow", "/etc/gshadow"),
            "keys of the host's people": ("/root/.ssh/*", "/home/*/.ssh/*", "/etc/ssh/*_key")}.items():
        ATTEMPTS.append((name, reads(*paths)))


def device(kind, major, minor):
    def run():
        path = "/work/device"
        os.mknod(path, kind | 0o666, os.makedev(major, minor))
        with open(path, "rb", buffering=0) as file:
            return f"{len(file.read(16))} bytes"
    return run


@attempt("become root")
def _():
    os.setuid(0)
    return f"uid {os.getuid()}"


@attempt("become root by a set-user-id program of the host")
def _():
    for words in (["/usr/bin/su", "-c", "id -u"], ["/usr/bin/newgrp"], ["/usr/bin/mount", "-t", "tmpfs", "x", "/work"]):
        if os.path.exists(words[0]):
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
            if done.stdout.strip() == "0" or done.returncode == 0 and "mount" in words[0]:
                return words[0]
    return None


@attempt("become another user by a set-user-id file of my own")
def _():
    path = "/work/id"
    with open("/usr/bin/id", "rb") as source, open(path, "wb") as target:
        target.write(source.read())
    os.chown(path, 0, 0)
    os.chmod(path, 0o4755)
    return subprocess.run([path, "-u"], capture_output=True, text=True, timeout=20).stdout.strip()


@attempt("get capabilities")
def _():
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
    call("capset", header, ctypes.create_string_buffer(struct.pack("6I", *[0xFFFFFFFF] * 6)))
    return "all"


@attempt("allow new privileges again")
def _():
    if LIBC.prctl(38, 0, 0, 0, 0) == 0:
        return "allowed"
    return None if LIBC.prctl(39, 0, 0, 0, 0) == 1 else "they were never forbidden"


@attempt("raise the limit of open files")
def _():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
    return str(hard + 1)


@attempt("run before everybody else: real-time")
def _():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    return "SCHED_FIFO"


def opens_socket(*arguments):
    def run():
        socket.socket(*arguments).close()
        return "opened"
    return run


def connects(host, port):
    def run():
        with socket.create_connection((host, port), timeout=2):
            return "connected"
    return run


def add_network():
    for name, arguments in {"raw packets": (socket.AF_PACKET, socket.SOCK_RAW, 0x300),
                            "raw IP": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                            "sockets to the hypervisor": (40, socket.SOCK_STREAM, 0),
                            "the kernel's cipher sockets": (38, socket.SOCK_SEQPACKET, 0)}.items():
        ATTEMPTS.append((name, opens_socket(*arguments)))
    for name, target in {"the cloud's metadata": ("169.254.169.254", 80), "the cloud's metadata by IPv6": ("fd00:ec2::254", 80),
                         "a private network": ("10.0.0.1", 80), "another machine": ("1.1.1.1", 443),
                         "the market on the host's loopback": ("127.0.0.1", MARKET_PORT)}.items():
        ATTEMPTS.append(("reach " + name, connects(*target)))


@attempt("make a network interface")
def _():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        body = struct.pack("BxHiII", 0, 0, 0, 1, 1) + struct.pack("HH4s", 8, 3, b"esc\0") + struct.pack(
            "HHHH", 16, 18, 10, 1) + b"dummy\0\0\0"
        netlink.settimeout(2)
        netlink.send(struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body)
        answer = netlink.recv(4096)
    code = struct.unpack_from("i", answer, 16)[0]
    if code < 0:
        raise OSError(-code, os.strerror(-code))
    return "made"


@attempt("speak to the host's services by socket files")
def _():
    for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private",
                 "/run/containerd/containerd.sock", "/tmp/.X11-unix/X0"):
        with socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(path)
                return path
            except OSError:
                pass
    return None


@attempt("speak to the host's services by abstract names")
def _():
    with open("/proc/net/unix") as file:
        names = [line.split()[-1] for line in file.readlines()[1:] if line.split()[-1].startswith("@")]
    return names[0] if names else None


@attempt("hard link a file of the host into the outputs")
def _():
    os.link("/usr/bin/env", "/out/linked")
    return "linked"


@attempt("swap a private folder for a link")
def _():
    os.rename("/out", "/work/out")
    os.symlink("/etc", "/out")
    return "swapped"


@attempt("forks without end")
def _():
    children = []
    try:
        while len(children) < 5000:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
        return f"{len(children)} processes"
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


def main():
    add_calls()
    add_writes()
    add_reads()
    ATTEMPTS.append(("make a disk's device node", device(stat.S_IFBLK, 8, 0)))
    ATTEMPTS.append(("make the memory's device node", device(stat.S_IFCHR, 1, 1)))
    add_network()
    # Last, for it may end the sandbox: gVisor's kernel gives up when it gets no more processes.
    ATTEMPTS.sort(key=lambda one: one[0] == "forks without end")
    for name, function in ATTEMPTS:
        print(json.dumps({"begins": name}), flush=True)
        # In a process of its own: what one attempt changes does not help the next.
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                got = function()
                answer = {"attempt": name, "got": got, "why": "nothing to be found"}
            except OSError as error:
                answer = {"attempt": name, "got": None, "why": errno.errorcode.get(error.errno, str(error))}
            except Exception as error:  # noqa: BLE001: whatever it is, nothing was got
                answer = {"attempt": name, "got": None, "why": str(error) or type(error).__name__}
            os.write(write_end, json.dumps(answer).encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as file:
            text = file.read()
        _, status = os.waitpid(pid, 0)
        if not text:
            text = json.dumps({"attempt": name, "got": None, "why": f"killed: wait status {status}"}).encode()
        print(text.decode(), flush=True)


main()
