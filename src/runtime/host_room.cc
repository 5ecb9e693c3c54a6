#include "runtime/host_room.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/number.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kMeminfoBytesMax = 64 << 10;

}  // namespace

std::uint64_t memory_bytes_of_host() {
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return pages * page_bytes;
}

// "MemAvailable:   12345 kB"
std::optional<std::uint64_t> memory_bytes_left(const std::string& meminfo) {
  constexpr std::string_view kName = "MemAvailable:";
  const auto text = read_file(meminfo, kMeminfoBytesMax);
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  const std::size_t begin = rest.find(kName);
  if (begin == std::string_view::npos) return std::nullopt;
  rest.remove_prefix(begin + kName.size());
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
  const auto kilobytes = parse_number<std::uint64_t>(rest.substr(0, rest.find(' ')));
  if (!kilobytes) return std::nullopt;
  return *kilobytes << 10;
}

std::optional<DiskRoom> disk_room(const Fd& folder) {
  struct statvfs disk {};
  if (::fstatvfs(folder.get(), &disk) != 0) return std::nullopt;
  return DiskRoom{std::uint64_t{disk.f_blocks} * disk.f_frsize,
                  std::uint64_t{disk.f_bavail} * disk.f_frsize};
}

}  // namespace fallow::runtime
