// What happens when time passes: silence, starts that take too long, owners who came home, stops
// that nobody confirms, tasks that are to be tried again, earnings whose delay is over. All of it
// in Tick, at named moments.
#pragma once

#include <optional>

#include "core/step.h"

namespace fallow::core {

// The silence after which nothing of the lease runs, as it was when it was placed: its node counts
// on that.
Duration close_after(const MarketState& state, const Lease& lease);

// The next moment at which something happens to an open lease if nobody says a word.
// `node` is the lease's.
// Between the signal to stop and the kill; who is preempted gets longer notice.
Duration stop_grace(const v1::Policy& policy, const Lease& lease);

Time deadline_of(const MarketState& state, const Lease& lease, const Node& node);

// Keeps state.deadlines in step: after any change to what deadline_of() reads. `node` is the
// lease's.
void set_deadline(MarketState& state, Lease& lease, const Node& node);
void set_deadline(MarketState& state, Lease& lease);
void clear_deadline(MarketState& state, Lease& lease);
// The same for every open lease, of a node or of all.
void reset_deadlines(MarketState& state, const Node& node);
void reset_deadlines(MarketState& state);

// When a Tick has something to do.
std::optional<Time> next_deadline(const MarketState& state);

}  // namespace fallow::core
