// What a node's whole machine has used, by whomever: its leases, its owner, its system.
//
// Pure functions over a root ("" is the machine's, tests make their own); any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/runtime.h"

namespace fallow::agent {

// As of a workload, since the machine was started. Disks and networks are those of hardware: what
// is made of them (partitions, LVM, bridges, the links of leases) would count the same twice.
WorkloadUse host_use(const std::string& root);

// Of the machine's memory, without what the kernel could take back at once.
std::optional<std::uint64_t> memory_used_bytes(const std::string& root);

}  // namespace fallow::agent
