// Trials of rules for a running server: this program once more, on the same data folder, as a
// process that only reads, is bounded in memory and time, and comes after the market in everything.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "fallow/v1/trial.pb.h"

namespace fallow::bin {

// Blocks until it is done, has taken too long, or `go_on` says no. Any thread.
Result<v1::PolicyTrialView> run_trial(const std::string& data, const v1::Policy& policy,
                                      const std::function<bool()>& go_on);

}  // namespace fallow::bin
