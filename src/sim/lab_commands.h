// The commands that open a simulated market and fill it, and the clock that laboratories measure
// with. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/types.h"
#include "fallow/v1/commands.pb.h"

namespace fallow::sim {

// What the command at a place of the log makes first has this id.
std::uint64_t first_id_of(LogIndex index);

// 32 bytes that differ by either number: hashes and keys that nobody has to invert or sign with.
std::string made_up_key(std::uint64_t kind, std::uint64_t number);

v1::Command found_command(const std::string& market, const v1::Policy& policy);
v1::Command account_command(v1::Scope scope);
v1::Command deposit_command(std::uint64_t account, Micros amount, std::uint64_t reference);
v1::Command join_token_command(std::uint64_t provider, const std::string& secret_hash,
                               std::uint32_t uses_max);
// A made-up machine of like devices, with so much beside each of them.
struct MadeUpNode {
  std::uint64_t number = 0;
  std::string region;
  std::string model;
  std::uint32_t device_memory_mb = 0;
  std::uint32_t devices = 0;
  std::uint32_t cpu_thousandths = 0;  // these a device
  std::uint32_t memory_mb = 0;
  std::uint32_t disk_mb = 0;
};
v1::NodeFacts facts_of(const MadeUpNode& node);
v1::Command offer_command(NodeId node, Micros device_hour);
v1::Command link_command(NodeId node, bool connected);
// The whole time that the lease ran, in one record.
void add_meter(v1::WorkloadReport& report, std::uint32_t sequence, Duration running, Time now);

// Of this thread's processor.
double thread_seconds();

}  // namespace fallow::sim
