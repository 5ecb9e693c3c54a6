#!/usr/bin/env python3
"""Job files: what is wrong is named with its place; what is right runs as the same options would."""
import json
import pathlib
import re
import subprocess
import urllib.request

from harness import BUILD, PATIENCE, ROOT, SystemTest, main

FALLOW = str(BUILD / "src" / "fallow")

# The console's reader is held to the same files (web/test/job_file_test.ts).
WRONG = json.loads((pathlib.Path(__file__).parent / "wrong_job_files.json").read_text())
WRONG.append(["run: " + "[" * 100_000, "this is no YAML"])
# What the console only hands on.
WRONG += [
    ["run: x\nmatrix: [1]\n", "2:9: 'matrix' is a list of NAME: [values]"],
    ["run: x\nmatrix: {A: 1}\n", "2:13: the values of A are a list"],
    ["run: x\nmatrix: {A: []}\n", "2:13: the values of A are a list"],
    ["run: x\nmatrix: {A-B: [1]}\n", "2:10: 'A-B' is no name of a variable"],
    ["run: x\nmatrix: {FALLOW_TASK: [1]}\n", "2:10: 'FALLOW_TASK' is no name of a variable"],
    ["run: [x]\nmatrix: {A: [1]}\n", "2:9: 'matrix' goes with a 'run' that is text"],
    ["run: x\ntasks: 2\nmatrix: {A: [1]}\n", "3:9: 'matrix' says how many tasks there are"],
    ["run: x\nenv: {A: 1}\nmatrix: {A: [1]}\n", "3:9: A stands in 'matrix' and among the variables"],
    [f"run: x\nmatrix: {{A: {list(range(400))}, B: {list(range(400))}}}\n", "more than 100000 combinations"],
    ["run: x\ninputs: [a]\n", "2:9: 'inputs' is a list of PATH: folder or file"],
    ["run: x\ninputs: {../a: b}\n", "2:10: '../a' is no path inside the working folder"],
    ["run: x\nports: 8888\n", "2:8: 'ports' is a list of ports"],
    ["run: x\nports: [8888, x]\n", "2:15: 'x' is not PORT or PORT:LOCAL"],
    ["run: x\nresources:\n  any_of: {gpus: 2}\n", "3:11: 'any_of' is a list of alternatives"],
    ["run: x\nresources:\n  any_of: [{gpu: 2}]\n", "3:13: there is no field 'gpu' of resources; did you mean 'gpus'?"],
    ["run: x\nresources:\n  any_of: [{any_of: [{gpus: 1}]}]\n", "an alternative has no alternatives itself"],
    ["run: x\nresources:\n  any_of: [{gpus: 1}, {tier: spot}]\n", "1:1: the tier spot needs a bid"],
]


