// The columns of a block: what of an offer is compared with vectors, as codes of a byte.
//
// Values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/block_lanes.h"
#include "core/block_offer.h"

namespace fallow::core {

// What most orders ask for comes first, side by side in memory.
enum class Column : std::uint8_t {
  kWhole,
  kReliability,
  kDownload,
  kMemory,
  kRegion,  // equal or not: its order says nothing, as of provider and node
  kCpu,
  kRoom,
  kPresent,  // 1 where an offer stands
  kMemoryFree,
  kCpuFree,
  kDiskFree,
  kDisk,
  kUpload,
  kDevices,       // all of the node
  kDevicesLeast,  // that any query admits if it admits one: of a node with several classes 0
  kShareMin,
  kIsolation,
  kDuration,
  kProvider,
  kNode,
};
constexpr std::size_t kColumns = 20;
constexpr std::size_t index_of(Column column) { return static_cast<std::size_t>(column); }

using Codes = std::array<Code, kColumns>;
using ColumnMask = std::uint32_t;
constexpr ColumnMask column_bit(Column column) { return ColumnMask{1} << index_of(column); }
constexpr ColumnMask kAllColumns = (ColumnMask{1} << kColumns) - 1;

// The code of one value, in the column's unit: ppm, thousandths, megabytes, Mbit/s, microseconds,
// counts or ids. Never descends as the value ascends (of ids: equal for equal ones).
Code code_of(Column column, std::uint64_t value);

// The code of an offer in one column.
Code code_of(Column column, const BlockOffer& offer);
Codes codes_of(const BlockOffer& offer);

}  // namespace fallow::core
