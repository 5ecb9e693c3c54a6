#!/usr/bin/env python3
"""What packages are made of, without a package: completion, man pages, the agent's unit, dashboard and alert rules; and an
agent as a service below a root of its own. `make package-test` tries the packages themselves."""
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import unittest
import urllib.request

from harness import BUILD, PATIENCE, ROOT, SystemTest, main

FALLOW = str((BUILD / "src" / "fallow").resolve())
PACKAGING = ROOT / "packaging"
METRIC = re.compile(r"\bfallow_[a-z_]+")


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=120 * PATIENCE, stdin=subprocess.DEVNULL, **options)


def temporary_folder(test):
    path = tempfile.mkdtemp(prefix="fallow-packaging-")
    test.addCleanup(shutil.rmtree, path, ignore_errors=True)
    return pathlib.Path(path)


def complete_in_bash(*words):
    script = run(FALLOW, "completion", "bash").stdout
    return run("bash", "-c", script + 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fallow; printf "%s\\n" "${COMPREPLY[@]}"',
               "bash", *words).stdout.split()


class WordsTest(unittest.TestCase):
    def test_bash_completes(self):
        self.assertIn("agent", complete_in_bash("fallow", "ag"))
        self.assertIn("doctor", complete_in_bash("fallow", "agent", ""))
        self.assertEqual(complete_in_bash("fallow", "agent", "doc"), ["doctor"])
        self.assertEqual(complete_in_bash("fallow", "agent", "--sandbox", ""), ["bubblewrap", "runc", "gvisor", "microvm"])
        self.assertEqual(complete_in_bash("fallow", "completion", "z"), ["zsh"])
        self.assertIn("--print", complete_in_bash("fallow", "agent", "install", "--p"))
        self.assertIn("--json", complete_in_bash("fallow", "wallet", "history", "--"))
        self.assertEqual(complete_in_bash("fallow", "run", "--", ""), [], "a workload's words are none of ours")

    def test_fish_completes(self):
        if not shutil.which("fish"):
            self.skipTest("fish is not installed")
        with_script = f"{FALLOW} completion fish | source; complete -C "
        complete = lambda line: {each.split("\t")[0] for each in run("fish", "--no-config", "-c", with_script + f"'{line}'").stdout.splitlines()}
        self.assertIn("doctor", complete("fallow agent "))
        self.assertNotIn("doctor", complete("fallow "))
        self.assertEqual(complete("fallow agent --sandbox "), {"bubblewrap", "runc", "gvisor", "microvm"})
        self.assertIn("--print", complete("fallow agent install --pri"))

    def test_zsh_reads_its_completion(self):
        if not shutil.which("zsh"):
            self.skipTest("zsh is not installed")
        # The completion system itself needs a terminal; what it is told is looked at by standing in for it.
        script = run(FALLOW, "completion", "zsh").stdout
        stand_in = ("compdef() { :; }; _files() { print files; }; _describe() { shift $(($# - 1)); print -rl -- ${(P)1}; }; "
                    "compadd() { print -rl -- $@; }\n")
        ask = lambda line, current: run("zsh", "-f", "-c", stand_in + script + f"\nwords=({line}); CURRENT={current}; _fallow").stdout
        self.assertIn("doctor:which sandboxes", ask("fallow agent ''", 3))
        self.assertIn("--print:only print", ask("fallow agent install --p", 4))
        self.assertEqual(ask("fallow agent --sandbox ''", 4).split(), ["bubblewrap", "runc", "gvisor", "microvm"])
        self.assertEqual(ask("fallow run -- ''", 4), "files\n")

    def test_there_is_a_man_page_of_every_command(self):
        folder = temporary_folder(self)
        self.assertEqual(run(FALLOW, "manual", "--out", str(folder)).returncode, 0)
        listed = re.findall(r"^  ([a-z-]+)\s", run(FALLOW, "--help").stdout.partition("\nSubcommands:\n")[2], re.M)
        self.assertGreater(len(listed), 20)
        self.assertEqual({page.name for page in folder.iterdir()}, {"fallow.1"} | {f"fallow-{name}.1" for name in listed})
        for name in listed:
            page = (folder / f"fallow-{name}.1").read_text().replace("\\-", "-")
            for option in re.findall(r"--[a-z][a-z-]+", run(FALLOW, name, "--help").stdout.partition("Options:")[2]):
                if option not in ("--help",):
                    self.assertIn(option, page, f"fallow {name}")
        if shutil.which("groff"):
            for page in folder.iterdir():
                done = run("groff", "-man", "-ww", "-Tutf8", "-z", str(page))
                self.assertEqual(done.stderr, "", page.name)


