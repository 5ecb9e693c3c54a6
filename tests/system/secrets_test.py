#!/usr/bin/env python3
"""Secrets of a job: they reach its tasks and its image's registry, whatever is killed meanwhile, and no disk of anybody's."""
import base64
import json
import pathlib
import signal
import subprocess
import unittest

from harness import PATIENCE, SystemTest, main
from images_test import Registry, layer, missing_tools, shell_files, write_image

TOKEN = "hunter2-of-the-renter"
PASSWORD = "password-of-the-registry"
# What skopeo is told, and what a form of JSON would hold.
CODED = [base64.b64encode(f"renter:{PASSWORD}".encode()).decode().rstrip("="), base64.b64encode(TOKEN.encode()).decode()[:24]]


class SecretsTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.helpers = []
        self.addCleanup(self.end_helpers)

    def end_helpers(self):
        for process in self.helpers:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()

    def environment(self, **more):
        return dict(self.market.environment, FALLOW_API_KEY=self.renter, TOKEN=TOKEN, **more)

    def start_fallow(self, *words, **more):
        process = subprocess.Popen([self.market.fallow, *words], env=self.environment(**more), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.helpers.append(process)
        return process

    def secret_order(self, *command, options=()):
        return self.submit_with_environment("--secret", "TOKEN", *options, command=command)

    def submit_with_environment(self, *options, command):
        words = [self.market.fallow, "--json", "run", self.query, "--hours", "0.5", "--detach", *options, "--", *command]
        done = subprocess.run(words, env=self.environment(), capture_output=True, text=True, timeout=60 * PATIENCE,
                              stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["id"]

    def files_with(self, *texts, without=()):
        """Files of the market, of its agents and of their logs that hold one of the texts."""
        found = []
        for path in self.folder.rglob("*"):
            if any(part in path.parts for part in without):
                continue
            try:
                data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            except OSError:
                continue
            found += [str(path) for text in texts if text.encode() in data]
        return found

    def processes_with(self, *texts):
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                data = path.read_bytes()
            except OSError:
                continue
            found += [data for text in texts if text.encode() in data]
        return found

    def test_a_followed_job_has_them_and_nothing_is_written_down(self):
        self.join("node")
        running = self.start_fallow("run", self.query, "--hours", "0.5", "--secret", "TOKEN", "--", "sh", "-c",
                                    'echo "has ${#TOKEN}"; while [ ! -e go ]; do sleep 0.1; done')
        order = self.market.wait_until("the order", lambda: self.market.run("jobs", key=self.renter), 30 * PATIENCE)[0]["id"]
        lease = self.wait_running(order)[0]["id"]
        self.market.wait_until("its word", lambda: f"has {len(TOKEN)}" in self.output(order), 30 * PATIENCE)
        self.assertEqual(self.files_with(TOKEN, *CODED), [])
        self.assertEqual(self.processes_with(TOKEN, *CODED), [])
        self.market.run("stop", order, key=self.renter)
        running.wait(60 * PATIENCE)
        self.assertEqual(self.files_with(TOKEN, *CODED), [])
        # Its name, and nothing more, is for everybody who audits.
        workload = self.market.order(self.renter, order)["workload"]
        self.assertEqual(workload["secrets"], ["TOKEN"])
        self.assertNotIn(TOKEN, json.dumps(self.market.run("leases", "--job", order, key=self.renter)))
        self.assertTrue(self.files_with("waiting for the secrets of job"), f"lease {lease} said that it waits")
        self.audit()

    def test_a_detached_job_waits_past_the_death_of_agent_and_server(self):
        self.join("node")
        order = self.secret_order("sh", "-c", 'echo "has ${#TOKEN}"')
        waits = lambda: "waiting for the secrets" in self.output(order)  # noqa: E731
        self.market.wait_until("its waiting", waits, 30 * PATIENCE)
        self.market.kill("node", signal.SIGKILL)
        self.market.start_agent("node", "--device", self.device)
        self.market.kill("server", signal.SIGKILL)
        self.market.start_server()
        keeper = self.start_fallow("--json", "secrets", order)
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        self.assertIn(f"has {len(TOKEN)}\n", self.output(order))
        said, trouble = keeper.communicate(timeout=30 * PATIENCE)
        self.assertEqual(keeper.returncode, 0, trouble)
        handed = [json.loads(line) for line in said.splitlines()]
        # One that was waiting when the market was gone for too long has ended meanwhile.
        self.assertLessEqual({one["lease"] for one in handed}, {lease["id"] for lease in self.market.leases(self.renter, order)})
        self.assertEqual(len(handed[0]["node_key"]), 64)
        self.assertEqual(self.files_with(TOKEN, *CODED), [])

    def test_a_task_that_moves_is_given_them_again(self):
        self.join("one")
        order = self.secret_order("sh", "-c", 'echo "has ${#TOKEN}"; sleep 600')
        keeper = self.start_fallow("secrets", order)
        self.wait_running(order)
        self.join("two")
        self.market.kill("one", signal.SIGKILL)

        def moved():
            open_now = [l for l in self.market.open_leases(self.renter, order) if l["state"] == "RUNNING"]
            return [l for l in open_now if l["node_name"] == "two"]

        self.market.wait_until("a start on the other node", moved, 90 * PATIENCE)
        # A job's output is that of its latest attempts.
        self.market.wait_until("its word", lambda: f"has {len(TOKEN)}" in self.output(order), 30 * PATIENCE)
        self.market.run("stop", order, key=self.renter)
        self.wait_end(order)
        keeper.communicate(timeout=30 * PATIENCE)
        self.assertEqual(keeper.returncode, 0)
        self.assertEqual(self.files_with(TOKEN, *CODED), [])

    def test_what_is_missing_is_said_before_anything_is_ordered(self):
        self.join("node")
        for words, said in (
                (("--secret", "NOT_SET"), "NOT_SET, which is not set"),
                (("--secret", "A=" + TOKEN), "never the value itself"),
                (("--secret", "A=file:/no/such/file"), "the secret A cannot be read"),
                (("--image", "a/b", "--image-user", "me"), "FALLOW_IMAGE_PASSWORD, which is not set"),
                (("--image", "a/b", "--image-user", "me", "--image-password", PASSWORD), "never the password itself"),
                (("--secret", "FALLOW_X=env:TOKEN"), "is the market's to set"),
                (("--image-user", "me", "--image-password", "env:TOKEN"), "name the image")):
            with self.subTest(words):
                done = subprocess.run([self.market.fallow, "run", self.query, *words, "--", "true"], env=self.environment(),
                                      capture_output=True, text=True, timeout=60 * PATIENCE, stdin=subprocess.DEVNULL)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stderr)
                self.assertNotIn(TOKEN, done.stderr)
                self.assertNotIn(PASSWORD, done.stderr)
        self.assertEqual(self.market.run("jobs", key=self.renter), [])

    @unittest.skipIf(missing_tools(), "apt-get install skopeo umoci docker-registry bubblewrap; missing here: " +
                     ", ".join(missing_tools()))
    def test_a_private_image_is_pulled_with_the_renters_login(self):
        locked = Registry(self.folder / "locked", PASSWORD)
        self.addCleanup(locked.end)
        digest = write_image(self.folder / "tool", [layer({**shell_files(), "etc/name": b"private\n"})],
                             {"Entrypoint": ["/bin/sh"]})
        locked.push(self.folder / "tool", "org/tool:1", ("--dest-creds", f"renter:{PASSWORD}"))
        self.sandboxes()
        self.market.join_agent("node", self.provider, "--price", "0.36", "--device", self.device, "--cpu-thousandths",
                               "64000", "--memory-mb", "65536", "--registry", locked.address)
        self.market.wait_for_offers(self.renter, self.query, 1, 60 * PATIENCE)
        (self.folder / "job.yaml").write_text(f"""
run: [-c, 'read line < /etc/name; echo "$line ${{#TOKEN}}"']
image: {locked.address}/org/tool:1
image_user: renter
image_password: env:REGISTRY_PASSWORD
secrets:
  TOKEN: env:TOKEN
resources:
  query: {self.query}
  hours: 0.5
""")
        job = str(self.folder / "job.yaml")
        running = self.start_fallow("run", "-f", job, REGISTRY_PASSWORD=PASSWORD)
        said, trouble = running.communicate(timeout=120 * PATIENCE)
        self.assertEqual(running.returncode, 0, trouble)
        self.assertIn(f"private {len(TOKEN)}\n", said)
        order = self.market.run("jobs", key=self.renter)[0]["id"]
        self.assertEqual(self.market.leases(self.renter, order)[0]["image_digest"], digest)
        self.assertEqual(self.files_with(TOKEN, PASSWORD, *CODED, without=("locked",)), [])

        # The wrong one is the renter's, who is told by whom; and that the image is here now opens it for nobody.
        for login in ({"REGISTRY_PASSWORD": "wrong"}, {}):
            options = ["run", "-f", job] if login else ["run", self.query, "--image", f"{locked.address}/org/tool:1", "--", "-c", ":"]
            denied = self.start_fallow(*options, **login)
            denied.communicate(timeout=120 * PATIENCE)
            self.assertEqual(denied.returncode, 1)
            order = self.market.run("jobs", key=self.renter)[0]["id"]
            lease = self.market.leases(self.renter, order)[0]
            self.assertEqual((lease["reason"], lease["blame"]), ("INPUT_INVALID", "BLAME_RENTER"), lease["detail"])
            self.assertEqual(float(lease["charged"]), 0)
            self.assertNotIn("wrong", lease["detail"])
        self.audit()


if __name__ == "__main__":
    main()
