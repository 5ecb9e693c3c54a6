#!/usr/bin/env python3
"""A real agent proves its device over OpenCL (PoCL where there is no GPU), and a liar does not."""
import os
import pathlib
import signal
import struct
import subprocess
import threading
import time
import unittest

from faults import COMPILER, NO_COMPILER
from harness import PATIENCE, main
from proving import ProvingTest, has_processor


# A driver library that lies: one RTX 4090 with 24 GiB, wherever it is.
NVML = r"""
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned* count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) { *device = "x"; return 0; }
int nvmlDeviceGetName(void* device, char* text, unsigned size) { strcpy(text, "NVIDIA GeForce RTX 4090"); return 0; }
int nvmlDeviceGetUUID(void* device, char* text, unsigned size) { strcpy(text, "GPU-4090"); return 0; }
int nvmlDeviceGetMemoryInfo(void* device, unsigned long long* sizes) { sizes[0] = 24ull << 30; return 0; }
int nvmlDeviceGetMinorNumber(void* device, unsigned* minor) { *minor = 0; return 0; }
int nvmlSystemGetDriverVersion(char* text, unsigned size) { strcpy(text, "999.99"); return 0; }
"""


class TooLate(threading.Thread):
    """Has an agent's prover stand still once it cannot be proven any more.

    A processor would compute a card's product for a minute, on all that the machine has, until the market has waited
    for long enough; the product's own limit, beyond which it is too slow, is 10 s for an RTX 4090.
    """

    limit_s = 20

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent = agent
        self.over = threading.Event()
        self.begun = {}  # by the prover's process id, when it was first seen with its product

    def provers(self):
        """Of the agent's children those that have loaded PoCL's code of the product."""
        for file in pathlib.Path(f"/proc/{self.agent}/task").glob("*/children"):
            for child in file.read_text().split():
                try:
                    if "/multiply.so" in pathlib.Path(f"/proc/{child}/maps").read_text():
                        yield int(child)
                except OSError:
                    continue  # it has ended

    def run(self):
        while not self.over.wait(1):
            try:
                for prover in self.provers():
                    if time.monotonic() - self.begun.setdefault(prover, time.monotonic()) > self.limit_s * PATIENCE:
                        os.kill(prover, signal.SIGSTOP)
            except OSError:
                continue  # the agent or the prover ends


@unittest.skipUnless(has_processor(), "no OpenCL device here: install pocl-opencl-icd")
class ProofTest(ProvingTest):
    server_options = ("--proof-interval", "10")

    def test_a_processor_is_verified_and_one_that_claims_to_be_a_card_is_not(self):
        """Both in one market, of two providers: the one computes while the other's time runs out."""
        self.sandboxes()
        # Else chance asks one lease of twenty for a proof of its own: lease_proof_test's.
        self.market.run("market", "policy", "lease_proof_basis_points=0", key=self.market.operator)
        _, swindler = self.market.open_account("swindler", "provider")
        agent = self.market.join_agent("liar", swindler, "--price", "0.10", "--device", "model=RTX_4090,memory_gb=24")
        # It computes in vain: not at the cost of what is beside it, and no longer than it could be of use.
        os.setpriority(os.PRIO_PROCESS, agent.pid, 19)
        too_late = TooLate(agent.pid)
        too_late.start()
        self.addCleanup(too_late.over.set)
        self.verified_leased_and_verified_again()

        proof = self.wait_proof(swindler, "liar", lambda proof: proof if proof.get("misses", 0) else None, 240)
        print("not proven:", proof, flush=True)
        self.assertNotEqual(proof.get("state"), "PROVEN")
        self.assertEqual(self.market.run("offers", "verified=true gpu_name=RTX_4090", key=self.renter), [])
        self.assertEqual(len(self.market.run("offers", "gpu_name=RTX_4090", key=self.renter)), 1)
        self.audit()

    def verified_leased_and_verified_again(self):
        self.market.join_agent("lab", self.provider, "--price", "0.10", "--cpu")
        self.wait_proof(self.provider, "lab", lambda proof: proof.get("state") == "PROVEN", 180)
        device = self.device_of(self.provider, "lab")
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
        self.wait_proof(self.provider, "lab", lambda proof: proof["state"] == "PROVEN" and int(proof["at_us"]) > first, 180)

    @unittest.skipIf(NO_COMPILER, NO_COMPILER)
    def test_a_driver_library_that_lies_proves_nothing(self):
        source = self.folder / "nvml.c"
        source.write_text(NVML)
        subprocess.run([COMPILER, "-w", "-shared", "-fPIC", "-o", self.folder / "libnvidia-ml.so.1", source], check=True)
        environment = dict(os.environ, LD_LIBRARY_PATH=str(self.folder))
        listed = subprocess.run([self.market.fallow, "probe-devices"], env=environment, capture_output=True, text=True)
        self.assertIn("nvml\tgpu\tNVIDIA GeForce RTX 4090", listed.stdout)
        # The first ask of a proof: proof 1, device 0, ECHO.
        ask = bytes((8, 1, 0x18, 1))
        prover = subprocess.Popen([self.market.fallow, "prove-devices", "nvidia"], env=environment, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(prover.communicate)
        prover.stdin.write(struct.pack("<I", len(ask)) + ask)
        prover.stdin.flush()
        answer = prover.stdout.read(struct.unpack("<I", prover.stdout.read(4))[0])
        self.assertIn(b"no OpenCL device stands for it", answer)


if __name__ == "__main__":
    main()
