#include "core/block_columns.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace fallow::core {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;

Code capped(std::uint64_t value) {
  return static_cast<Code>(std::min<std::uint64_t>(value, kCodeMax));
}

// 1 to 255, the same for the same id.
Code fingerprint(std::uint64_t id) { return static_cast<Code>(1 + NamedHash()(id) % kCodeMax); }

}  // namespace

Code code_of(Column column, std::uint64_t value) {
  switch (column) {
    case Column::kReliability:
      // Finest at the upper end, where markets tell their offers apart.
      return static_cast<Code>(kCodeMax -
                               code_by_size((kMillion - std::min(value, kMillion)) >> 4U, 4));
    case Column::kCpu:
    case Column::kCpuFree:
      return code_by_size(value >> 7U, 4);  // eighths of a core
    case Column::kMemory:
    case Column::kMemoryFree:
    case Column::kDisk:
    case Column::kDiskFree:
      return code_by_size(value >> 6U, 4);
    case Column::kDownload:
    case Column::kUpload:
      return code_by_size(value, 4);
    case Column::kDuration:
      return std::min<Code>(code_by_size(value >> 20U, 3), kCodeMax - 1);  // seconds, about
    case Column::kRoom:
    case Column::kShareMin:
      return capped((value + 3) / 4);
    case Column::kProvider:
    case Column::kNode:
      return fingerprint(value);
    case Column::kPresent:
    case Column::kWhole:
    case Column::kDevices:
    case Column::kDevicesLeast:
    case Column::kIsolation:
    case Column::kRegion:
      return capped(value);
  }
  FALLOW_CHECK(false, "column {} is unknown", index_of(column));
}

Code code_of(Column column, const BlockOffer& offer) {
  switch (column) {
    case Column::kPresent:
      return 1;
    case Column::kWhole:
      return code_of(column, offer.load.whole);
    case Column::kRoom:
      return code_of(column, offer.load.room);
    case Column::kCpuFree:
      return code_of(column, offer.load.cpu_thousandths_free);
    case Column::kMemoryFree:
      return code_of(column, offer.load.memory_mb_free);
    case Column::kDiskFree:
      return code_of(column, offer.load.disk_mb_free);
    case Column::kReliability:
      return code_of(column, offer.load.reliability);
    case Column::kCpu:
      return code_of(column, offer.cpu_thousandths);
    case Column::kMemory:
      return code_of(column, offer.memory_mb);
    case Column::kDisk:
      return code_of(column, offer.disk_mb);
    case Column::kDownload:
      return code_of(column, offer.download_mbps);
    case Column::kUpload:
      return code_of(column, offer.upload_mbps);
    case Column::kDevices:
      return code_of(column, offer.devices);
    case Column::kDevicesLeast:
      return offer.plain ? code_of(column, offer.devices) : Code{0};
    case Column::kShareMin:
      return code_of(column, offer.share_min);
    case Column::kIsolation:
      return code_of(column, offer.isolation);
    case Column::kDuration:
      // Without a limit: longer than any.
      return offer.duration_max.value == 0
                 ? kCodeMax
                 : code_of(column, static_cast<std::uint64_t>(offer.duration_max.value));
    case Column::kRegion:
      return code_of(column, offer.region);
    case Column::kProvider:
      return code_of(column, offer.node->provider.value);
    case Column::kNode:
      return code_of(column, offer.id.value);
  }
  FALLOW_CHECK(false, "column {} is unknown", index_of(column));
}

Codes codes_of(const BlockOffer& offer) {
  Codes codes;
  for (std::size_t i = 0; i < kColumns; ++i) codes[i] = code_of(static_cast<Column>(i), offer);
  return codes;
}

}  // namespace fallow::core
