#!/usr/bin/env python3
"""A real agent proves its device over OpenCL (PoCL where there is no GPU), and a liar does not."""
import subprocess
import unittest

from harness import BUILD, PATIENCE, SystemTest, main


def has_processor():
    """Does OpenCL list a processor here?"""
    found = subprocess.run([BUILD / "src" / "fallow", "probe-devices"], capture_output=True, text=True, timeout=60)
    return any(line.startswith("opencl\tcpu\t") for line in found.stdout.splitlines())


@unittest.skipUnless(has_processor(), "no OpenCL device here: install pocl-opencl-icd")
class ProofTest(SystemTest):
    server_options = ("--proof-interval", "10")

    def device_of(self, name):
        for node in self.market.run("nodes", key=self.provider):
            if node["facts"]["name"] == name:
                return node["facts"]["devices"][0]
        return {}  # it has not joined yet

    def wait_proof(self, name, check, seconds):
        return self.market.wait_until(f"the proof of {name}", lambda: check(self.device_of(name).get("proof", {})),
                                      seconds * PATIENCE)

    def test_a_processor_is_verified_leased_and_verified_again(self):
        self.sandboxes()
        self.market.join_agent("lab", self.provider, "--price", "0.10", "--cpu")
        self.wait_proof("lab", lambda proof: proof.get("state") == "PROVEN", 180)
        device = self.device_of("lab")
        print("proven:", device, flush=True)
        self.assertEqual(device["kind"], "CPU")
        proof = device["proof"]
        self.assertEqual(proof["memory_mb"], 32)
        for rate in ("int8_mops", "fill_mbps", "fp32_mflops", "fp64_mflops", "copy_mbps"):
            self.assertGreater(int(proof["speeds"][rate]), 0, rate)
        self.query = "device_kind=cpu verified=true"
        order = self.submit("echo", "on a verified device")
        self.assertEqual(self.wait_end(order)["state"], "ORDER_DONE")
        self.assertIn("on a verified device", self.output(order))
        first = int(proof["at_us"])
        self.wait_proof("lab", lambda proof: proof["state"] == "PROVEN" and int(proof["at_us"]) > first, 180)
        self.audit()

    def test_a_processor_that_claims_to_be_a_card_is_not(self):
        self.sandboxes()
        self.market.join_agent("liar", self.provider, "--price", "0.10", "--device", "model=RTX_4090,memory_gb=24")
        proof = self.wait_proof("liar", lambda proof: proof if proof.get("misses", 0) else None, 240)
        print("not proven:", proof, flush=True)
        self.assertNotEqual(proof.get("state"), "PROVEN")
        self.assertEqual(self.market.run("offers", "verified=true gpu_name=RTX_4090", key=self.renter), [])
        self.assertEqual(len(self.market.run("offers", "gpu_name=RTX_4090", key=self.renter)), 1)


if __name__ == "__main__":
    main()
