#include "runtime/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <sstream>

#include "base/file.h"
#include "runtime/kernel_numbers.h"

namespace fallow::runtime {
namespace {

constexpr std::string_view kRoot = "/sys/fs/cgroup";
constexpr std::size_t kFileBytesMax = 64 << 10;
// The kernel charges groups in batches: so near below its limit a group has reached it.
constexpr std::uint64_t kChargeBytesMax = 1 << 20;
constexpr int kMakeTriesMax = 5;     // while others remove what is made
constexpr int kKillRoundsMax = 100;  // what forks while it is killed is gone after a few

bool write_control(const std::string& path, std::string_view text) {
  const auto file = open_file(path, O_WRONLY);
  return file && write_all(*file, text, path).has_value();
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool make_group(const std::string& path) {
  return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
}

// The calling process's own group under the controller ("" is v2) in /proc/self/cgroup.
std::optional<std::string> own_group(std::string_view controller) {
  const auto text = read_file("/proc/self/cgroup", kFileBytesMax);
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    std::string_view names = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (names.empty() && controller.empty()) return path;
    while (!names.empty()) {
      const std::string_view name = names.substr(0, names.find(','));
      // A hierarchy without controllers has a name only, and is mounted under it.
      if (name == controller || name == "name=" + std::string(controller)) return path;
      names.remove_prefix(std::min(names.size(), name.size() + 1));
    }
  }
  return std::nullopt;
}

// Under v1: <the calling process's own group>/fallow, which need not be there, in the hierarchy
// mounted as `mount`.
std::optional<std::string> place_v1(std::string_view controller, std::string_view mount) {
  const auto group = own_group(controller);
  if (!group) return std::nullopt;
  const std::string own = std::string(kRoot) + "/" + std::string(mount) + *group;
  if (!exists(own + "/cgroup.procs")) return std::nullopt;
  return own + (own.ends_with('/') ? "fallow" : "/fallow");
}

std::optional<std::string> parent_v1(std::string_view controller) {
  auto parent = place_v1(controller, controller);
  if (!parent || !make_group(*parent) || ::access(parent->c_str(), W_OK) != 0) {
    return std::nullopt;
  }
  return parent;
}

// Makes <group>/fallow and hands it what controllers the kernel lets it have.
std::optional<std::string> make_parent_v2(const std::string& group) {
  const std::string parent = group + "/fallow";
  if (!make_group(parent)) return std::nullopt;
  for (const std::string& folder : {group, parent}) {
    for (const std::string_view controller : {"+memory", "+pids", "+cpu", "+io"}) {
      write_control(folder + "/cgroup.subtree_control", controller);
    }
  }
  return parent;
}

// <parent>/<name>. The parent goes with the node of another agent that is removed, or with the last
// that ran here before; then it is made anew.
bool make_group_of_lease(const std::string& parent, std::string_view name) {
  const std::string folder = parent + "/" + std::string(name);
  for (int tries = 0; tries < kMakeTriesMax; ++tries) {
    if (make_group(folder)) return true;
    if (errno != ENOENT) return false;
    const std::string above = parent.substr(0, parent.rfind('/'));
    if (exists(above + "/cgroup.controllers") ? !make_parent_v2(above) : !make_group(parent)) {
      return false;
    }
  }
  return false;
}

// All of it, or nothing: half a limit would be said to hold.
bool limit_disk(const std::string& group, const DiskPace& pace) {
  const auto limit_v1 = [&](std::string_view leaf, std::uint64_t most) {
    return most == 0 || write_control(group + "/blkio.throttle." + std::string(leaf) + "_device",
                                      pace.disk + " " + std::to_string(most));
  };
  if (exists(group + "/blkio.throttle.read_bps_device")) {
    return limit_v1("read_bps", pace.bytes_per_s) && limit_v1("write_bps", pace.bytes_per_s) &&
           limit_v1("read_iops", pace.operations_per_s) &&
           limit_v1("write_iops", pace.operations_per_s);
  }
  std::string line = pace.disk;
  if (pace.bytes_per_s > 0) {
    const std::string most = std::to_string(pace.bytes_per_s);
    line += " rbps=" + most + " wbps=" + most;
  }
  if (pace.operations_per_s > 0) {
    const std::string most = std::to_string(pace.operations_per_s);
    line += " riops=" + most + " wiops=" + most;
  }
  // Without the controller there is no such file, and none can be made.
  return write_control(group + "/io.max", line);
}

bool has_memory_controller(const std::string& parent) {
  const auto controllers = read_file(parent + "/cgroup.subtree_control", kFileBytesMax);
  return controllers && controllers->find("memory") != std::string::npos;
}

// ".../user@1000.service" of ".../user@1000.service/app.slice/x.service": the group of the systemd
// of a user, which is the user's. Empty: there is none above `own`.
std::string manager_group(const std::string& own) {
  const std::size_t begin = own.find("/user@");
  if (begin == std::string::npos) return {};
  constexpr std::string_view kEnd = ".service/";
  const std::size_t end = own.find(kEnd, begin);
  return end == std::string::npos ? std::string() : own.substr(0, end + kEnd.size() - 1);
}

std::optional<std::string> with_memory(std::optional<std::string> parent) {
  return parent && has_memory_controller(*parent) ? parent : std::nullopt;
}

// Not below the agent's own unit if it can be helped: a group that hands controllers down takes no
// process, so systemd could not start the unit again while workloads run. For root below the root
// of the hierarchy, which may have both processes and children; for a user beside all units of that
// user's. Failing these below our own group, as in a unit with Delegate=yes and a user of its own.
std::optional<std::string> parent_v2() {
  const auto group = own_group("");
  if (!group || !exists(std::string(kRoot) + "/cgroup.controllers")) return std::nullopt;
  std::string own = std::string(kRoot) + *group;
  if (own.ends_with('/')) own.pop_back();
  if (::geteuid() == 0) {
    if (auto at_root = with_memory(make_parent_v2(std::string(kRoot)))) return at_root;
  }
  if (const std::string manager = manager_group(own); !manager.empty()) {
    if (auto beside = with_memory(make_parent_v2(manager))) return beside;
  }
  if (own == kRoot) return make_parent_v2(own);
  // After a restart within the same unit we stand in the leaf that an earlier agent made.
  constexpr std::string_view kLeaf = "/fallow-agent";
  if (own.ends_with(kLeaf)) own.resize(own.size() - kLeaf.size());
  const std::string leaf = own + std::string(kLeaf);
  if (!make_group(leaf) || !write_control(leaf + "/cgroup.procs", "0")) return std::nullopt;
  return make_parent_v2(own);
}

// And those that an OCI runtime makes under v1 in the hierarchies that we do not use.
std::vector<std::string> with_runtimes_parents(std::vector<std::string> parents) {
  for (const char* controller :
       {"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "net_cls", "net_prio",
        "perf_event", "rdma", "misc", "systemd"}) {
    if (auto place = place_v1(controller, controller)) parents.push_back(std::move(*place));
  }
  // Where v2 is mounted beside v1, runc joins it, too.
  if (auto place = place_v1("", "unified")) parents.push_back(std::move(*place));
  return parents;
}

void kill_group(const std::string& folder) {
  if (write_control(folder + "/cgroup.kill", "1")) return;
  // Version 1 has no such file: one by one, until a look finds nobody.
  for (int rounds = 0; rounds < kKillRoundsMax; ++rounds) {
    const auto text = read_file(folder + "/cgroup.procs", kFileBytesMax);
    if (!text || text->empty()) return;
    std::istringstream pids(*text);
    for (pid_t pid = 0; pids >> pid;) ::kill(pid, SIGKILL);
  }
}

}  // namespace

std::vector<std::string> find_cgroup_parents() {
  std::vector<std::string> parents;
  for (const std::string_view controller : {"memory", "pids", "cpu", "blkio"}) {
    if (auto parent = parent_v1(controller)) parents.push_back(std::move(*parent));
  }
  if (parents.empty()) {
    if (auto parent = parent_v2()) parents.push_back(std::move(*parent));
  }
  return parents;
}

std::string cgroup_name(LeaseId lease, std::int64_t supervisor) {
  return std::to_string(lease.value) + "-" + std::to_string(supervisor);
}

void remove_cgroup_parents() {
  for (const std::string& parent : with_runtimes_parents(find_cgroup_parents())) {
    ::rmdir(parent.c_str());
  }
}

void remove_cgroups(const std::vector<std::string>& parents, std::string_view name) {
  for (const std::string& parent : with_runtimes_parents(parents)) {
    const std::string folder = parent + "/" + std::string(name);
    // The kernel needs a moment to see that the processes are gone.
    for (int tries = 0; tries < 200 && ::rmdir(folder.c_str()) != 0 && errno == EBUSY; ++tries) {
      ::usleep(5'000);
    }
  }
}

void kill_cgroups(const std::vector<std::string>& parents, std::string_view name) {
  for (const std::string& parent : parents) kill_group(parent + "/" + std::string(name));
}

// The kernel counts who was killed in the victim's group, whoever ran short. Only what passed its
// own limit has also run against that: version 2 counts the times that nothing could be found for
// it; version 1 tells how much the group had at most. (Its failcnt does not serve: since Linux 6.13
// it stays 0 where the limit of memory with swap is the one that was hit.)
OutOfMemory out_of_memory_in(const std::string& group) {
  const bool is_v2 = exists(group + "/memory.events");
  const auto killed =
      kernel_number(group + (is_v2 ? "/memory.events" : "/memory.oom_control"), "oom_kill");
  if (killed.value_or(0) == 0) return OutOfMemory::kNo;
  bool was_at_limit = true;
  if (is_v2) {
    was_at_limit = kernel_number(group + "/memory.events", "oom").value_or(1) > 0;
  } else {
    const auto used_max = kernel_number(group + "/memory.max_usage_in_bytes");
    const auto limit = kernel_number(group + "/memory.limit_in_bytes");
    if (used_max && limit) was_at_limit = *used_max + kChargeBytesMax >= *limit;
  }
  return was_at_limit ? OutOfMemory::kOwnLimit : OutOfMemory::kOfHost;
}

Cgroup::Cgroup(const std::vector<std::string>& parents, std::string_view name,
               const CgroupLimits& limits) {
  for (const std::string& parent : parents) {
    // To enter a group costs milliseconds, so none is entered for nothing.
    if (parent.find("/cpu/") != std::string::npos && limits.cpu_thousandths == 0) continue;
    if (parent.find("/blkio/") != std::string::npos && !limits.disk.is_limited()) continue;
    const std::string folder = parent + "/" + std::string(name);
    if (!make_group_of_lease(parent, name)) continue;
    folders_.push_back(folder);
    const auto file = [&folder](std::string_view leaf) { return folder + "/" + std::string(leaf); };
    if (limits.memory_bytes_max > 0) {
      const std::string bytes = std::to_string(limits.memory_bytes_max);
      if (write_control(file("memory.max"), bytes)) {
        write_control(file("memory.swap.max"), "0");
        write_control(file("memory.oom.group"), "1");
        memory_group_ = folder;
        limits_memory_ = true;
      } else if (write_control(file("memory.limit_in_bytes"), bytes)) {
        write_control(file("memory.memsw.limit_in_bytes"), bytes);
        memory_group_ = folder;
        limits_memory_ = true;
      }
    }
    if (limits.processes_max > 0 &&
        write_control(file("pids.max"), std::to_string(limits.processes_max))) {
      limits_processes_ = true;
    }
    if (limits.cpu_thousandths > 0) {
      constexpr std::uint64_t kPeriodUs = 100'000;
      const std::string quota = std::to_string(limits.cpu_thousandths * kPeriodUs / 1000);
      if (!write_control(file("cpu.max"), quota + " " + std::to_string(kPeriodUs))) {
        write_control(file("cpu.cfs_quota_us"), quota);
      }
    }
    if (limits.disk.is_limited() && limit_disk(folder, limits.disk)) limits_disk_ = true;
    if (exists(file("cgroup.freeze"))) freezer_ = file("cgroup.freeze");
  }
}

std::string Cgroup::oci_path() const {
  if (folders_.empty()) return "";
  const std::string& folder = folders_.front();
  const std::size_t name = folder.rfind('/');
  if (exists(folder + "/cgroup.controllers")) return folder.substr(kRoot.size());
  // "fallow/<name>", without a slash in front: below the caller's own group.
  return folder.substr(folder.rfind('/', name - 1) + 1);
}

bool Cgroup::join() const {
  bool joined = true;
  for (const std::string& folder : folders_)
    joined = write_control(folder + "/cgroup.procs", "0") && joined;
  return joined;
}

bool Cgroup::set_frozen(bool frozen) const {
  return !freezer_.empty() && write_control(freezer_, frozen ? "1" : "0");
}

OutOfMemory Cgroup::out_of_memory() const {
  return memory_group_.empty() ? OutOfMemory::kNo : out_of_memory_in(memory_group_);
}

void Cgroup::kill() const {
  for (const std::string& folder : folders_) kill_group(folder);
}

std::string disk_trial_name(std::string_view owner) { return "disk-" + std::string(owner); }

std::string why_no_disk_pace(const std::vector<std::string>& parents, const DiskPace& pace,
                             std::string_view owner) {
  if (parents.empty()) return "no control groups can be made here";
  const std::string name = disk_trial_name(owner);
  const bool works = Cgroup(parents, name, {.disk = pace}).limits_disk();
  remove_cgroups(parents, name);
  if (works) return "";
  return "the kernel's controller of disks (io of cgroup v2, blkio of v1) is not there for the "
         "agent's groups, or takes no limit for disk " +
         pace.disk;
}

bool slows_all_writes(const std::vector<std::string>& parents) {
  return std::none_of(parents.begin(), parents.end(), [](const std::string& parent) {
    return parent.find("/blkio/") != std::string::npos;
  });
}

}  // namespace fallow::runtime
