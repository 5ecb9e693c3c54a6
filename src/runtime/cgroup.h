// Control groups: memory, process, CPU and disk limits, freezing (v2), and the word of the OOM
// killer.
//
// One interface over cgroup v2 and the controllers of v1. What a machine does not offer is simply
// not limited here, and says so, so that the supervisor can watch in its place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace fallow::runtime {

// How fast one disk is read, and how fast it is written. v1 slows reads and direct writes only:
// what is written through the page cache is nobody's there.
struct DiskPace {
  std::string disk;                    // "8:0", as runtime/disk_of.h finds it
  std::uint64_t bytes_per_s = 0;       // each way; 0: no limit
  std::uint64_t operations_per_s = 0;  // likewise

  bool is_limited() const { return bytes_per_s > 0 || operations_per_s > 0; }
};

struct CgroupLimits {
  std::uint64_t memory_bytes_max = 0;  // 0: none
  std::uint32_t processes_max = 0;
  std::uint32_t cpu_thousandths = 0;
  DiskPace disk = {};
};

// The folders in which groups of workloads may be made: of v2 one, of v1 one for each controller
// (memory, pids, cpu, blkio); none when the user may not make any. Under v2 that is beside the
// caller's own group if it can be, else below it: this then moves the calling process into a leaf,
// since controllers are only handed down from a group without processes. Paths end in "/fallow".
std::vector<std::string> find_cgroup_parents();

// Removes these folders, and those that an OCI runtime made beside them under v1, if no workload's
// group is in them: agents of one machine share them.
void remove_cgroup_parents();

// The name of a workload's groups: not reused while its supervisor's process id is not.
std::string cgroup_name(LeaseId lease, std::int64_t supervisor);
// Removes the groups of that name once they are empty, waiting a second for that; under v1 also
// those that an OCI runtime made beside ours in the other hierarchies.
void remove_cgroups(const std::vector<std::string>& parents, std::string_view name);
// Kills everything in the groups of that name: for those whose supervisor is dead.
void kill_cgroups(const std::vector<std::string>& parents, std::string_view name);

// Whose memory ran short when something of a group was killed for it.
enum class OutOfMemory : std::uint8_t {
  kNo,
  kOwnLimit,
  kOfHost,  // the machine's: the group kept its limit
};
// By the group's folder, of either version.
OutOfMemory out_of_memory_in(const std::string& group);

// One workload's groups. Made and removed by its supervisor; one thread.
class Cgroup {
 public:
  // Makes <parent>/<name> in each parent, with the limits; keeps those that could be made.
  Cgroup(const std::vector<std::string>& parents, std::string_view name,
         const CgroupLimits& limits);

  // Where the groups are, as an OCI configuration says it in linux.cgroupsPath: under v2 below the
  // one hierarchy, under v1 below the caller's own group in each. Empty: there are none.
  std::string oci_path() const;

  bool limits_memory() const { return limits_memory_; }
  bool limits_processes() const { return limits_processes_; }
  bool limits_disk() const { return limits_disk_; }

  // Puts the calling process into the groups. False when one of them refused it.
  bool join() const;
  // False when there is nothing to freeze with (v1, where that group would cost every start).
  bool set_frozen(bool frozen) const;
  OutOfMemory out_of_memory() const;
  // Kills everything inside.
  void kill() const;

 private:
  std::vector<std::string> folders_;
  std::string freezer_;  // the folder that freezes; empty: none
  bool freezer_is_v2_ = false;
  std::string memory_group_;  // the folder that limits memory; empty: none
  bool limits_memory_ = false;
  bool limits_processes_ = false;
  bool limits_disk_ = false;
};

// Whether these parents' groups can slow a disk down: tried with a group that is removed again.
// Empty when they can; else why not, as a sentence. `owner` (runtime/egress.h: egress_owner()) is
// in the group's name, so that one who died meanwhile is cleared up after.
std::string why_no_disk_pace(const std::vector<std::string>& parents, const DiskPace& pace,
                             std::string_view owner);
// "disk-<owner>"
std::string disk_trial_name(std::string_view owner);
// Such a limit would hold for all that is written; else for reads and direct writes (v1).
bool slows_all_writes(const std::vector<std::string>& parents);

}  // namespace fallow::runtime
