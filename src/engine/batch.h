// What the engine tells of commands once they are durable and applied: to the caller of each
// (Completion) and to everyone who follows the market (Subscriber).
//
// Everything here is called on the market thread and must return at once: whoever has more to do
// copies what it needs into a bounded queue of its own. The pointers and spans live until the call
// returns.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/commands.pb.h"
#include "fallow/v1/events.pb.h"

namespace fallow::engine {

// One command and what the market answered. A refusal is such an answer too: a Refused event.
struct Applied {
  LogIndex index;
  Time time;
  const v1::Command* command = nullptr;
  core::EventSpan events;
};

// Called once for every accepted submit(), in the log's order, with the machine as it stands right
// after that command. An Error means that nothing was stored or applied:
//   kBusy    the log cannot take anything at the moment (the message says why); try again later.
//   kClosed  the engine stopped before it was the command's turn.
using Completion = std::function<void(const Result<Applied>&, const core::Machine&)>;

// A look at the market between two batches. Keep it short: page long visits over several reads.
using Read = std::function<void(const core::Machine&)>;

// Commands of one entry of the log, in order, all applied.
struct Batch {
  Time time;
  Digest chain{};  // the log's, after the entry
  std::span<const Applied> commands;

  LogIndex last() const { return commands.back().index; }
};

class Subscriber {
 public:
  virtual ~Subscriber() = default;
  // For error sentences: the file or part that a person would recognise.
  virtual std::string_view name() const = 0;
  // The last command that it has kept for good; it is told of every one behind it, also of those
  // that were applied before this start. Nothing: it is told only of new ones. Asked once, by
  // start.
  virtual std::optional<LogIndex> cursor() const { return std::nullopt; }
  // The machine stands after the whole batch.
  virtual void on_batch(const Batch& batch, const core::Machine& machine) = 0;
};

}  // namespace fallow::engine
