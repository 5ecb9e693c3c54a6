// StateStore: the records of this node's workloads, kept so that an agent that was killed goes on
// where it stood.
//
// One file for each lease under <folder>, named by the lease; a file is replaced whole, so it is
// read as it was before or after. Owned by the agent's loop thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/workload_record.h"
#include "base/result.h"

namespace fallow::agent {

struct StoredRecord {
  LeaseId lease;
  // Absent when the file is damaged; that its lease was taken up is certain all the same.
  std::optional<WorkloadRecord> record;
  bool same_boot = false;  // false: the machine has started anew since, its processes are gone
};

class StateStore {
 public:
  // Makes the folder. `boot_id` names this start of the machine (boot_id() for the real one).
  static Result<StateStore> open(std::string folder, std::string boot_id);

  // Ordered by lease.
  Result<std::vector<StoredRecord>> load() const;
  // A lease's first record is on the disk when this returns, so that a lease that was taken up is
  // never taken for a new one. Later ones survive the agent, not the machine: after a start of the
  // machine its workloads are gone anyway.
  Status save(const WorkloadRecord& record);
  void remove(LeaseId lease);

 private:
  StateStore(std::string folder, std::string boot_id)
      : folder_(std::move(folder)), boot_id_(std::move(boot_id)) {}
  std::string path_of(LeaseId lease) const;

  std::string folder_;
  std::string boot_id_;
};

// The kernel's name for this start of the machine; empty when it has none.
std::string boot_id();

}  // namespace fallow::agent
