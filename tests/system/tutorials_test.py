#!/usr/bin/env python3
"""The command lines of the documents, executed as they are written in a folder of their own; the last test says of every
line that is not, who executes it instead or why nobody does. README's are readme_test.py's, docs/sdk-python.md's those of
sdk/python/tests/tutorial_test.py."""
import re
import subprocess
import sys

from harness import BUILD, PATIENCE, ROOT, SystemTest, main

sys.path.insert(0, str(ROOT / "tools"))

import check_docs  # noqa: E402

COMMAND = re.compile(r"(\$ |sudo |[A-Z_]+=\S+ |tar .*\| )?(fallow|curl|export)\s")

# By document: the beginning of a line that is left out, and why.
LEFT_OUT = {
    "docs/gpu-proof.md": {"fallow server": "proof_test.py", "fallow sim proof": "minutes long; the simulator's tests"},
    "docs/provider.md": {
        "fallow agent --owner-policy": "owner_test.py", "sudo fallow agent install": "packaging_test.py",
        "fallow agent owner-report": "owner_test.py", "fallow agent --join": "telemetry_test.py",
        "fallow agent status": "telemetry_test.py", "fallow agent --region": "readme_test.py",
        "fallow agent doctor": "egress_test.py", "fallow agent --egress": "egress_test.py",
        "fallow nodes offer": "offer_test.py"},
    "docs/reach.md": {
        "fallow exec 17 -- nvidia-smi": "no GPU's here; exec is reach_test.py's",
        "fallow port-forward": "ports of this machine that others may have; reach_test.py", "fallow ssh 17 ": "reach_test.py"},
    "docs/telemetry.md": {"fallow agent --metrics-port": "telemetry_test.py"},
}
# Documents of which no line is executed here.
ELSEWHERE = {
    "README.md": "readme_test.py",
    "docs/api.md": "by curl, which not everybody has; server_test",
    "docs/console.md": "make browse",
    "docs/images.md": "images_test.py",
    "docs/install.md": "packaging_test.py, make package-test",
    "docs/laboratory.md": "with traces that are fetched; the simulator's tests",
    "docs/secrets.md": "secrets_test.py",
    "docs/simulator.md": "minutes long; the simulator's tests",
    "docs/webhooks.md": "webhooks_test.py, with a receiver of its own",
    "examples/train/README.md": "train_test.py",
}
HERE = ("docs/gpu-proof.md", "docs/job-files.md", "docs/operations.md", "docs/provider.md", "docs/query.md", "docs/reach.md",
        "docs/telemetry.md")


def commands(document):
    """Its command lines, without prompts and what is said behind them."""
    found = []
    for _, line, code in check_docs.lines_of(ROOT / document):
        if code and COMMAND.match(line.strip()):
            line = re.sub(r"\s+#\s.*$", "", line.strip()).removeprefix("$ ")
            found.append(re.split(r"\s{3,}", line)[0])
    return found


def is_left_out(document, line):
    return any(f"{line} ".startswith(start) for start in LEFT_OUT.get(document, {}))


