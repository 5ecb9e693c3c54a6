// OwnerSigns: everything that a policy wants looked at, each as often as it is worth.
//
// One thread; a look may wait a second for logind, and for a GPU's driver as long as that hangs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/owner_policy.h"
#include "base/types.h"

namespace fallow::agent {

struct OwnerMachine {
  std::string root;                 // as in process_facts.h
  int agent = 0;                    // its process
  std::string mark;                 // the mode of the supervisors of leases
  std::vector<std::string> groups;  // cgroups v2 of all leases; none: leases' processor time is
                                    // not known, and processor time no sign
};

class OwnerSigns {
 public:
  struct When {
    Time wall;
    Time monotonic;
  };
  OwnerSigns(const OwnerPolicy& policy, const OwnerMachine& machine);

  // The first sign that the owner is there, or nothing.
  std::optional<std::string> look(When now);
  // What the policy asks for and this machine does not offer, a sentence each.
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  using Look = std::function<std::optional<std::string>(When)>;
  struct Sign {
    Duration every;  // 0: at each look
    Look look;
    Time due{};
    std::optional<std::string> seen;
  };
  void add(Duration every, Look look) { signs_.push_back({every, std::move(look), {}, {}}); }
  void add_desktop();
  void add_gpu(const OwnerPolicy& policy, const OwnerMachine& machine);
  void add_processor(const OwnerPolicy& policy, const OwnerMachine& machine);

  std::vector<Sign> signs_;
  std::vector<std::string> faults_;
};

}  // namespace fallow::agent
