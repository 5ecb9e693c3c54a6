// How fast a device is, as far as nobody has measured it: a table of vendor figures by model.
//
// A pure function; any thread. It only orders offers (objectives FASTEST and COST_TO_COMPLETE);
// no money is computed from it.
#pragma once

#include <cstdint>
#include <string_view>

#include "fallow/v1/types.pb.h"

namespace fallow::core {

constexpr std::int64_t kSpeedUnit = 1'000;  // an RTX 3090

// Thousandths of an RTX 3090, at least 1: the mean of the model's FP32 rate and its FP16 matrix
// rate, each relative to that card. `model` as reported: case, blanks, dashes and vendor words do
// not matter. A model that is not in the table counts by its memory, modestly.
std::int64_t speed_of(std::string_view model, std::uint32_t memory_mb, v1::DeviceKind kind);

inline std::int64_t speed_of(const v1::Device& device) {
  return speed_of(device.model(), device.memory_mb(), device.kind());
}

}  // namespace fallow::core
