// Rapl: the power that the machine's processors take, with the memory that is counted with them, by
// the counters that the kernel shows in /sys/class/powercap (Intel's and AMD's; root alone may read
// them).
//
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace fallow::agent {

class Rapl {
 public:
  // `root` as in process_facts.h. Counters that cannot be read are none.
  explicit Rapl(const std::string& root);

  // What was counted before is forgotten.
  void begin() { at_.reset(); }
  // The mean since the last call; nothing the first time, where nothing counts, and when a counter
  // could not be read, now or the last time.
  std::optional<std::uint32_t> milliwatts(Time now);

 private:
  struct Counter {
    std::string path;
    std::uint64_t range_uj = 0;  // where it begins anew
    std::uint64_t last_uj = 0;
  };
  std::vector<Counter> counters_;
  std::optional<Time> at_;  // of the last call
};

}  // namespace fallow::agent
