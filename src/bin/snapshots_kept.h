// How many snapshots of a market its data folder keeps beside the log: the newest, and some behind
// it in case that is damaged.
#pragma once

#include <cstddef>

#include "base/types.h"

namespace fallow::bin {

constexpr std::size_t kSnapshotsKept = 3;
// And one from which the last day can be replayed, for trials of other rules.
constexpr Duration kSnapshotSpan = hours(24);

}  // namespace fallow::bin
