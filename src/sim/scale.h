// The scale laboratory: up to a million nodes with leases, meters and churn through the engine's
// sequencer and the market machine that ship, on one thread and a simulated clock: `fallow sim
// scale`. The same options give the same digest on every machine.
#pragma once

#include <cstdint>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow::sim {

constexpr std::uint32_t kScaleNodesMax = 1'000'000;  // core::Limits::nodes_max
constexpr std::uint32_t kScaleSecondsMax = 86'400;

struct ScaleOptions {
  std::uint32_t nodes = 10'000;
  std::uint32_t seconds = 60;    // simulated, after the market has filled
  std::uint32_t use_pct = 50;    // of the devices that are leased; new orders keep it there
  double job_hours = 0.5;        // mean running time of a task
  double up_hours = 13.7;        // mean time that a node stays connected
  double down_hours = 4.3;       // mean time that it is gone
  std::uint32_t scarce_pct = 0;  // of the orders, for one model in eight: its devices run out
  std::uint64_t seed = 1;
};

struct ScaleReport {
  ScaleOptions options;
  std::uint64_t devices = 0;
  std::uint64_t setup_commands = 0;
  double setup_seconds = 0;  // of this thread's processor, as all that follow
  std::uint64_t commands = 0;
  std::uint64_t observed = 0;    // of them, from nodes with leases
  std::uint64_t submitted = 0;   // orders
  std::uint64_t links = 0;       // nodes that came or went
  std::uint64_t ticks = 0;       // by the sequencer
  std::uint64_t refused = 0;     // commands
  std::uint64_t heartbeats = 0;  // that reached the hub; idle ones never become a command
  std::uint64_t leases_ended = 0;
  std::uint64_t leases_open = 0;  // at the end
  std::uint64_t orders_waiting = 0;
  double run_seconds = 0;     // of which
  double making_seconds = 0;  // for making the nodes' reports, which is not the market's work
  double wall_seconds = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t bytes_setup = 0;  // resident memory that the filled market added
  std::uint64_t bytes_peak = 0;   // of the process
  double digest_seconds = 0;
  Digest digest{};  // of the log's chain and the market's state
};

// kInvalid when a figure is out of its range, as the command's help states it. Stops the process
// when the market breaks an invariant, as the server would.
Result<ScaleReport> run_scale(const ScaleOptions& options);

// One JSON document, without a line end.
std::string to_json(const ScaleReport& report);

}  // namespace fallow::sim
