// A trial of rules: the last span of a log by its present rules and by others, in one model, beside
// what it was in fact. docs/operations.md says what it shows and what it cannot know.
//
// A pure function of the log; it only reads, and holds two markets' worth of memory at most: one,
// and the bytes of another's snapshot. One thread.
#pragma once

#include <functional>

#include "base/result.h"
#include "base/types.h"
#include "core/limits.h"
#include "fallow/v1/trial.pb.h"
#include "log/log.h"
#include "log/snapshots.h"

namespace fallow::sim {

struct PolicyTrial {
  // Makes of the present rules those to be tried; an error's sentence is for whoever asked.
  std::function<Status(v1::Policy&)> change;
  Duration span = hours(24);
  // Asked now and then; false breaks it off: kTimedOut.
  std::function<bool()> go_on = [] { return true; };
};

// `snapshots` may be null: the log is then replayed from its beginning. kInvalid: the market would
// refuse the rules. kNotFound: the log is empty. kCorrupt: what log.read() says.
Result<v1::PolicyTrialView> try_policy(log::LogReader& log, log::SnapshotStore* snapshots,
                                       const core::Limits& limits, const PolicyTrial& trial);

}  // namespace fallow::sim
