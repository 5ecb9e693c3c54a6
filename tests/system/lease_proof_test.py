#!/usr/bin/env python3
"""A real agent proves the device of a lease in a sandbox as the lease's own, before the workload begins; one that is put in
its place does not."""
import shutil
import unittest

from harness import PATIENCE, main
from proving import ProvingTest, has_processor

# What its provider puts in the device's place once that is verified: it answers every ask at once, with what it was sent.
IMPOSTOR = """#!/bin/sh
exec cat
"""


@unittest.skipUnless(has_processor(), "no OpenCL device here: install pocl-opencl-icd")
class LeaseProofTest(ProvingTest):
    """Nobody is asked again by the interval: only before leases."""
    server_options = ("--proof-interval", "36000")
    query = "device_kind=cpu verified=true"

    def lease_checks(self):
        """What proofs inside leases came to, as the log has it."""
        entries = self.market.look(self.market.operator, "/v1/audit", page_size=1000)["entries"]
        checks = [entry["event"]["device_checked"] for entry in entries if entry["kind"] == "device_checked"]
        return [check["outcome"] for check in checks if int(check.get("lease", 0))]

    def test_a_device_proves_itself_in_the_lease_and_one_that_is_put_in_its_place_does_not(self):
        self.sandboxes()
        self.market.run("market", "policy", "lease_proof_basis_points=10000", key=self.market.operator)
        # Of its own, for what is found under its name is what it runs in sandboxes.
        program = self.folder / "agent-program"
        shutil.copy2(self.market.fallow, program)
        markets_own, self.market.fallow = self.market.fallow, str(program)
        self.market.join_agent("lab", self.provider, "--price", "0.10", "--cpu")
        self.market.fallow = markets_own
        self.wait_proof(self.provider, "lab", lambda proof: proof.get("state") == "PROVEN", 180)

        order = self.submit("echo", "on what was proven here")
        self.assertEqual(self.wait_end(order, 180)["state"], "ORDER_DONE")
        self.assertIn("on what was proven here", self.output(order))
        self.assertEqual(self.lease_checks(), ["PROOF_PASSED"])
        self.assertEqual(self.device_of(self.provider, "lab")["proof"]["state"], "PROVEN")

        impostor = self.folder / "impostor"
        impostor.write_text(IMPOSTOR)
        impostor.chmod(0o755)
        impostor.replace(program)
        order = self.submit("echo", "never on this one")
        lease = self.market.wait_until("the end of its lease", lambda: next(
            (one for one in self.market.leases_now(self.renter, order) if one["state"] == "ENDED"), None), 90 * PATIENCE)
        print("not proven:", lease["detail"], flush=True)
        self.assertEqual((lease["reason"], lease["blame"]), ("DEVICE_FAULT", "BLAME_PROVIDER"))
        self.assertEqual(sorted(self.lease_checks()), ["PROOF_PASSED", "PROOF_WRONG"])
        self.assertEqual(self.device_of(self.provider, "lab")["proof"]["state"], "DISPROVEN")
        self.audit()


if __name__ == "__main__":
    main()
