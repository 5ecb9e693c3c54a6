// Chaos: one seeded run of the whole market: real sequencer, machine, hub and reconcilers;
// simulated clock, disk, network, machines and people. First safety: for a while everything fails
// that can, with every invariant held after every step. Then liveness: faults stop, and every order
// must end, every device be free and no money held.
//
// The same options give the same digest, on every machine. One thread; keeps nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/digest.h"
#include "base/types.h"
#include "fallow/v1/types.pb.h"
#include "log/log.h"
#include "sim/marks.h"

namespace fallow::sim {

struct ChaosOptions {
  std::uint64_t seed = 1;
  std::uint32_t nodes = 5;    // 1 to kNodesMax
  Duration chaos = hours(1);  // of simulated time with faults; settling comes on top
  // The market's rule. Without it a run is to fail: so a test knows that the watch sees.
  bool waits_for_fence = true;
  // Shown the log at the end; empty: nobody looks.
  std::function<void(log::LogReader&)> look_at_log = {};
};
constexpr std::uint32_t kNodesMax = 64;
constexpr Duration kChaosMax = hours(24 * 30);

struct ChaosReport {
  std::string failure;         // empty: everything held
  Digest digest{};             // of the log and the market at its end
  Duration simulated;          // settling included
  std::uint64_t steps = 0;     // of the simulator
  std::uint64_t commands = 0;  // applied by the market
  std::uint64_t messages = 0;  // between agents and hub
  std::uint64_t requests = 0;  // by people
  std::uint64_t orders = 0;    // accepted; all of them ended
  std::uint64_t leases = 0;
  std::uint64_t meters = 0;                        // accepted meter records
  std::map<v1::EndReason, std::uint64_t> endings;  // of leases
  Marks marks;
};

// Never fails for bad luck: a failure is a bug of the market or of the simulator. A broken
// invariant within the market stops the process, as it would stop the server.
ChaosReport run_chaos(const ChaosOptions& options);

// "fallow sim chaos --seed 17 --nodes 5 --hours 3": replays the run.
std::string replay_command(const ChaosOptions& options);

}  // namespace fallow::sim
