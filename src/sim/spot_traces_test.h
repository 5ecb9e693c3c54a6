// Made-up spot traces for the tests of the spot laboratory.
#pragma once

#include <fmt/core.h>

#include <string>
#include <vector>

#include "base/check.h"
#include "base/env.h"
#include "sim/csv_table.h"
#include "sim/spot_trace.h"

namespace fallow::sim {

constexpr const char* kSpotHead =
    "kind,nodes,cloud_start,zone_instance,gap_seconds,tick,value,price\n";

// "1101": there, there, away, there; ten minutes each.
inline SpotTrace spot_trace(const std::string& looks, Micros spot_hour = Micros(1'200'000)) {
  SpotTrace trace{"test/zone", minutes(10), {}, {}};
  for (const char look : looks) {
    trace.available.push_back(look == '1');
    trace.spot_hour.push_back(spot_hour);
  }
  return trace;
}

// Spans that mostly are short and sometimes very long.
inline SpotTrace heavy_tailed_trace(std::uint64_t seed, std::size_t looks) {
  const auto random = seeded_random(seed);
  std::string text;
  for (char state = '0'; text.size() < looks; state = state == '0' ? '1' : '0') {
    const std::uint64_t span = std::uint64_t{1} << random->below(random->below(8) + 1);
    text.append(span, state);
  }
  text.resize(looks);
  return spot_trace(text);
}

// A job from the trace's beginning; on_demand costs three times the spot of spot_trace().
inline SpotJob spot_job(Duration work, Duration deadline, Duration restart) {
  return SpotJob{0, work, deadline, restart, Micros(3'600'000)};
}

}  // namespace fallow::sim