class UnitTest(unittest.TestCase):
    """The agent's unit below a root of its own: nothing of this machine is touched."""

    def setUp(self):
        self.root = temporary_folder(self)
        self.environment = {"PATH": os.environ["PATH"], "HOME": "/home/someone"}

    def agent(self, *words, **options):
        return run(FALLOW, "agent", *words, "--root", str(self.root), env=self.environment, **options)

    def install(self, *words):
        done = self.agent("install", "--join", "fj1.token", "--program", "/usr/bin/fallow", *words)
        self.assertEqual(done.returncode, 0, done.stderr)

    def files(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir() or path.is_symlink())

    def test_install_and_uninstall(self):
        done = self.agent("install", "--join", "fj1.token", "--price", "0.35", "--cpu", "--name", "my node", "--program",
                          "/usr/bin/fallow")
        self.assertEqual(done.returncode, 0, done.stderr)
        unit, link, options = ("etc/systemd/system/fallow-agent.service",
                               "etc/systemd/system/multi-user.target.wants/fallow-agent.service", "etc/default/fallow-agent")
        self.assertEqual(self.files(), sorted([unit, link, options]))
        self.assertEqual(os.readlink(self.root / link), "/" + unit)
        self.assertEqual((self.root / options).stat().st_mode & 0o777, 0o600, "a token stands in it")
        self.assertIn('FALLOW_AGENT_OPTIONS="--join=fj1.token \'--name=my node\' --price=0.35 --cpu"',
                      (self.root / options).read_text())
        text = (self.root / unit).read_text()
        self.assertIn("ExecStart=/usr/bin/fallow agent --data /var/lib/fallow-agent $FALLOW_AGENT_OPTIONS\n", text)
        for line in ("KillMode=process", "Delegate=yes", "OOMPolicy=continue", "ProtectSystem=strict"):
            self.assertIn(f"\n{line}\n", text)
        self.assertNotRegex(text, "@[A-Z]+@|#system")
        self.assertEqual(text, run(FALLOW, "agent", "install", "--print", "--program", "/usr/bin/fallow").stdout)
        done = self.agent("uninstall")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.files(), [])
        self.assertFalse((self.root / "var/lib/fallow-agent").exists(), "an agent that never ran leaves no folder")
        # Another folder than the usual one is known from the unit, for the next installation, too.
        self.install("--data", "/srv/node/")
        # As systemd makes it for every service of this unit.
        (self.root / "var/lib/fallow-agent").mkdir()
        (self.root / "srv/node/node.key").write_text("0" * 64)
        self.install("--price", "0.40")
        self.assertIn(" --data /srv/node $", (self.root / unit).read_text())
        self.assertEqual(self.agent("uninstall").returncode, 0)
        self.assertFalse((self.root / "srv/node").exists())
        self.assertFalse((self.root / "var/lib/fallow-agent").exists())
        self.assertEqual(self.files(), [])
        self.assertIn("no agent is installed here", self.agent("uninstall", "--data", "/var/lib/other").stdout)

    def test_what_is_not_the_agents_stays(self):
        thesis = self.root / "srv/thesis.txt"
        thesis.parent.mkdir()
        thesis.write_text("years")
        done = self.agent("install", "--join", "fj1.token", "--data", "/srv", "--program", "/usr/bin/fallow")
        self.assertEqual(done.returncode, 2)
        self.assertIn("holds other things (thesis.txt), and no node's key", done.stderr)
        self.assertEqual(self.files(), ["srv/thesis.txt"])
        # Nor is a folder that came to hold more than the agent's.
        thesis.unlink()
        self.install("--data", "/srv")
        (self.root / "srv/node.key").write_text("0" * 64)
        for folder in ("workloads/trash", "images/pull", "notes"):
            (self.root / "srv" / folder).mkdir(parents=True)
        thesis.write_text("years")
        done = self.agent("uninstall")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("/srv stays: in it is what no agent made: thesis.txt", done.stdout)
        self.assertEqual(self.files(), ["srv/thesis.txt"])
        self.assertEqual(os.listdir(self.root / "srv"), ["thesis.txt"])

    def test_a_damaged_node_is_not_taken_for_none(self):
        self.install()
        data = self.root / "var/lib/fallow-agent"
        (data / "node.key").write_text("0" * 64)
        (data / "membership").write_text("nothing\n")
        # Where nothing runs no sandbox is tried, which would leave its own here.
        (data / "workloads").mkdir()
        before = self.files()
        done = self.agent("uninstall")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("membership is damaged; remove it", done.stderr)
        self.assertEqual(self.files(), before)
        # What is kept needs no reading; the unit, which knows the folder, stays with it.
        self.assertEqual(self.agent("uninstall", "--keep-data").returncode, 0)
        link = "etc/systemd/system/multi-user.target.wants/fallow-agent.service"
        self.assertEqual(self.files(), [each for each in before if each != link])
        (data / "membership").unlink()
        self.assertEqual(self.agent("uninstall").returncode, 0)
        self.assertFalse(data.exists())
        self.assertEqual(self.files(), [])

    def test_the_packages_unit_is_not_hidden_by_an_older_one(self):
        shipped = self.root / "lib/systemd/system/fallow-agent.service"
        shipped.parent.mkdir(parents=True)
        shipped.write_text(run(FALLOW, "agent", "install", "--print", "--program", "/usr/bin/fallow").stdout)
        own = self.root / "etc/systemd/system/fallow-agent.service"
        link = self.root / "etc/systemd/system/multi-user.target.wants/fallow-agent.service"
        self.install("--data", "/srv/node")
        self.assertEqual(os.readlink(link), "/etc/systemd/system/fallow-agent.service")
        self.install("--data", "/var/lib/fallow-agent")
        self.assertFalse(own.exists())
        self.assertEqual(os.readlink(link), "/lib/systemd/system/fallow-agent.service")

    def test_homes_are_seen_only_if_they_must_be(self):
        def text(*words):
            done = self.agent("install", "--print", *words)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        self.assertIn("\nProtectHome=yes\n", text("--program", "/usr/bin/fallow", "--data", "/homes/node"))
        for words in (("/home/someone/fallow/fallow", "/srv/node"), ("/usr/bin/fallow", "/root/node"), ("/usr/bin/fallow", "/root")):
            self.assertIn("\nProtectHome=no\n", text("--program", words[0], "--data", words[1]), words)
        for words in (("/tmp/fallow", "/srv/node"), ("/usr/bin/fallow", "/var/tmp/node")):
            done = self.agent("install", "--join", "fj1.token", "--program", words[0], "--data", words[1])
            self.assertEqual(done.returncode, 2, words)
            self.assertIn("has a /tmp of its own", done.stderr)
        self.assertEqual(self.files(), [])
        self.assertIn("=/tmp/fallow agent", text("--user", "--program", "/tmp/fallow"))

    def test_the_owners_policy_goes_to_the_agents_folder(self):
        policy = self.root / "mine.toml"
        policy.write_text("awai = 5\n")
        words = ("install", "--join", "fj1.token", "--program", "/usr/bin/fallow", "--owner-policy", "mine.toml")
        done = self.agent(*words, cwd=self.root)
        self.assertEqual(done.returncode, 2)
        self.assertIn("mine.toml, line 1: ", done.stderr)
        self.assertEqual(self.files(), ["mine.toml"])
        policy.write_text("dry_run = true\n")
        self.assertEqual(self.agent(*words, cwd=self.root).returncode, 0)
        copy = self.root / "var/lib/fallow-agent/owner-policy.toml"
        self.assertEqual(copy.read_text(), policy.read_text())
        self.assertNotIn("owner-policy", (self.root / "etc/default/fallow-agent").read_text())
        self.install()
        self.assertTrue(copy.exists(), "without the option it stays")
        self.assertEqual(self.agent("uninstall").returncode, 0)
        self.assertEqual(self.files(), ["mine.toml"])
        self.assertFalse(copy.parent.exists())

    def test_the_usual_folder_need_not_be_named(self):
        if os.path.exists("/var/lib/fallow-agent"):
            self.skipTest("there is an agent of the machine's own")
        data = self.root / ".local/share/fallow"
        data.mkdir(parents=True)
        (data / "node.key").write_text("0" * 64)
        environment = dict(self.environment, HOME=str(self.root))
        agent = lambda *words: run(FALLOW, "agent", *words, env=environment)
        done = agent("pause")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((data / "owner").read_text(), "paused\n")
        self.assertRegex(agent("status").stdout, r"(?m)^owner +paused$")
        done = run(FALLOW, "--json", "agent", "resume", env=environment)
        self.assertEqual(json.loads(done.stdout), {"owner": "OWNER_AWAY"}, done.stderr)
        self.assertRegex(agent("status").stdout, r"(?m)^owner +not paused$")
        self.assertIn(f"watched for its owner on {data}", agent("owner-report").stderr)

    def test_only_what_stays_wrong_switches_the_service_off(self):
        done = run(FALLOW, "agent", "--data", "/proc/none/node", "--device", "model=TEST_GPU,memory_gb=24", env=self.environment)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot make the agent's folder", done.stderr)
        text = self.agent("install", "--print", "--program", "/usr/bin/fallow").stdout
        self.assertIn("\nRestartPreventExitStatus=2 3\n", text)

    def test_a_users_own(self):
        done = self.agent("install", "--user", "--join", "fj1.token", "--program", "/opt/fallow")
        self.assertEqual(done.returncode, 0, done.stderr)
        home = self.root / "home/someone"
        text = (home / ".config/systemd/user/fallow-agent.service").read_text()
        self.assertIn("ExecStart=/opt/fallow agent --data /home/someone/.local/share/fallow $", text)
        self.assertIn("WantedBy=default.target", text)
        self.assertNotRegex(text, "ProtectSystem|CapabilityBoundingSet|network-online")
        self.assertTrue((home / ".config/systemd/user/default.target.wants/fallow-agent.service").is_symlink())
        self.assertEqual(self.agent("uninstall", "--user").returncode, 0)
        self.assertEqual(self.files(), [])

    def test_the_doctor_looks_at_the_disk_of_the_agents_data(self):
        if os.path.isdir("/var/lib/fallow-agent"):
            self.skipTest("an agent of the machine's own is here: its folder comes first")
        memory = tempfile.mkdtemp(prefix="fallow-doctor-", dir="/dev/shm")  # no disk, and said to be none by its name
        self.addCleanup(shutil.rmtree, memory, ignore_errors=True)
        os.mkdir(f"{memory}/fallow")
        done = run(FALLOW, "--json", "agent", "doctor", env={**self.environment, "XDG_DATA_HOME": memory})
        (line,) = [line for line in map(json.loads, done.stdout.splitlines()) if line["what"] == "disk limits"]
        self.assertEqual((line["works"], line["detail"].startswith(f"of {memory}/fallow: ")), (False, True), line)

    def test_what_is_refused(self):
        done = self.agent("install", "--price", "0.35")
        self.assertEqual(done.returncode, 2)
        self.assertIn("belongs to no market yet: add --join TOKEN", done.stderr)
        for word in ("a'b", 'a"b', "a$b", "a\nb", "50%"):
            done = self.agent("install", "--join", "fj1.token", "--name", word)
            self.assertEqual(done.returncode, 2, word)
            self.assertIn("cannot be kept in a unit's options", done.stderr)
        done = self.agent("install", "--join", "fj1.token", "--data", "/srv/my data")
        self.assertIn("cannot stand in a systemd unit", done.stderr)
        self.assertEqual(self.files(), [])

    def test_without_systemd_it_says_what_to_do(self):
        if os.path.exists("/run/systemd/system"):
            self.skipTest("systemd runs here: the real thing is left alone")
        done = run(FALLOW, "agent", "install", "--join", "fj1.token", env=self.environment)
        if os.geteuid() == 0:
            self.assertEqual(done.returncode, 1)
            self.assertIn("systemd does not run here, so nothing was changed: start the agent by", done.stderr)
            self.assertIn("agent --data '/var/lib/fallow-agent' '--join=fj1.token'", done.stderr)
        else:
            self.assertEqual(done.returncode, 2)
            self.assertIn("needs root: use sudo, or --user", done.stderr)

    def test_systemd_understands_the_units(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd is not installed")
        units = self.root / "units"
        units.mkdir()
        # A program that is there; this one may lie where no service would find it.
        text = run(FALLOW, "agent", "install", "--print", "--program", shutil.which("true")).stdout
        (units / "fallow-agent.service").write_text(text)
        server = (PACKAGING / "fallow-server.service").read_text().replace("/usr/bin/fallow", FALLOW)
        (units / "fallow-server.service").write_text(server)
        for unit in ("fallow-agent.service", "fallow-server.service"):
            done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(units / unit))
            self.assertEqual((done.returncode, done.stderr), (0, ""), unit)
        # Of what may be exposed; the agent must be root over namespaces, devices and networks.
        for unit, most in (("fallow-agent.service", 80), ("fallow-server.service", 15)):
            done = run("systemd-analyze", "security", "--offline=true", f"--threshold={most}", str(units / unit))
            self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)


