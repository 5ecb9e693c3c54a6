#include "core/block_columns.h"

#include "base/check.h"

namespace fallow::core {

Code code_of(Column column, const OfferFacts& offer) {
  switch (column) {
    case Column::kPresent:
      return 1;
    case Column::kWhole:
      return code_of(column, offer.load.whole);
    case Column::kRoom:
      return code_of(column, offer.load.room);
    case Column::kReliability:
    case Column::kDownload:
    case Column::kMemory:
    case Column::kCpu:
    case Column::kDisk:
    case Column::kUpload:
    case Column::kMemoryFree:
    case Column::kCpuFree:
    case Column::kDiskFree:
      return code_of(column, number_of(column, offer));
    case Column::kDevices:
      return code_of(column, offer.devices);
    case Column::kDevicesLeast:
      return offer.plain ? code_of(column, offer.devices) : Code{0};
    case Column::kShareMin:
      return code_of(column, offer.share_min);
    case Column::kIsolation:
      return code_of(column, offer.isolation);
    case Column::kImages:
      return offer.images ? 1 : 0;
    case Column::kDuration:
      // Without a limit: longer than any.
      return offer.duration_max.value == 0
                 ? kCodeMax
                 : code_of(column, static_cast<std::uint64_t>(offer.duration_max.value));
    case Column::kRegion:
      return code_of(column, offer.region);
    case Column::kProvider:
      return code_of(column, offer.provider.value);
    case Column::kNode:
      return code_of(column, offer.id.value);
    case Column::kLastsHour:
    case Column::kLastsSixHours:
    case Column::kLastsDay:
    case Column::kLastsThreeDays:
    case Column::kLastsWeek:
      return offer.survival.codes[index_of(column) - index_of(Column::kLastsHour)];
  }
  FALLOW_CHECK(false, "column {} is unknown", index_of(column));
}

std::uint32_t number_of(Column column, const OfferFacts& offer) {
  switch (column) {
    case Column::kReliability:
      return offer.load.reliability;
    case Column::kDownload:
      return offer.download_mbps;
    case Column::kMemory:
      return offer.memory_mb;
    case Column::kCpu:
      return offer.cpu_thousandths;
    case Column::kDisk:
      return offer.disk_mb;
    case Column::kUpload:
      return offer.upload_mbps;
    case Column::kMemoryFree:
      return offer.load.memory_mb_free;
    case Column::kCpuFree:
      return offer.load.cpu_thousandths_free;
    case Column::kDiskFree:
      return offer.load.disk_mb_free;
    default:
      FALLOW_CHECK(false, "column {} has codes only", index_of(column));
  }
}

Codes codes_of(const OfferFacts& offer) {
  Codes codes;
  for (std::size_t i = 0; i < kColumns; ++i) codes[i] = code_of(static_cast<Column>(i), offer);
  return codes;
}

}  // namespace fallow::core
