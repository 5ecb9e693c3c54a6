// Twenty fixed seeds of the whole market. A seed that fails prints the command that replays it.
#include "sim/chaos.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "base/sanitizers.h"

namespace fallow::sim {
namespace {

constexpr bool kIsSlow = kHasSanitizer;  // one looks over our shoulder: fewer and shorter runs
constexpr std::uint64_t kSeeds = kIsSlow ? 6 : 20;  // of six, each has another number of nodes

ChaosOptions options_of(std::uint64_t seed) {
  ChaosOptions options;
  options.seed = seed;
  options.nodes = static_cast<std::uint32_t>(3 + seed % 6);
  options.chaos = kIsSlow ? minutes(18) : hours(2);
  return options;
}

ChaosReport run(const ChaosOptions& options) {
  // A broken invariant within the market ends the process: the command must be there before.
  std::fprintf(stderr, "%s\n", replay_command(options).c_str());
  return run_chaos(options);
}

TEST(Chaos, TwentySeedsHoldAndSettle) {
  Marks reached;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const ChaosOptions options = options_of(seed);
    const ChaosReport report = run(options);
    ASSERT_EQ(report.failure, "") << "again with: " << replay_command(options);
    EXPECT_GT(report.orders, 0U) << replay_command(options);
    EXPECT_GT(report.leases, 0U) << replay_command(options);
    reached.add(report.marks);
  }
  // A branch that no seed reaches any more is one that nothing tests any more.
  if (kIsSlow) return;
  for (std::size_t i = 0; i < kMarkCount; ++i) {
    const auto mark = static_cast<Mark>(i);
    EXPECT_GT(reached.count(mark), 0U) << "no seed reached: " << name_of(mark);
  }
}

// The watch sees what the rule is for: docs/fencing.md.
TEST(Chaos, AMarketThatDoesNotWaitForFencesRunsATaskTwice) {
  std::size_t failures = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds && failures == 0; ++seed) {
    ChaosOptions options = options_of(seed);
    options.waits_for_fence = false;
    const std::string failure = run(options).failure;
    if (failure.find(" still runs on agent ") != std::string::npos) {
      ++failures;
    }
  }
  if (!kIsSlow) {
    EXPECT_GT(failures, 0U);
  }
}

TEST(Chaos, TheSameSeedGivesTheSameDigest) {
  for (const std::uint64_t seed : {3U, 11U, 17U}) {
    ChaosOptions options = options_of(seed);
    options.chaos = minutes(15);
    if (kIsSlow && seed > 3) break;
    const ChaosReport first = run(options);
    const ChaosReport second = run(options);
    EXPECT_EQ(first.digest, second.digest) << replay_command(options);
    EXPECT_EQ(first.steps, second.steps) << replay_command(options);
    options.seed += 100;
    EXPECT_NE(first.digest, run(options).digest) << "the seed changes nothing";
  }
}

TEST(Chaos, ReplayCommandNamesTheRun) {
  ChaosOptions options;
  options.seed = 17;
  options.nodes = 5;
  options.chaos = hours(3);
  EXPECT_EQ(replay_command(options), "fallow sim chaos --seed 17 --nodes 5 --hours 3");
  options.chaos = minutes(90);
  EXPECT_EQ(replay_command(options), "fallow sim chaos --seed 17 --nodes 5 --hours 1.5");
}

}  // namespace
}  // namespace fallow::sim