class NodeTest(SystemTest):
    def test_status_earnings_and_the_end(self):
        root = self.folder / "root"
        data = root / "var/lib/fallow-agent"
        data.parent.mkdir(parents=True)
        self.sandboxes()
        token = self.market.join_token(self.provider)
        self.market.start("agent", "agent", "--data", str(data), "--join", token, "--price", "0.36", "--name", "box", "--device",
                          self.device)
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        status = lambda: self.market.run("agent", "status", "--data", str(data), key=self.provider)[0]
        seen = status()
        self.assertTrue(seen["runs"])
        self.assertTrue(seen["connected"])
        self.assertEqual((seen["url"], seen["price_per_hour"], seen["owner"], seen["workloads"]),
                         (self.market.url, "0.36", "away", 0))
        order = self.submit("sh", "-c", "sleep 3")
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        paid = self.market.order(self.renter, order)["charged"]
        self.assertNotEqual(paid, "0.00")
        wallet = self.market.run("wallet", key=self.provider)[0]
        earned = self.market.run("agent", "earnings", "--data", str(data), key=self.provider)
        self.assertEqual([line["earned"] for line in earned if "day" in line], [wallet["pending"]])
        self.assertEqual([(line["node_name"], line["devices"], line["leases"], line["earned"]) for line in earned if "leases" in line],
                         [("box", "0", 1, wallet["pending"])])
        # Another market's settings: the key is not shown to this one.
        other = dict(self.market.environment, FALLOW_URL="https://127.0.0.1:1", FALLOW_API_KEY=self.provider)
        done = run(FALLOW, "--json", "agent", "status", "--data", str(data), env=other)
        self.assertIn("your settings name another market", json.loads(done.stdout)["market"])

        order = self.submit("sh", "-c", "sleep 600")
        self.wait_running(order)
        self.assertEqual(status()["workloads"], 1)
        uninstall = lambda: run(FALLOW, "agent", "uninstall", "--root", str(root), env=self.market.environment)
        self.assertIn("an agent still runs on", uninstall().stderr)
        self.market.kill("agent", signal.SIGTERM)
        pids = run("pgrep", "-f", f"workload-supervisor {data}").stdout.split()
        self.assertTrue(pids, "the workload outlives its agent")
        node = seen["node"]
        done = uninstall()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ended 1 workload", done.stdout)
        self.assertIn(f"fallow nodes remove {node}", done.stdout)
        self.assertFalse(data.exists())
        for pid in pids:
            self.assertIn(run("ps", "-o", "stat=", "-p", pid).stdout.strip()[:1], ("", "Z"), "the supervisor is gone")
        self.assertNotIn(str(root), pathlib.Path("/proc/self/mountinfo").read_text())


