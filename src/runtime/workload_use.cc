#include "runtime/workload_use.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/file.h"
#include "base/number.h"
#include "runtime/kernel_numbers.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kUseFileBytesMax = 64 << 10;
constexpr std::size_t kProcessesMax = 4096;

// The kernel can drop pages of files that nobody uses at once: they are no need.
std::optional<std::uint64_t> less_dropped(std::optional<std::uint64_t> all,
                                          std::optional<std::uint64_t> dropped) {
  if (!all) return std::nullopt;
  return *all - std::min(*all, dropped.value_or(0));
}

// "8:0 rbytes=1 wbytes=2 rios=..." a device. A group that has moved nothing has an empty file.
void add_io_stat(const std::string& path, agent::WorkloadUse& use) {
  const auto text = read_file(path, kUseFileBytesMax);
  if (!text) return;
  constexpr std::string_view kRead = "rbytes=";
  constexpr std::string_view kWritten = "wbytes=";
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  std::istringstream words(*text);
  for (std::string word; words >> word;) {
    const bool is_read = word.starts_with(kRead);
    if (!is_read && !word.starts_with(kWritten)) continue;
    (is_read ? read : written) +=
        parse_number<std::uint64_t>(std::string_view(word).substr(kRead.size())).value_or(0);
  }
  use.disk_read_bytes = read;
  use.disk_written_bytes = written;
}

void add_group(const std::string& group, agent::WorkloadUse& use) {
  if (const auto us = kernel_number(group + "/cpu.stat", "usage_usec")) {  // version 2
    use.processor = Duration(static_cast<std::int64_t>(*us));
  } else if (const auto ns = kernel_number(group + "/cpuacct.usage")) {
    use.processor = Duration(static_cast<std::int64_t>(*ns / 1'000));
  }
  if (const auto bytes = less_dropped(kernel_number(group + "/memory.current"),
                                      kernel_number(group + "/memory.stat", "inactive_file"))) {
    use.memory_bytes = bytes;
  } else if (const auto bytes_v1 =
                 less_dropped(kernel_number(group + "/memory.usage_in_bytes"),
                              kernel_number(group + "/memory.stat", "total_inactive_file"))) {
    use.memory_bytes = bytes_v1;
  }
  add_io_stat(group + "/io.stat", use);
}

std::vector<pid_t> pids_in(const std::string& path) {
  std::vector<pid_t> pids;
  const auto text = read_file(path, kUseFileBytesMax);
  if (!text) return pids;
  std::istringstream words(*text);
  for (pid_t pid = 0; words >> pid;) pids.push_back(pid);
  return pids;
}

std::vector<pid_t> children_of(const std::string& root, pid_t pid) {
  std::vector<pid_t> children;
  const std::string tasks = root + "/proc/" + std::to_string(pid) + "/task";
  for (const std::string& task : names_in(tasks)) {
    for (const pid_t child : pids_in(tasks + "/" + task + "/children")) children.push_back(child);
  }
  return children;
}

std::vector<pid_t> descendants_of(const std::string& root, pid_t pid) {
  std::vector<pid_t> found = children_of(root, pid);
  for (std::size_t i = 0; i < found.size() && found.size() < kProcessesMax; ++i) {
    for (const pid_t child : children_of(root, found[i])) found.push_back(child);
  }
  return found;
}

// Of itself and of the children that it has reaped: user, system, and both of those, in ticks; then
// its resident pages. The second word of the line is its name in brackets, which may hold anything.
struct ProcessUse {
  std::int64_t ticks = 0;
  std::uint64_t pages = 0;
};
std::optional<ProcessUse> process_use(const std::string& folder) {
  const auto text = read_file(folder + "stat", 4096);
  const std::size_t close = text ? text->rfind(") ") : std::string::npos;
  if (close == std::string::npos) return std::nullopt;
  std::istringstream words(text->substr(close + 2));
  ProcessUse use;
  std::string word;
  for (int place = 3; words >> word; ++place) {  // proc(5) counts from 1
    if (place >= 14 && place <= 17) use.ticks += parse_number<std::int64_t>(word).value_or(0);
    if (place == 24) use.pages = parse_number<std::uint64_t>(word).value_or(0);
  }
  return use;
}

// What a process has used counts on in whoever reaps it: so the sum over those that live is that of
// all there ever were.
void add_processes(const std::string& root, const std::vector<pid_t>& pids,
                   agent::WorkloadUse& use) {
  static const std::int64_t ticks_per_second = ::sysconf(_SC_CLK_TCK);
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::int64_t ticks = 0;
  std::uint64_t pages = 0;
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  bool has_io = false;
  bool has_any = false;
  for (const pid_t pid : pids) {
    const std::string folder = root + "/proc/" + std::to_string(pid) + "/";
    const auto one = process_use(folder);
    if (!one) continue;
    has_any = true;
    ticks += one->ticks;
    pages += one->pages;
    const auto from = kernel_number(folder + "io", "read_bytes:");
    const auto to = kernel_number(folder + "io", "write_bytes:");
    if (!from || !to) continue;  // of another user's
    has_io = true;
    read += *from;
    written += *to;
  }
  if (!has_any) return;
  if (!use.processor) use.processor = Duration(ticks * 1'000'000 / ticks_per_second);
  if (!use.memory_bytes) use.memory_bytes = pages * page_bytes;
  if (!use.disk_read_bytes && has_io) {
    use.disk_read_bytes = read;
    use.disk_written_bytes = written;
  }
}

}  // namespace

std::vector<std::string> groups_of(const std::vector<std::string>& parents,
                                   const std::string& name) {
  std::vector<std::string> groups;
  for (const std::string& parent : parents) {
    std::string group = parent + "/" + name;
    if (::access((group + "/cgroup.procs").c_str(), F_OK) == 0) groups.push_back(std::move(group));
  }
  return groups;
}

agent::WorkloadUse workload_use(const std::vector<std::string>& groups, pid_t supervisor,
                                const std::string& root) {
  agent::WorkloadUse use;
  for (const std::string& group : groups) add_group(group, use);
  if (use.processor && use.memory_bytes && use.disk_read_bytes) return use;
  add_processes(
      root,
      groups.empty() ? descendants_of(root, supervisor) : pids_in(groups.front() + "/cgroup.procs"),
      use);
  return use;
}

void add_network_use(const std::string& interface, agent::WorkloadUse& use,
                     const std::string& root) {
  const std::string folder = root + "/sys/class/net/" + interface + "/statistics/";
  // What the host's end sends, the workload receives.
  use.network_in_bytes = kernel_number(folder + "tx_bytes");
  use.network_out_bytes = kernel_number(folder + "rx_bytes");
}

}  // namespace fallow::runtime
