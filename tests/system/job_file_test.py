#!/usr/bin/env python3
"""Job files: what is wrong is named with its place; what is right runs as the same options would."""
import json
import pathlib
import re
import subprocess

from harness import BUILD, ROOT, SystemTest, main

FALLOW = str(BUILD / "src" / "fallow")

# The console's reader is held to the same files (web/test/job_file_test.ts).
WRONG = json.loads((pathlib.Path(__file__).parent / "wrong_job_files.json").read_text())
WRONG.append(["run: " + "[" * 100_000, "this is no YAML"])


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
            "  cd code", "  python3 train.py", "resources:", "  query: gpu_name=RTX_4090 region=eu", "  gpus: 2",
            "  cpus: 8", "  memory_gb: 32", "  disk_gb: 100"])
        left = [line.split(":")[1].strip() for line in done.stderr.splitlines()]
        self.assertEqual(left, ["resources.accelerators", "resources.use_spot", "resources.cloud", "num_nodes",
                                "file_mounts"])
        self.assertEqual(self.validate(str(self.write(done.stdout))).returncode, 0)
        several = self.convert("run: x\nresources: {accelerators: [A100-80GB, H100]}\n")
        self.assertIn("gpu_name in [A100_80GB,H100]", several.stdout)
        for wrong in ("", "run: [", "resources: {cpus: 3}\n", "- run: x\n"):
            done = self.convert(wrong)
            self.assertEqual((done.returncode, done.stdout), (2, ""), wrong)

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


if __name__ == "__main__":
    main()
