#include "agent/rapl.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "agent/process_facts.h"
#include "base/file.h"
#include "base/number.h"

namespace fallow::agent {
namespace {

std::optional<std::uint64_t> counted_at(const std::string& path) {
  return parse_number<std::uint64_t>(first_line(path));
}

}  // namespace

// A package holds its cores and graphics, which are listed below it, too, but not its memory.
// "intel-rapl-mmio:0" is the same package once more, "psys" the machine as far as its maker wired
// it.
Rapl::Rapl(const std::string& root) {
  const std::string folder = root + "/sys/class/powercap/";
  for (const std::string& zone : names_in(folder)) {
    if (!zone.starts_with("intel-rapl:")) continue;
    const std::string name = first_line(folder + zone + "/name");
    if (!name.starts_with("package") && name != "dram") continue;
    Counter counter{folder + zone + "/energy_uj", 0, 0};
    const auto range = counted_at(folder + zone + "/max_energy_range_uj");
    if (!range || !counted_at(counter.path)) continue;
    counter.range_uj = *range;
    counters_.push_back(std::move(counter));
  }
}

std::optional<std::uint32_t> Rapl::milliwatts(Time now) {
  if (counters_.empty()) return std::nullopt;
  std::uint64_t used_uj = 0;
  for (Counter& counter : counters_) {
    const auto counted = counted_at(counter.path);
    if (!counted) {
      // What it goes on to count would be taken for one span's.
      at_.reset();
      return std::nullopt;
    }
    const bool began_anew = *counted < counter.last_uj;
    used_uj += *counted - counter.last_uj + (began_anew ? counter.range_uj : 0);
    counter.last_uj = *counted;
  }
  const std::optional<Time> before = std::exchange(at_, now);
  if (!before || now <= *before) return std::nullopt;
  const auto span_us = static_cast<std::uint64_t>((now - *before).value);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(
      used_uj * 1'000 / span_us, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace fallow::agent