class TutorialsTest(SystemTest):
    query = "gpu_name=RTX_4090"
    device = "model=RTX_4090,memory_gb=24"

    def setUp(self):
        super().setUp()
        self.sandboxes()
        self.place = self.folder / "place"
        self.place.mkdir()
        self.market.join_agent("node", self.provider, "--price", "0.28", "--region", "eu", "--device", self.device)
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)

    def start(self, line, key, **pipes):
        environment = dict(self.market.environment, FALLOW_API_KEY=key)
        environment["PATH"] = f"{BUILD / 'src'}:{environment['PATH']}"
        return subprocess.Popen(["bash", "-c", f"set -o pipefail; {line}"], cwd=self.place, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **pipes)

    def follow(self, document, key=None, instead=(), typed=""):
        """Executes its lines in order; what each printed, by the line. `instead`: what stands in the place of which words.
        `typed`: into each."""
        printed = {}
        for line in commands(document):
            if is_left_out(document, line):
                continue
            text = line
            for words, value in instead:
                text = re.sub(words, value, text)
            process = self.start(text, key or self.renter, stdin=subprocess.PIPE)
            out, error = process.communicate(typed, timeout=120 * PATIENCE)
            self.assertEqual(process.returncode, 0, f"{document}: $ {text}\n{out}{error}")
            printed[line] = out + error
        self.assertGreater(len(printed), 0)
        return printed

    def rent(self, script):
        """A lease that runs it, once that has said that it is ready."""
        order = self.submit("sh", "-c", f"{script}; echo ready; sleep 600")
        lease = self.wait_running(order)[0]
        self.market.wait_until("the workload's word", lambda: "ready" in self.output(order), 60 * PATIENCE)
        return order, lease

    def test_queries(self):
        (self.place / "train.py").write_text("print('trained')\n")
        printed = self.follow("docs/query.md")
        offers, quote, run = printed.values()
        self.assertIn("4090", offers)
        self.assertIn("0.28", quote)
        self.assertIn("trained", run)

    def test_reaching_into_a_lease(self):
        (self.place / "data").mkdir()
        (self.place / "data" / "first").write_text("of many\n")
        (self.place / "model.bin").write_bytes(b"weights")
        (self.folder / ".ssh").mkdir()
        _, lease = self.rent("mkdir /out/checkpoints; echo 3 > /out/checkpoints/step")
        instead = [(r"\b17\b", lease["id"])]
        printed = self.follow("docs/reach.md", instead=instead, typed="echo in $FALLOW_TASK; ls\n")
        self.assertIn(lease["id"], printed["fallow leases --open"])
        self.assertIn("in 0\n", printed["fallow exec 17"])
        self.assertEqual((self.place / "checkpoints" / "step").read_text(), "3\n")
        self.assertIn(f"lease-{lease['id']}", (self.folder / ".ssh" / "config").read_text())
        there = self.start(f"fallow exec {lease['id']} -- cat /work/data/first /work/model.bin", self.renter)
        self.assertEqual(there.communicate(timeout=60 * PATIENCE)[0], "of many\nweights")

    def test_watching(self):
        order, lease = self.rent("true")
        live, minutes, of_node, *rest = commands("docs/telemetry.md")
        self.assertTrue(all(is_left_out("docs/telemetry.md", line) for line in rest), rest)
        watched = self.start(live.replace("LEASE", lease["id"]), self.renter)
        of_node = self.start(of_node.replace("NODE", lease["node"]).replace("[--minutes]", ""), self.provider)
        self.addCleanup(of_node.communicate)
        self.addCleanup(of_node.kill)
        self.addCleanup(watched.communicate)
        self.addCleanup(watched.kill)
        self.assertRegex(of_node.stdout.readline(), r"^\d\d:\d\d:\d\d  ")
        # Until it has told of both: the lease's end ends it, too.
        missing = {rf"^\d\d:\d\d:\d\d  lease {lease['id']}  ", r"^\d\d:\d\d:\d\d  machine  "}
        while missing:
            line = watched.stdout.readline()
            self.assertTrue(line, f"it ended without {missing}")
            missing = {words for words in missing if not re.search(words, line)}
        self.market.run("stop", str(order), key=self.renter)
        _, error = watched.communicate(timeout=60 * PATIENCE)
        self.assertEqual(watched.returncode, 0, error)

        def measured():
            done = self.start(minutes.replace("LEASE", lease["id"]), self.renter)
            out, error = done.communicate(timeout=60 * PATIENCE)
            self.assertEqual(done.returncode, 0, error)
            return f"mean  lease {lease['id']}" in out

        self.market.wait_until("the minute that was cut short", measured, 30 * PATIENCE)

    def test_operating(self):
        order, lease = self.rent("true")
        self.market.run("stop", str(order), key=self.renter)
        self.wait_end(order)
        instead = [("4711", lease["id"]), ("--account 7 ", f"--account {self.renter_id} "),
                   ("/var/lib/fallow", str(self.market.data)),
                   ("2026-11-01T00:00:00Z", "2020-01-01T00:00:00Z")]  # whatever this machine's day is
        printed = self.follow("docs/operations.md", key=self.market.operator, instead=instead)
        rules = next(text for line, text in printed.items() if line == "fallow market policy")
        self.assertIn("fee_basis_points", rules)
        self.assertIn("lease_ended", printed["fallow events --lease 4711"])
        self.assertIn("policy_set", printed["fallow events --kind set_policy"])
        self.assertIn("order_accepted", (self.place / "november.csv").read_text())

    def test_job_files(self):
        (self.place / "task.yaml").write_text("name: render\nresources:\n  accelerators: RTX4090:1\nrun: echo hello\n")
        wrong, right = commands("docs/job-files.md")
        (self.place / "job.yaml").write_text("name: render\nrun: echo hello\nresources:\n  gpu: 1\n")
        refused = self.start(wrong, self.renter)
        said = refused.communicate(timeout=60 * PATIENCE)[1]
        self.assertEqual(refused.returncode, 2)
        shown = check_docs.lines_of(ROOT / "docs" / "job-files.md")
        self.assertIn(said.strip(), [line.strip() for _, line, code in shown if code])
        for line in (right, wrong):  # what was taken over is right
            done = self.start(line, self.renter)
            said = done.communicate(timeout=60 * PATIENCE)
            self.assertEqual(done.returncode, 0, said)

    def test_an_owners_policy(self):
        printed = self.follow("docs/provider.md", key=self.provider)
        self.assertEqual(len(printed), 2)
        self.assertIn("dry_run", (self.place / "policy.toml").read_text())

    def test_proofs(self):
        offers, nodes = self.follow("docs/gpu-proof.md", key=self.provider).values()
        self.assertNotIn("eu", offers, "nothing was proven here")
        self.assertIn('"gpus_verified":0', nodes)

    def test_every_line_is_executed_or_named(self):
        shown = {}
        for path in check_docs.documents():
            document = str(path.relative_to(ROOT))
            if check_docs.FORMATS not in path.parents and "decisions" not in path.parts and commands(document):
                shown[document] = commands(document)
        self.assertEqual(set(shown), set(HERE) | set(ELSEWHERE))
        for document, starts in LEFT_OUT.items():
            for start in starts:
                self.assertTrue(any(f"{line} ".startswith(start) for line in shown[document]), f"{document}: {start}")


if __name__ == "__main__":
    main(3)
