// Clock and Random: what the real machine and the simulator answer differently.
//
// Everything that needs the time or chance is handed these; nothing reads them from the system on
// its own. bin/ hands out the system's, sim/ its own. The core takes neither: `now` comes with
// each command.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/types.h"

namespace fallow {

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time. May step; whoever needs order uses the log's time.
  virtual Time now() const = 0;
  // Never goes back, and counts while the machine sleeps; its origin is arbitrary. For deadlines,
  // backoff and metering.
  virtual Time monotonic() const = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> bytes) = 0;
  std::uint64_t next_u64();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
};

// The machine's own. Safe to use from every thread.
std::unique_ptr<Clock> system_clock();
std::unique_ptr<Random> system_random();
// Repeatable: the same seed gives the same bytes everywhere (SplitMix64). Not for secrets; one
// thread at a time.
std::unique_ptr<Random> seeded_random(std::uint64_t seed);

}  // namespace fallow
