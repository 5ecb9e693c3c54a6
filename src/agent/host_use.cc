#include "agent/host_use.h"

#include <filesystem>
#include <sstream>
#include <system_error>

#include "agent/owner_machine.h"
#include "base/file.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kHostFileBytesMax = 256 << 10;
constexpr std::uint64_t kDiskstatsSectorBytes = 512;  // whatever the disk's own are

bool is_hardware(const std::string& root, const char* kind, const std::string& name) {
  std::error_code failed;
  return std::filesystem::exists(root + "/sys/" + kind + "/" + name + "/device", failed);
}

void count_in(std::optional<std::uint64_t>& sum, std::uint64_t bytes) {
  sum = sum.value_or(0) + bytes;
}

// "   8       0 sda 1024 12 65536 300 2048 40 131072 ...": sectors read are the third number behind
// the name, sectors written the seventh.
void count_disks(const std::string& root, WorkloadUse& use) {
  const auto text = read_file(root + "/proc/diskstats", kHostFileBytesMax);
  if (!text) return;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::uint64_t passed = 0;
    std::uint64_t read = 0;
    std::uint64_t written = 0;
    std::string name;
    words >> passed >> passed >> name >> passed >> passed >> read;
    words >> passed >> passed >> passed >> written;
    if (!words || !is_hardware(root, "block", name)) continue;
    count_in(use.disk_read_bytes, read * kDiskstatsSectorBytes);
    count_in(use.disk_written_bytes, written * kDiskstatsSectorBytes);
  }
}

// "  eth0: 4096 7 0 0 0 0 0 0 1024 5 ...": bytes received, and eight numbers on those sent.
void count_networks(const std::string& root, WorkloadUse& use) {
  const auto text = read_file(root + "/proc/net/dev", kHostFileBytesMax);
  if (!text) return;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    name.erase(0, name.find_first_not_of(' '));
    std::istringstream words(line.substr(colon + 1));
    std::uint64_t passed = 0;
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    words >> in;
    for (int i = 0; i < 7; ++i) words >> passed;
    words >> out;
    if (!words || !is_hardware(root, "class/net", name)) continue;
    count_in(use.network_in_bytes, in);
    count_in(use.network_out_bytes, out);
  }
}

}  // namespace

// "MemTotal:       16314128 kB"
std::optional<std::uint64_t> memory_used_bytes(const std::string& root) {
  const auto text = read_file(root + "/proc/meminfo", kHostFileBytesMax);
  if (!text) return std::nullopt;
  std::istringstream words(*text);
  std::optional<std::uint64_t> total_kb;
  std::optional<std::uint64_t> available_kb;
  std::string word;
  while (words >> word && !(total_kb && available_kb)) {
    const bool is_total = word == "MemTotal:";
    if (!is_total && word != "MemAvailable:") continue;
    std::uint64_t kb = 0;
    if (words >> kb) (is_total ? total_kb : available_kb) = kb;
  }
  if (!total_kb || !available_kb || *available_kb > *total_kb) return std::nullopt;
  return (*total_kb - *available_kb) * 1024;
}

WorkloadUse host_use(const std::string& root) {
  WorkloadUse use;
  use.processor = processor_time(root);
  use.memory_bytes = memory_used_bytes(root);
  count_disks(root, use);
  count_networks(root, use);
  return use;
}

}  // namespace fallow::agent