class MonitoringTest(SystemTest):
    def test_dashboard_and_alerts_speak_of_what_is_shown(self):
        request = urllib.request.Request(f"{self.market.url}/metrics", headers={"Authorization": f"Bearer {self.market.operator}"})
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        text = urllib.request.urlopen(request, context=context).read().decode()
        shown = {re.match(r"[a-z_]+", line).group() for line in text.splitlines() if line and not line.startswith("#")}
        self.assertGreaterEqual(len(shown), 40)
        labels = set(re.findall(r'[{,]([a-z]+)="', text))
        dashboard = (PACKAGING / "grafana" / "fallow.json").read_text()
        rules = (PACKAGING / "prometheus" / "fallow.rules.yml").read_text()
        asked = set()
        for panel in json.loads(dashboard)["panels"]:
            for target in panel.get("targets", []):
                asked |= set(METRIC.findall(target["expr"]))
        self.assertEqual(asked - shown, set(), "the dashboard asks for what is not there")
        histogram = {f"fallow_http_request_seconds_{end}" for end in ("count", "sum")}
        self.assertEqual(shown - asked - histogram, set(), "the dashboard leaves out what is there")
        expressions = re.findall(r"^ +expr: (.*)$", rules, re.M)
        self.assertEqual(len(expressions), rules.count("- alert:"))
        for expression in expressions:
            self.assertEqual(set(METRIC.findall(expression)) - shown, set(), expression)
            for by in re.findall(r"by \(([^)]*)\)", expression) + re.findall(r"\{([a-z]+)=", expression):
                self.assertEqual({each.strip() for each in by.split(",")} - labels - {"instance", "job"}, set(), expression)
        for page in (ROOT / "docs" / "operations.md",):
            named = set(METRIC.findall(page.read_text()))
            self.assertEqual({name for name in named if not name.endswith("_")} - shown - {"fallow_http_request_seconds", "fallow_forwarding"},
                             set(), page.name)
        self.assertEqual(run("python3", "-B", str(PACKAGING / "grafana" / "make_dashboard.py"), "--check").returncode, 0)


if __name__ == "__main__":
    main()
