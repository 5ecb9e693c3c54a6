"""What tests of proofs share: a device of this machine's that can be proven, and the word of its market."""
import subprocess

from harness import BUILD, PATIENCE, SystemTest


def has_processor():
    """Does OpenCL list a processor here?"""
    found = subprocess.run([BUILD / "src" / "fallow", "probe-devices"], capture_output=True, text=True, timeout=60)
    return any(line.startswith("opencl\tcpu\t") for line in found.stdout.splitlines())


class ProvingTest(SystemTest):
    def device_of(self, provider, name):
        for node in self.market.look(provider, "/v1/nodes").get("nodes", []):
            if node["facts"]["name"] == name:
                return node["facts"]["devices"][0]
        return {}  # it has not joined yet

    def wait_proof(self, provider, name, check, seconds):
        return self.market.wait_until(f"the proof of {name}",
                                      lambda: check(self.device_of(provider, name).get("proof", {})), seconds * PATIENCE)
