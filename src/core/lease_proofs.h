// Proofs inside leases: some leases begin only once their devices have proven themselves once more,
// in a sandbox as the lease's own. docs/gpu-proof.md; which ones, the server draws.
#pragma once

#include <cstdint>
#include <vector>

#include "core/step.h"

namespace fallow::core {

// Devices of an open lease that may be asked before it begins, ascending: those that are verified;
// a processor only while the node has no other lease.
// None by the policy, where its node cannot, once it has begun or stops, or while it is asked.
std::vector<std::uint32_t> devices_to_prove(const v1::Policy& policy, const Node& node,
                                            const Lease& lease);

// Commands of `node` that name a lease.
void start_lease_proof(Step& step, Node& node, const v1::StartProof& command);
void finish_lease_proof(Step& step, Node& node, const v1::FinishProof& command);

// Does the node say of the lease that it has run?
bool says_it_ran(const v1::WorkloadReport& report);

// A lease ends that waits for its proof. Where its node or the owner ended it, its devices are no
// longer verified: else whoever is asked would end it.
void drop_lease_proof(Step& step, Lease& lease, bool by_node);

}  // namespace fallow::core
