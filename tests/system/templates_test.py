#!/usr/bin/env python3
"""The job files of examples/jobs run as they are written, and do what they say. What the machine lacks is skipped, and said."""
import gzip
import json
import re
import shutil
import signal
import subprocess
import urllib.request

from harness import BUILD, PATIENCE, ROOT, SystemTest, main

JOBS = ROOT / "examples" / "jobs"
FALLOW = str(BUILD / "src" / "fallow")


class TemplatesTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.jobs = self.folder / "jobs"
        shutil.copytree(JOBS, self.jobs)
        self.join("node", count=4)

    def run_file(self, name):
        """The order, and what it wrote."""
        order = self.market.run("run", "-f", str(self.jobs / name), key=self.renter, timeout=300 * PATIENCE)[0]
        self.assertEqual(order["state"], "ORDER_DONE")
        return order, self.output(order["id"])

    def start_file(self, name):
        """The order's number and the lease's, once that runs."""
        done = subprocess.run([FALLOW, "run", "-d", "-f", str(self.jobs / name)], capture_output=True, text=True, check=True,
                              env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        order = done.stdout.strip()
        return order, str(self.wait_running(order)[0]["id"])

    def test_all_of_them_are_right_and_in_the_table(self):
        table = (JOBS / "README.md").read_text()
        files = sorted(path.relative_to(JOBS) for path in JOBS.rglob("*.yaml"))
        self.assertGreater(len(files), 5)
        for path in files:
            done = subprocess.run([FALLOW, "validate", str(JOBS / path)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"]({path})", table)

    def test_a_shell(self):
        order, lease = self.start_file("shell.yaml")
        done = subprocess.run([FALLOW, "exec", lease, "--", "sh", "-c", "echo $((6 * 7))"], capture_output=True, text=True,
                              env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        self.assertEqual(done.stdout, "42\n")
        self.market.run("stop", order, key=self.renter)
        self.assertEqual(self.wait_end(order)["state"], "ORDER_STOPPED")

    def test_a_notebook(self):
        if not shutil.which("jupyter-notebook", path="/usr/bin"):
            done = subprocess.run([FALLOW, "run", "-f", str(self.jobs / "jupyter.yaml")], capture_output=True, text=True,
                                  env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
            self.assertEqual(done.returncode, 1)
            self.assertIn("no Jupyter: name an image", done.stdout + done.stderr)
            self.skipTest("Jupyter is not installed here (apt install jupyter-notebook): only that it says so was tried")
        order, lease = self.start_file("jupyter.yaml")
        found = self.market.wait_until("its address", lambda: re.search(r"token=([0-9a-f]+)", self.output(order)), 120 * PATIENCE)
        forward = subprocess.Popen([FALLOW, "--json", "port-forward", lease, "8888:0"], stdout=subprocess.PIPE, text=True,
                                   env=dict(self.market.environment, FALLOW_API_KEY=self.renter))
        try:
            port = json.loads(forward.stdout.readline())["local_port"]
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents?token={found[1]}", timeout=60 * PATIENCE)
            self.assertEqual(json.loads(page.read())["type"], "directory")
        finally:
            forward.send_signal(signal.SIGINT)
            forward.communicate()
        self.market.run("stop", order, key=self.renter)
        self.wait_end(order)

    def test_a_sweep(self):
        self.run_file("sweep.yaml")
        results = [(self.jobs / "results" / str(task) / "result.txt").read_text() for task in range(4)]
        self.assertEqual(results[:2], ["rate 0.1: x = 3.000000\n", "rate 0.01: x = 3.000000\n"])
        self.assertTrue(results[3].startswith("rate 0.0001: x = 8."))

    def test_files(self):
        for name in ("a", "b b", "deep/c", "d", "e", "f"):
            (self.jobs / "files" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.jobs / "files" / name).write_text(f"this is {name}")
        self.run_file("files.yaml")
        found = {str(path.relative_to(self.jobs / "results").with_suffix("")).split("/", 1)[1]: gzip.decompress(path.read_bytes())
                 for path in (self.jobs / "results").rglob("*.gz")}
        self.assertEqual(found, {name: f"this is {name}".encode() for name in ("a", "b b", "deep/c", "d", "e", "f")})

    def test_a_training(self):
        if subprocess.run(["/usr/bin/python3", "-c", "import torch"], capture_output=True).returncode != 0:
            self.skipTest("the machine's own Python has no PyTorch: apt install python3-torch")
        train = self.jobs / "train"
        shutil.copytree(ROOT / "sdk" / "python" / "fallow", train / "fallow", ignore=shutil.ignore_patterns("__pycache__"))
        _, said = self.run_file("train/train.yaml")
        self.assertIn("begins with epoch 0", said)
        self.assertGreater(float(re.search(r"done: ([0-9.]+)% right", said)[1]), 90)
        self.assertTrue((train / "results" / "model.pt").exists())
        # Some epochs more, from its checkpoint.
        (train / "results" / "checkpoint").rename(train / "checkpoint")
        shutil.rmtree(train / "results")
        (train / "train.py").write_text((train / "train.py").read_text().replace("EPOCHS = 20", "EPOCHS = 22"))
        _, said = self.run_file("train/train.yaml")
        self.assertIn("goes on in epoch 20", said)
        self.assertEqual(re.findall(r"epoch (\d+), loss", said), ["21"])

    def test_a_picture(self):
        program = BUILD / "examples" / "pathtrace" / "pathtrace"
        (self.jobs / "scene").mkdir()
        for path in (program, ROOT / "examples" / "scenes" / "field.obj", ROOT / "examples" / "scenes" / "field.mtl"):
            shutil.copy(path, self.jobs / "scene")
        # Small, and on one processor: this node's device is there by name only.
        text = (self.jobs / "pathtrace.yaml").read_text()
        small = re.sub("OPTIONS: .*", "OPTIONS: --device host --width 48 --height 27 --samples 1", text)
        self.assertNotEqual(small, text)
        (self.jobs / "pathtrace.yaml").write_text(small)
        self.run_file("pathtrace.yaml")
        subprocess.run([program, "assemble", "--out", self.jobs / "picture.png", self.jobs / "tiles"], check=True,
                       capture_output=True)
        self.assertEqual((self.jobs / "picture.png").read_bytes()[1:4], b"PNG")


if __name__ == "__main__":
    main()
