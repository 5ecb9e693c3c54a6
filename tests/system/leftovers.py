"""What a lease may leave behind on its machine, each kind as a set of lines that a person can read.

For a test whose processes have a network namespace of their own, or no right to make any: then all tables and
links there are its own. Everything else is told by the test's folder, its leases and its agents.
"""
import hashlib
import os
import pathlib
import re
import subprocess

CONTROL_GROUPS = pathlib.Path("/sys/fs/cgroup")
CONTAINERS = ("/run/runc", "/run/runsc", "/var/run/runsc")  # where the tools keep what nobody told them to keep elsewhere
GROUP = re.compile(r"^(\d+)-(\d+)$")  # lease, supervisor
TRIAL = re.compile(r"^disk-([0-9a-f]{8})$")  # by which the agent of a data folder tries its disk's limits
LEASE = re.compile(r"^\d+$")


def owner_of(workloads):
    """What an agent's groups and networks are called by: runtime/egress.h, egress_owner()."""
    return hashlib.blake2b(str(workloads).encode(), digest_size=32).hexdigest()[:8]


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def tool(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else [f"{' '.join(words)}: {done.stderr.strip()}"]


class Leftovers:
    """`nodes`: agents' names, whose data folders are folder/name. `own`: ids of processes that may be there."""

    def __init__(self, folder, nodes, mark, own, sees_network):
        self.folder, self.nodes, self.mark, self.own, self.sees_network = folder, nodes, mark, own, sees_network

    def look(self, agents, leases):
        """{kind: lines}. `agents`: {name: process id} of those that run now. `leases`: the ids of all that there were."""
        found = {
            "processes": self.processes(agents),
            "control groups": self.control_groups(leases),
            "containers": {str(each) for folder in CONTAINERS for each in entries(folder)},
            "mounts": self.mounts(agents),
            "folders and files": self.files(leases),
            "agents' descriptors": self.descriptors(agents),
        }
        if self.sees_network:
            found["nft tables"] = {line for line in tool("nft", "list", "tables") if "fallow" in line}
            found["links"] = {line.split()[0] for line in tool("ip", "-br", "link") if line.startswith("fw-")}
        return found

    def processes(self, agents):
        found = set()
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in self.own():
                continue
            pid = int(entry.name)
            command = command_of(pid)
            if self.mark in command or str(self.folder) in command:
                found.add(f"{pid} {command[:100]}")
            elif not command and parent_of(pid) in agents.values():  # dead, and nobody has taken note of it
                found.add(f"{pid} a dead child of an agent")
        return found

    def control_groups(self, leases):
        found = set()
        owners = {owner_of(self.folder / node / "workloads") for node in self.nodes}
        for place, folders, _ in os.walk(CONTROL_GROUPS):
            for name in folders:
                trial = TRIAL.match(name)
                if trial is not None and trial[1] in owners:
                    found.add(os.path.join(place, name))
                group = GROUP.match(name)
                if group is None or os.path.basename(place) != "fallow" or group[1] not in leases:
                    continue
                # Another test's lease may have the same number: its supervisor lives.
                command = command_of(group[2])
                if "workload-supervisor" in command and str(self.folder) not in command:
                    continue
                found.add(os.path.join(place, name))
        return found

    def mounts(self, agents):
        found = set()
        for name, pid in {"the test": os.getpid(), **agents}.items():
            try:
                lines = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
            except OSError:
                continue
            found.update(f"of {name}: {line.split()[4]}" for line in lines if str(self.folder) in line)
        return found

    def files(self, leases):
        """Whatever has a lease's number in its name, and all that waits to be removed."""
        found = set()
        for node in self.nodes:
            data = self.folder / node
            found.update(str(each) for each in entries(data / "workloads" / "trash"))
            for place, folders, files in os.walk(data):
                for name in (*folders, *files):
                    if any(part in leases for part in re.split(r"[^0-9A-Za-z]+", name)):
                        found.add(os.path.join(place, name))
                # What is in a lease's folder goes with it.
                folders[:] = [name for name in folders if not LEASE.match(name)]
        return found

    def descriptors(self, agents):
        """Of namespaces, and of files in leases' folders: who holds one keeps what is behind it."""
        found = set()
        for node, pid in agents.items():
            for each in entries(f"/proc/{pid}/fd"):
                try:
                    target = os.readlink(each)
                except OSError:
                    continue
                if target.startswith(("net:[", "mnt:[", "pid:[", "user:[")) or re.search(r"/workloads/\d+/", target):
                    found.add(f"{node}: {target}")
        return found


def entries(folder):
    try:
        return list(pathlib.Path(folder).iterdir())
    except OSError:
        return []
