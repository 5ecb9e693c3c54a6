// TrialNames: the log's ids in a trial's market, where the same command stands at another place and
// so what it makes has another id. What was there when the span began is named alike.
//
// Owner: TrialMarket; one thread. Holds some bytes for each thing that the span made.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/types.h"
#include "fallow/v1/commands.pb.h"

namespace fallow::sim {

class TrialNames {
 public:
  // `base`: the last command before the span.
  explicit TrialNames(LogIndex base) : base_(base) {}

  // The log's command `index` is the trial's command `here`. Ascending.
  void stands(LogIndex index, LogIndex here) { places_.emplace_back(index, here); }

  // The trial's name of what the log names so; of what the span did not make, a name of nothing.
  std::uint64_t here(std::uint64_t id) const;
  // And back.
  std::uint64_t in_log(std::uint64_t id) const;

  // Every name in the command, changed to the trial's.
  void rename(v1::Command& command) const;

 private:
  LogIndex base_;
  std::vector<std::pair<LogIndex, LogIndex>> places_;
};

}  // namespace fallow::sim
