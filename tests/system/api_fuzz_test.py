#!/usr/bin/env python3
"""The API against requests made of its own description (docs/openapi.json): no 5xx, no answer that is not described.

Needs schemathesis from PyPI, which Debian 12 has not: `make fuzz-api` installs it below build/ and runs this. Without
it the test is skipped and says so. FALLOW_SCHEMATHESIS names another `st`; FALLOW_FUZZ_SECONDS is the time of each role.
"""
import json
import os
import re
import shutil
import subprocess

from harness import BUILD, PATIENCE, ROOT, SystemTest, main

SECONDS = os.environ.get("FALLOW_FUZZ_SECONDS", "20")
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
          "response_schema_conformance")
# The methods of HTTP/1.1 that a path may not have. One that nobody knows is answered with 501, as RFC 9110 wants it.
CONFIG = """[phases.coverage]
unexpected-methods = ["DELETE", "PUT", "POST", "PATCH", "OPTIONS", "TRACE"]
"""


def streams_of(schema):
    """What goes on for as long as it is read."""
    for routes in schema["paths"].values():
        for route in routes.values():
            if "text/event-stream" in route["responses"].get("200", {}).get("content", {}):
                yield route["operationId"]


def schemathesis():
    """The program, or None where it is not installed."""
    named = os.environ.get("FALLOW_SCHEMATHESIS")
    if named:
        return named
    own = ROOT / "build" / "schemathesis" / "bin" / "st"
    return str(own) if own.exists() else shutil.which("st")


class ApiFuzzTest(SystemTest):
    def setUp(self):
        self.program = schemathesis()
        if self.program is None:
            self.skipTest("schemathesis is not installed; where PyPI can be reached: make fuzz-api")
        super().setUp()

    def fuzz(self, name, key):
        schema = self.folder / "openapi.json"
        schema.write_bytes(subprocess.run([str(BUILD / "src" / "fallow"), "openapi"], capture_output=True, check=True).stdout)
        (self.folder / "schemathesis.toml").write_text(CONFIG)
        words = [self.program, "run", str(schema), "--url", self.market.url, "--tls-verify", "false", "--checks", CHECKS,
                 "--phases", "examples,coverage,fuzzing", "--max-time", SECONDS, "--request-timeout", "20", "--seed", "7",
                 "--continue-on-failure", "--warnings", "off", "--no-color"]
        for stream in streams_of(json.loads(schema.read_bytes())):
            words += ["--exclude-operation-id", stream]
        if key:
            words += ["-H", f"Authorization: Bearer {key}"]
        done = subprocess.run(words, capture_output=True, text=True, cwd=self.folder, stdin=subprocess.DEVNULL,
                              timeout=(float(SECONDS) + 240) * PATIENCE)
        cases = re.search(r"([0-9,]+) generated", done.stdout)
        print(f"{name}: {cases.group(0) if cases else done.stdout[-300:]}", flush=True)
        self.assertEqual(done.returncode, 0, done.stdout[-20_000:] + done.stderr[-2_000:])
        self.assertIsNotNone(cases, done.stdout[-2_000:])

    def test_no_request_meets_an_answer_that_is_not_described(self):
        for name, key in (("nobody", None), ("renter", self.renter), ("provider", self.provider),
                          ("operator", self.market.operator)):
            with self.subTest(name):
                self.fuzz(name, key)
        self.market.end_all()
        self.audit()


if __name__ == "__main__":
    main()
