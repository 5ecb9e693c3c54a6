// Waiting for the history: it is written behind the market, and an answer from it holds what had
// happened when it was asked for.
//
// On a thread that may wait for the disk.
#pragma once

#include "base/result.h"
#include "base/types.h"

namespace fallow::server {

constexpr Duration kHistoryWaitMax = seconds(10);

// Returns when everything up to `through` can be read from the history, or one of its read models.
// kBusy when that takes longer than kHistoryWaitMax, or when the disk does not take it.
template <class Readable>
Status wait_for_history(Readable& history, LogIndex through) {
  if (history.wait_for(through, kHistoryWaitMax)) return {};
  return fail(ErrorCode::kBusy, "the history is behind; ask again in a moment");
}

}  // namespace fallow::server
