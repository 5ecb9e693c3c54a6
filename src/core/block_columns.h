// The columns of a block: what of an offer is compared with vectors, as codes of a byte.
//
// Values; any thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "core/block_lanes.h"
#include "core/block_offer.h"

namespace fallow::core {

// What most orders ask for stands side by side in memory.
enum class Column : std::uint8_t {
  kDuration,
  kRegion,  // equal or not: its order says nothing, as of provider and node
  kWhole,
  kReliability,
  kDownload,
  kMemory,
  kCpu,
  kDisk,
  kUpload,
  kMemoryFree,
  kCpuFree,
  kDiskFree,
  kRoom,
  kPresent,       // 1 where an offer stands
  kDevices,       // all of the node
  kDevicesLeast,  // that any query admits if it admits one: of a node with several classes 0
  kShareMin,
  kIsolation,
  kImages,  // 1 where the node runs images
  kProvider,
  kNode,
  // How likely the node is to last, by span; 0: not known.
  kLastsHour,
  kLastsSixHours,
  kLastsDay,
  kLastsThreeDays,
  kLastsWeek,
};
constexpr std::size_t kColumns = 26;
constexpr std::size_t index_of(Column column) { return static_cast<std::size_t>(column); }
constexpr Column lasting_column(std::size_t span) {
  return static_cast<Column>(index_of(Column::kLastsHour) + span);
}
static_assert(lasting_column(kSurvivalSpans.size() - 1) == Column::kLastsWeek);

using Codes = std::array<Code, kColumns>;
using ColumnMask = std::uint32_t;
constexpr ColumnMask column_bit(Column column) { return ColumnMask{1} << index_of(column); }
constexpr ColumnMask kAllColumns = (ColumnMask{1} << kColumns) - 1;

// Of these the exact number stands beside the code: in a row where only an update() changes it, ...
constexpr bool has_number_row(Column column) {
  return column >= Column::kDownload && column <= Column::kUpload;
}
constexpr std::size_t number_row_of(Column column) {
  return index_of(column) - index_of(Column::kDownload);
}
constexpr std::size_t kNumberRows = number_row_of(Column::kUpload) + 1;
// ... and with the offer's load where every lease does.
constexpr bool has_load_number(Column column) {
  return column == Column::kReliability ||
         (column >= Column::kMemoryFree && column <= Column::kDiskFree);
}
constexpr std::size_t load_number_of(Column column) {
  return column == Column::kReliability ? 0 : index_of(column) - index_of(Column::kMemoryFree) + 1;
}
constexpr std::size_t kLoadNumbers = load_number_of(Column::kDiskFree) + 1;

// The code of one value, in the column's unit: ppm, thousandths, megabytes, Mbit/s, microseconds,
// counts or ids. Never descends as the value ascends (of ids: equal for equal ones).
inline Code code_of(Column column, std::uint64_t value) {
  constexpr std::uint64_t kMillion = 1'000'000;
  const auto capped = [](std::uint64_t number) {
    return static_cast<Code>(std::min<std::uint64_t>(number, kCodeMax));
  };
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
      return static_cast<Code>(1 + NamedHash()(value) % kCodeMax);  // a fingerprint
    case Column::kPresent:
    case Column::kWhole:
    case Column::kDevices:
    case Column::kDevicesLeast:
    case Column::kIsolation:
    case Column::kImages:
    case Column::kRegion:
    case Column::kLastsHour:
    case Column::kLastsSixHours:
    case Column::kLastsDay:
    case Column::kLastsThreeDays:
    case Column::kLastsWeek:
      return capped(value);
  }
  FALLOW_CHECK(false, "column {} is unknown", index_of(column));
}

// The code of an offer in one column.
Code code_of(Column column, const OfferFacts& offer);
Codes codes_of(const OfferFacts& offer);
// Its exact number where the column has one.
std::uint32_t number_of(Column column, const OfferFacts& offer);

}  // namespace fallow::core
