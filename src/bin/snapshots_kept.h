// How many snapshots of a market its data folder keeps beside the log: the newest, and some behind
// it in case that is damaged.
#pragma once

#include <cstddef>

namespace fallow::bin {

constexpr std::size_t kSnapshotsKept = 3;

}  // namespace fallow::bin
