// OwnerPolicy: what counts as the owner being at the machine, and what happens then; one TOML file.
//
// A value. What is not in the file is as default_owner_policy() says, which is also its text with
// every setting explained.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/owner_schedule.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow::agent {

struct OwnerPolicy {
  bool dry_run = false;               // write down what it would do, and do nothing
  Duration away_after = minutes(10);  // that nothing was seen of the owner

  // What runs is suspended at once, asked to end after this, and killed after that; both from the
  // owner's return on.
  Duration ask_after = milliseconds(300);
  Duration kill_after = seconds(4);

  bool desktop = true;    // sessions that say they are in use
  bool input = true;      // keyboards and mice
  bool terminals = true;  // what is typed there
  bool battery = true;    // no mains
  std::vector<std::string> programs = {"*.exe", "wineserver", "gamescope*", "retroarch"};

  std::uint32_t gpu_memory_mb = 1000;  // of one other process; 0: not looked at
  std::uint32_t gpu_percent = 20;      // of the GPU's time, by one other process; 0: not looked at
  double processor_cores = 0;          // kept busy by others; 0: not looked at

  OwnerSchedule schedule;
  std::string zone;  // "": the machine's
};

std::string_view default_owner_policy();

// kInvalid: "<name>, line 7: what is wrong and how to write it". A key that is not known is an
// error.
Result<OwnerPolicy> parse_owner_policy(std::string_view text, std::string_view name);
Result<OwnerPolicy> load_owner_policy(const std::string& path);

// What it says, as sentences for its owner, one a line.
std::string describe(const OwnerPolicy& policy);

}  // namespace fallow::agent
