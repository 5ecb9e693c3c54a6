// EnergyBook: how much energy the devices of each lease have taken, in one bounded file.
//
// One line a lease, the oldest first: "1234 5600000 60000000", its number, microjoules, and of how
// many microseconds they are known: a device whose power nobody can measure counts for neither.
// Owned by the agent's thread; anyone may read the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "fallow/v1/telemetry.pb.h"

namespace fallow::agent {

struct LeaseEnergy {
  LeaseId lease;
  std::uint64_t microjoules = 0;
  Duration measured;
};

class EnergyBook {
 public:
  static constexpr std::size_t kLeasesMax = 1000;  // the newest are kept, and all that run

  // Goes on with what the file holds.
  explicit EnergyBook(std::string path);

  // `devices` of each lease that runs took the power of `samples` for `span`. What several leases
  // share counts for each in equal parts. Time is measured when one of a lease's devices is.
  void add(const std::map<LeaseId, std::vector<std::uint32_t>>& devices,
           const std::vector<v1::DeviceSample>& samples, Duration span);
  // What is new is in the file when this is well.
  Status store();

  // In the order of leases.
  const std::map<LeaseId, LeaseEnergy>& leases() const { return leases_; }

 private:
  const std::string path_;
  std::map<LeaseId, LeaseEnergy> leases_;
  bool changed_ = false;
};

// In the order of leases; lines that are none are left out. No file: none.
std::vector<LeaseEnergy> read_energy(const std::string& path);

}  // namespace fallow::agent