class JobFileTest(SystemTest):
    def write(self, text, name="job.yaml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def validate(self, *words):
        return subprocess.run([FALLOW, "validate", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def test_what_is_wrong_is_named_with_its_place(self):
        for text, words in WRONG:
            with self.subTest(text[:60]):
                path = self.write(text)
                done = self.validate(str(path))
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, re.escape(f"{path}:") + "[1-9][0-9]*:[1-9][0-9]*: ")
                self.assertIn(words, done.stderr)
        self.assertEqual(self.validate(str(self.folder / "none.yaml")).returncode, 2)
        self.assertEqual(self.validate().returncode, 2)

    def test_the_documents_example_and_schema_hold(self):
        text = (ROOT / "docs" / "job-files.md").read_text()
        example = re.search(r"\n\n((    .*\n|\n)+?)\n\|", text)[1]
        done = self.validate(str(self.write("\n".join(line[4:] for line in example.splitlines()))))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("a job of 12 tasks, each 1 device for up to 30.0 min", done.stdout)
        schema = self.validate("--schema").stdout
        self.assertEqual(schema, (ROOT / "docs" / "job.schema.json").read_text())
        known = json.loads(schema)["properties"]
        for name in [*known, *known["resources"]["properties"]]:
            self.assertIn(f"`{name}`", text)

    def convert(self, text):
        path = self.write(text, "task.yaml")
        return subprocess.run([FALLOW, "validate", "--from-skypilot", str(path)], capture_output=True, text=True)

    def test_skypilots_common_fields_come_over(self):
        done = self.convert("""
name: train
resources:
  accelerators: RTX4090:2
  cpus: 8+
  memory: 32+
  disk_size: 100
  region: eu
  use_spot: true
  cloud: aws
num_nodes: 2
workdir: ./code
file_mounts:
  /data: s3://bucket
envs:
  EPOCHS: 10
setup: |
  echo preparing
run: |
  cd code
  python3 train.py
""")
        self.assertEqual(done.returncode, 0)
        self.assertEqual([line for line in done.stdout.splitlines() if line], [
            "name: train", "input: ./code", "env:", "  EPOCHS: 10", "setup: |", "  echo preparing", "run: |",
            "  cd code", "  python3 train.py", "resources:", "  nodes: 2", "  query: gpu_name=RTX_4090 region=eu",
            "  gpus: 2", "  cpus: 8", "  memory_gb: 32", "  disk_gb: 100"])
        left = [line.split(":")[1].strip() for line in done.stderr.splitlines()]
        self.assertEqual(left, ["resources.use_spot", "resources.cloud", "num_nodes", "file_mounts",
                                "resources.accelerators"])
        self.assertEqual(self.validate(str(self.write(done.stdout))).returncode, 0)
        several = self.convert("run: x\nresources: {accelerators: [A100-80GB, H100]}\n")
        self.assertIn("gpu_name in [A100_80GB,H100]", several.stdout)
        counts = self.convert("run: x\nresources: {region: eu, accelerators: {A100: 8, H100: 4, H200: 4}}\n")
        self.assertEqual(counts.stdout, "run: x\nresources:\n  any_of:\n    - query: gpu_name in [H100,H200] region=eu\n"
                         "      gpus: 4\n    - query: gpu_name=A100 region=eu\n      gpus: 8\n")
        self.assertEqual(self.validate(str(self.write(counts.stdout))).returncode, 0)
        choice = self.convert("run: x\nresources: {cpus: 4, ordered: [{accelerators: T4:0.5}, {region: us, cpus: 8}]}\n")
        self.assertEqual(choice.stdout, "run: x\nresources:\n  any_of:\n    - query: gpu_name=T4\n      share: 0.5\n"
                         "      cpus: 4\n    - query: region=us\n      cpus: 8\n")
        self.assertIn("resources.ordered", choice.stderr)
        self.assertEqual(self.validate(str(self.write(choice.stdout))).returncode, 0)
        odd = self.convert("run: x\nresources: {accelerators: T4:1.5}\n")
        self.assertIn("T4:1.5", odd.stderr)
        self.assertEqual(odd.stdout, "run: x\n")
        secret = self.convert("run: x\nsecrets: {TOKEN: hunter2, KEY: null}\n")
        self.assertEqual(secret.stdout, "run: x\nsecrets:\n  TOKEN: env:TOKEN\n  KEY: env:KEY\n")
        self.assertIn("secrets.TOKEN", secret.stderr)
        self.assertNotIn("hunter2", secret.stderr)
        self.assertEqual(self.validate(str(self.write(secret.stdout))).returncode, 0)
        for wrong in ("", "run: [", "resources: {cpus: 3}\n", "- run: x\n"):
            done = self.convert(wrong)
            self.assertEqual((done.returncode, done.stdout), (2, ""), wrong)

    def test_a_sweep_of_several_inputs(self):
        self.join("node", count=2)
        work = self.folder / "sweep"
        (work / "in").mkdir(parents=True)
        (work / "in" / "word").write_text("hello")
        (work / "more" / "deep").mkdir(parents=True)
        (work / "more" / "deep" / "word").write_text("there")
        (work / "run.sh").write_text('echo "$(cat word) $(cat data/deep/word) $WHAT $SIZE" > "$FALLOW_OUT/said"\n')
        (work / "job.yaml").write_text(f"""
resources: {{query: '{self.query}', hours: 0.1}}
matrix:
  WHAT: [big, "it's $HOME"]
  SIZE: [1, 2]
input: in
inputs: {{data: more, bin/run.sh: run.sh}}
output: out
run: sh bin/run.sh
""")
        order = self.market.run("run", "-f", str(work / "job.yaml"), key=self.renter)[0]
        self.assertEqual((order["state"], order["tasks_total"]), ("ORDER_DONE", 4))
        self.assertEqual([(work / "out" / str(task) / "said").read_text() for task in range(4)],
                         [f"hello there {what} {size}\n" for what in ("big", "it's $HOME") for size in (1, 2)])

    def test_of_alternatives_the_cheapest_that_can_start_is_taken(self):
        self.join("dear", price="0.50")
        self.market.join_agent("cheap", self.provider, "--price", "0.20", "--device", "model=OTHER_GPU,memory_gb=24",
                               "--cpu-thousandths", "64000", "--memory-mb", "65536")
        self.market.wait_for_offers(self.renter, "gpu_name=OTHER_GPU", 1)
        path = self.write("""
resources:
  hours: 0.1
  any_of:
    - query: gpu_name=NOBODY_HAS_IT
    - query: gpu_name=TEST_GPU
    - query: gpu_name=OTHER_GPU
run: echo it ran
""")
        done = subprocess.run([FALLOW, "run", "-f", str(path)], capture_output=True, text=True,
                              env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        self.assertEqual((done.returncode, done.stdout), (0, "it ran\n"), done.stderr)
        self.assertIn("any_of: taking alternative 3 of 3: gpu_name=OTHER_GPU", done.stderr)
        self.assertEqual(self.market.run("jobs", key=self.renter)[0]["requirements"]["query"], "gpu_name=OTHER_GPU")
        path.write_text("resources: {any_of: [{query: gpu_name=A}, {query: gpu_name=B}]}\nrun: x\n")
        done = subprocess.run([FALLOW, "run", "-f", str(path)], capture_output=True, text=True,
                              env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_ports_of_the_first_task_are_ports_here(self):
        self.join("node")
        path = self.write(f"""
resources: {{query: '{self.query}', hours: 0.1}}
ports: ["8000:0"]
run: |
  echo hello > index.html
  exec python3 -m http.server 8000 --bind 127.0.0.1
""")
        said = self.folder / "said"
        with open(said, "w") as err:
            running = subprocess.Popen([FALLOW, "run", "-f", str(path)], stdout=err, stderr=err, stdin=subprocess.DEVNULL,
                                       env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)

        def page():
            port = re.search(r"127\.0\.0\.1:(\d+) leads to port 8000", said.read_text())
            try:
                return port and urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/index.html", timeout=10).read()
            except OSError:
                return None  # nobody listens there yet

        self.assertEqual(self.market.wait_until("its page", page, 60 * PATIENCE), b"hello\n")
        self.market.run("stop", str(self.market.run("jobs", key=self.renter)[0]["id"]), key=self.renter)
        self.assertEqual(running.wait(60 * PATIENCE), 1, said.read_text())

    def test_a_file_runs_as_the_same_options_would(self):
        self.join("node", count=2)
        work = self.folder / "work"
        (work / "in").mkdir(parents=True)
        (work / "in" / "word").write_text("hello")
        path = work / "job.yaml"
        path.write_text(f"""
name: written
resources: {{query: '{self.query}', hours: 0.1, max_price: 0.40, memory_gb: 1}}
tasks: 2
env: {{GREETING: "good day", COUNT: 3}}
input: in
output: out
budget: 0.06
attempts: 2
setup: |
  WORD=$(cat word)
run: |
  echo "$GREETING $COUNT $WORD" > $FALLOW_OUT/said
""")
        order = self.market.run("run", "-f", str(path), key=self.renter)[0]
        self.assertEqual((order["name"], order["state"], order["tasks_total"]), ("written", "ORDER_DONE", 2))
        self.assertEqual(order["budget"], "0.06")
        self.assertEqual(order["requirements"]["price_per_hour_micros_max"], "400000")
        for task in "01":
            self.assertEqual((work / "out" / task / "said").read_text(), "good day 3 hello\n")
        path.write_text(f"resources: {{query: '{self.query}'}}\nsetup: 'false'\nrun: echo not reached\n")
        done = subprocess.run([FALLOW, "run", "-f", str(path)], capture_output=True, text=True,
                              env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("not reached", done.stdout)
        for more in (["--tasks", "2"], ["gpu_ram>=1"], ["--", "true"]):
            done = subprocess.run([FALLOW, "run", "-f", str(path), *more], capture_output=True, text=True,
                                  env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
            self.assertEqual(done.returncode, 2, more)

    def test_a_quote_is_taken_as_it_is(self):
        self.join("node", count=2)
        quote = self.market.run("quote", self.query, "--tasks", "2", "--hours", "0.1", key=self.renter)[0]
        for more in (["--tasks", "3"], ["--hours", "1"], ["gpu_ram>=1"]):
            done = subprocess.run([FALLOW, "run", "--quote", quote["id"], *more, "--", "true"], capture_output=True,
                                  text=True, env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
            self.assertEqual(done.returncode, 2, more)
            self.assertIn("--quote", done.stderr)
        order = self.market.run("run", "--quote", quote["id"], "--name", "quoted", "--", "true", key=self.renter,
                                timeout=120 * PATIENCE)[0]
        self.assertEqual((order["name"], order["state"], order["tasks_total"]), ("quoted", "ORDER_DONE", 2))
        self.assertEqual(order["budget"], quote["total"])


if __name__ == "__main__":
    main()
