#!/usr/bin/env python3
"""Placements a second of slurmctld beside Fallow's: jobs of one GPU each, the full path of both.

Slurm's packages are fetched from Debian and unpacked below build/peers (nothing is installed), and
munged and slurmctld run without privileges on the loopback, on nodes of 8 GPUs in state CLOUD, so
that no slurmd is needed: a job is placed when it has a node. slurmctld writes its state to disk
every few seconds, after its answer; Fallow's answer comes when the order is durable. Fallow's
connections are TLS, Slurm's messages are signed by munge and not encrypted.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNPACKED = ROOT / "build" / "peers" / "slurm"
PACKAGES = ["slurmctld", "slurm-client", "slurm-wlm-basic-plugins", "libslurm-dev", "munge"]
LIBRARIES = UNPACKED / "usr/lib/x86_64-linux-gnu"
NOBODY = 65534


def unpack():
    """Fetches what is missing of Slurm's packages and all they need, and unpacks it."""
    if (UNPACKED / "done").exists():
        return
    UNPACKED.mkdir(parents=True, exist_ok=True)
    wanted = subprocess.run(["apt-get", "install", "--print-uris", "-qq", "-y", "--no-install-recommends", *PACKAGES],
                            check=True, capture_output=True, text=True).stdout
    for line in wanted.splitlines():
        if not line.startswith("'"):
            continue
        uri, name = line.split()[0].strip("'"), line.split()[1]
        subprocess.run(["curl", "-fsSL", "-o", UNPACKED / name, uri], check=True)
        subprocess.run(["dpkg-deb", "-x", UNPACKED / name, UNPACKED], check=True)
        (UNPACKED / name).unlink()
    (UNPACKED / "done").touch()


def unprivileged():
    """What subprocess needs so that nothing here runs as root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


CONFIG = """
ClusterName=bench
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
StateSaveLocation={folder}/state
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
PluginDir={plugins}
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
GresTypes=gpu
SchedulerType=sched/backfill
SchedulerParameters=default_queue_depth=20000,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MaxJobCount=100000
ReturnToService=2
SuspendTime=3600
SuspendProgram=/bin/true
ResumeProgram=/bin/true
ResumeRate=0
ResumeTimeout=3600
NodeName=n[1-{nodes}] State=CLOUD NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:8
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def wait_for(what, done, process, log):
    for _ in range(300):
        if done():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"slurm: {what} did not come up; the end of its log:\n" + "\n".join(
        log.read_text(errors="replace").splitlines()[-20:] if log.exists() else ["(none)"]))


def measure(nodes, jobs, clients):
    with tempfile.TemporaryDirectory(prefix="fallow-slurm-") as name:
        folder = pathlib.Path(name)
        (folder / "state").mkdir()
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o600)
        user = "nobody" if os.getuid() == 0 else os.environ["USER"]
        plugins = LIBRARIES / "slurm-wlm"
        (folder / "slurm.conf").write_text(CONFIG.format(
            port=free_port(), folder=folder, user=user, plugins=plugins, nodes=nodes))
        (folder / "gres.conf").write_text(f"NodeName=n[1-{nodes}] Name=gpu Count=8\n")
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", folder], check=True)
        environment = {"PATH": "/usr/bin:/bin", "SLURM_CONF": str(folder / "slurm.conf"),
                       "LD_LIBRARY_PATH": f"{LIBRARIES}:{plugins}"}
        options = {"env": environment, "cwd": folder, "stdout": subprocess.DEVNULL,
                   "stderr": subprocess.DEVNULL, **unprivileged()}
        started = []
        try:
            munged = subprocess.Popen(
                [UNPACKED / "usr/sbin/munged", "--foreground", f"--socket={folder}/munge.socket",
                 f"--key-file={folder}/munge.key", f"--pid-file={folder}/munge.pid",
                 f"--seed-file={folder}/munge.seed", f"--log-file={folder}/munge.log",
                 "--num-threads=2", "--force"], **options)
            started.append(munged)
            wait_for("munged", (folder / "munge.socket").exists, munged, folder / "munge.log")
            slurmctld = subprocess.Popen(
                [UNPACKED / "usr/sbin/slurmctld-wlm", "-D", "-f", folder / "slurm.conf"], **options)
            started.append(slurmctld)
            ping = [UNPACKED / "usr/bin/scontrol", "ping"]
            wait_for("slurmctld", lambda: b"is UP" in subprocess.run(
                ping, **{**options, "stdout": subprocess.PIPE}).stdout, slurmctld, folder / "slurmctld.log")
            # 22.05 shows nodes of this state without the Gres of their line until they register.
            subprocess.run([UNPACKED / "usr/bin/scontrol", "update", f"nodename=n[1-{nodes}]", "gres=gpu:8"], check=True, **options)
            submitted = subprocess.run([UNPACKED / "slurm_submit", str(clients), str(jobs)], **{
                **options, "stdout": subprocess.PIPE, "stderr": None}, timeout=500)
            if submitted.returncode != 0:
                sys.exit("slurm: not every job got a node: " + submitted.stdout.decode() + "\n".join(
                    (folder / "slurmctld.log").read_text(errors="replace").splitlines()[-20:]))
            return json.loads(submitted.stdout)
        finally:
            for process in reversed(started):
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def build_submitter():
    subprocess.run(["clang-19", "-O2", "-Wall", "-I", UNPACKED / "usr/include", "-o", UNPACKED / "slurm_submit",
                    ROOT / "bench/peers/slurm_submit.c", f"-L{LIBRARIES}", "-lslurm",
                    "-Wl,--allow-shlib-undefined"], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--jobs", type=int, default=4000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ours = ROOT / "build/release/bench/placement_bench"
    if not ours.exists():
        sys.exit("slurm: build first: make bench, or cmake --build --preset release --target placement_bench")
    unpack()
    build_submitter()
    rows = []
    for nodes in arguments.nodes:
        peer = measure(nodes, arguments.jobs, arguments.clients)
        fallow = json.loads(subprocess.run(
            [ours, "--json", "--nodes", str(nodes), "--orders", str(arguments.jobs), "--clients",
             str(arguments.clients)], check=True, capture_output=True, text=True).stdout)
        rate = next(figure["value"] for name, figure in fallow.items() if name.startswith("placements"))
        rows.append({"nodes": nodes, "jobs": arguments.jobs, "slurmctld_per_second": arguments.jobs / peer["placed_s"],
                     "slurmctld_submitted_per_second": arguments.jobs / peer["submitted_s"],
                     "fallow_per_second": rate})
    if arguments.json:
        print(json.dumps({"placements": rows}))
        return
    for row in rows:
        print(f"{row['nodes']:6} nodes of 8 GPUs, {row['jobs']} jobs of one: slurmctld {row['slurmctld_per_second']:8.0f}/s, "
              f"fallow {row['fallow_per_second']:8.0f}/s, ratio {row['fallow_per_second'] / row['slurmctld_per_second']:.1f}")


if __name__ == "__main__":
    main()
