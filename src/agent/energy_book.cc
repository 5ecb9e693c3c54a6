#include "agent/energy_book.h"

#include <iterator>
#include <sstream>
#include <utility>

#include "base/file.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kEnergyFileBytesMax = 256 << 10;
constexpr std::uint64_t kMicrojoulesMax = std::uint64_t{1} << 62U;  // far beyond any lease's

}  // namespace

EnergyBook::EnergyBook(std::string path) : path_(std::move(path)) {
  for (const LeaseEnergy& one : read_energy(path_)) leases_[one.lease] = one;
}

void EnergyBook::add(const std::map<LeaseId, std::vector<std::uint32_t>>& devices,
                     const std::vector<v1::DeviceSample>& samples, Duration span) {
  if (span.value <= 0) return;
  std::map<std::uint32_t, std::uint64_t> users;
  for (const auto& [lease, used] : devices) {
    for (const std::uint32_t device : used) ++users[device];
  }
  for (const auto& [lease, used] : devices) {
    std::uint64_t milliwatts = 0;
    bool is_known = false;
    for (const v1::DeviceSample& sample : samples) {
      for (const std::uint32_t device : used) {
        if (device != sample.device() || !sample.has_milliwatts()) continue;
        milliwatts += sample.milliwatts() / users[device];
        is_known = true;
      }
    }
    if (!is_known) continue;
    LeaseEnergy& energy = leases_[lease];
    energy.lease = lease;
    energy.microjoules += milliwatts * static_cast<std::uint64_t>(span.value) / 1'000;
    energy.measured = energy.measured + span;
    changed_ = true;
  }
  // Numbers of leases grow; a low one may still run.
  for (auto one = leases_.begin(); leases_.size() > kLeasesMax && one != leases_.end();) {
    one = devices.contains(one->first) ? std::next(one) : leases_.erase(one);
  }
}

Status EnergyBook::store() {
  if (!changed_) return {};
  std::string text;
  for (const auto& [lease, energy] : leases_) {
    text += fmt::format("{} {} {}\n", lease.value, energy.microjoules, energy.measured.value);
  }
  FALLOW_TRY(replace_file(path_, text, 0644));
  changed_ = false;
  return {};
}

std::vector<LeaseEnergy> read_energy(const std::string& path) {
  std::map<LeaseId, LeaseEnergy> found;
  const auto text = read_file(path, kEnergyFileBytesMax);
  if (!text) return {};
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::uint64_t lease = 0;
    LeaseEnergy energy;
    if (!(words >> lease >> energy.microjoules >> energy.measured.value)) continue;
    if (energy.microjoules > kMicrojoulesMax || energy.measured.value < 0) continue;
    energy.lease = LeaseId(lease);
    found[energy.lease] = energy;
  }
  std::vector<LeaseEnergy> all;
  for (const auto& [lease, energy] : found) all.push_back(energy);
  return all;
}

}  // namespace fallow::agent
