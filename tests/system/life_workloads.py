"""The workloads of life_test.py. Each writes by its own clock when it runs: `begin`, `tick` ten times a second,
`term` when it is asked to end, `end` as the last thing before it ends by itself."""
import random
import re
import typing

INTERNET = "93.184.216.34"  # of egress_test.py's world
TICK_S = 0.1
LINE = re.compile(r"^(begin|tick|term|end) (\d+\.\d+)$", re.MULTILINE)

HEAD = (": {mark}; t() {{ read -r up idle < /proc/uptime; echo \"$1 $up\"; }}; "
        "ticks() {{ left=$1; while [ $left -gt 0 ]; do sleep 0.1; t tick; left=$((left - 1)); done; }}; ")
POLITE = "trap 't term; exit 0' TERM; t begin; "
BODIES = {
    "exits with 0": POLITE + "ticks {ticks}; t end",
    "exits with 3": POLITE + "ticks {ticks}; t end; exit 3",
    "kills itself": POLITE + "ticks {ticks}; t end; kill -KILL $$",
    "ignores SIGTERM": "trap 't term' TERM; t begin; while :; do ticks 10; done",
    "leaves children": POLITE + "cp /bin/sleep /tmp/{mark}; for i in 1 2 3; do /tmp/{mark} 600 & setsid /tmp/{mark} 600 & done; "
                       "ticks {ticks}; t end",
    "writes outputs": POLITE + "mkdir $FALLOW_OUT/a; head -c 100000 /dev/urandom > $FALLOW_OUT/a/b; ticks {ticks}; "
                      "echo {mark} > $FALLOW_OUT/last; t end",
    "leaves files": POLITE + "mkdir -p /work/a/b/c /tmp/d; echo x > /work/a/b/c/x; ln -s / /work/up; mkfifo /tmp/pipe; "
                    "echo x > /dev/shm/{mark}; echo x > /tmp/d/x; echo x > $FALLOW_CHECKPOINT_DIR/x; chmod 0 /tmp/d /work/a/b; "
                    "ticks {ticks}; t end",
    "uses the network": POLITE + f"exec 3<>/dev/tcp/{INTERNET}/80; read -r said <&3; echo \"reached $said\"; "
                        "ticks {ticks}; t end",
}
# What each of them comes to when nothing happens to it, with its exit code.
ENDS = {"exits with 3": ("EXIT_CODE", 3), "kills itself": ("EXIT_CODE", 137)}
USES_NETWORK = "uses the network"
NEVER_ENDS = "ignores SIGTERM"
WRITES_OUTPUTS = "writes outputs"


class Plan(typing.NamedTuple):
    """One lease to be, drawn from the seed."""
    number: int
    kind: str  # of the sandbox
    name: str  # of the workload
    ticks: int
    stop_after_s: typing.Optional[float]  # after its order; None: nobody stops it

    def command(self, mark):
        script = (HEAD + BODIES[self.name]).format(mark=mark, ticks=self.ticks)
        return ["bash" if self.name == USES_NETWORK else "sh", "-c", script]

    def end(self):
        return ENDS.get(self.name, ("COMPLETED", 0))


def draw_plans(seed, count, kinds, has_network):
    chance = random.Random(seed)
    names = [name for name in BODIES if has_network or name != USES_NETWORK]
    plans = []
    for number in range(count):
        name = names[number % len(names)]
        stopped = name == NEVER_ENDS or chance.random() < 0.2
        plans.append(Plan(number, kinds[number // len(names) % len(kinds)], name, chance.randrange(0, 15),
                          chance.uniform(0.0, 2.0) if stopped else None))
    chance.shuffle(plans)
    return plans


class OwnTime(typing.NamedTuple):
    """What a workload wrote of its running time, in seconds of its own clock."""
    ran: float       # to its end, or until it was asked to end
    frozen: float    # of that, pauses that no sleep of its own explains
    is_whole: bool   # it wrote its own end, or that it was asked to: nothing is missing behind it


def own_time(text, ended_by_owner):
    """None: it wrote nothing. Of one that the owner's return ended the last tick counts: it was
    suspended at once, and asked to end only later, which is free."""
    lines = [(word, float(at)) for word, at in LINE.findall(text)]
    if not lines or lines[0][0] != "begin":
        return None
    until, is_whole = lines[-1][1], False
    for place, (word, at) in enumerate(lines):
        if word == "end" or word == "term":
            until = lines[place - 1][1] if word == "term" and ended_by_owner else at
            is_whole = True
            break
    times = [at for _, at in lines if at <= until]
    pauses = (later - former - TICK_S for former, later in zip(times, times[1:]))
    return OwnTime(until - times[0], sum(pause for pause in pauses if pause > 0.4), is_whole)
