// The parts of match_bench. Each adds its rows to the report.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bench_report.h"

namespace fallow::bench {

// What each kind of question to the book costs, beside asking every node.
void measure_questions(std::uint64_t offers, double seconds, Report& report);

// Match, allocate and release in the steady state of a market of which 60 % is leased, beside a
// plain scan of the same data and four dependent cache misses in as much memory.
void measure_rates(std::uint64_t offers, double seconds, Report& report);

// The rates again with offers ranked by the full score (fragmentation, survival, objective).
void measure_scores(std::uint64_t offers, double seconds, Report& report);

// What a match takes while 100,000 offers a second change and 20,000 orders a second come.
void measure_tails(std::uint64_t offers, double seconds, Report& report);

// Offers and orders made to defeat the zone maps, and prices at the ends of their range.
void measure_adversaries(std::uint64_t offers, double seconds, Report& report);

// Gangs: several nodes at once, in the smallest group that suffices, beside a plain scan.
void measure_gangs(std::uint64_t offers, double seconds, Report& report);

// This thread's own time in microseconds: what else runs on the machine does not count.
double cpu_us();

// The median time of one call, in microseconds, over at least `seconds`. Short calls are timed in
// runs, so that reading the clock does not count.
template <class Call>
double microseconds_of(double seconds, Call&& call) {
  constexpr double kRunUs = 50;
  const double start = cpu_us();
  call();
  const double first = std::max(cpu_us() - start, 0.1);
  const auto calls = static_cast<std::uint64_t>(std::max(1.0, kRunUs / first));
  std::vector<double> samples;
  while (samples.size() < 5 || cpu_us() - start < seconds * 1e6) {
    const double began = cpu_us();
    for (std::uint64_t i = 0; i < calls; ++i) call();
    samples.push_back((cpu_us() - began) / static_cast<double>(calls));
  }
  return quantile(samples, 0.5);
}

}  // namespace fallow::bench
