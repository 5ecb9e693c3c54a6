#include "core/meter.h"

#include <algorithm>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class MeterTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    const std::uint64_t provider = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node_ = node(provider, 3'600'000);
    ASSERT_EQ(refusal_of(submit(renter_), renter_), v1::REFUSAL_UNSPECIFIED);
    machine_.visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      id_ = lease.id;
      return false;
    });
  }
  const Lease& lease() const { return *machine_.lease(id_); }
  // The node's word so long after the placing, with the record that it has kept since it failed.
  void report(Duration after, v1::LeaseState state, Duration running = {}) {
    now_ = std::max(now_, lease().placed_at + after - milliseconds(1));
    v1::Command command;
    command.mutable_observe()->set_node(node_);
    v1::WorkloadReport& told = *command.mutable_observe()->add_workloads();
    told.set_lease(id_.value);
    told.set_state(state);
    if (state == v1::ENDED) told.set_reason(v1::COMPLETED);
    if (running.value > 0) {
      v1::MeterRecord& meter = *told.add_meters();
      meter.set_lease(id_.value);
      meter.set_sequence(lease().meter_sequence + 1);
      meter.set_running_us(running.value);
    }
    apply(command);
  }
  void resume() {
    v1::Command command;
    command.mutable_resume();
    apply(command);
  }

  // The renter stops it, so long after the placing.
  void stop(Duration after) {
    now_ = std::max(now_, lease().placed_at + after - milliseconds(1));
    v1::Command command;
    command.mutable_stop_lease()->set_lease(id_.value);
    ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  }

  std::uint64_t node_ = 0;
  std::uint64_t renter_ = 0;
  LeaseId id_;
};

TEST_F(MeterTest, ARecordThatCannotBeTrueYetCountsLater) {
  report(seconds(1), v1::RUNNING, seconds(7));
  EXPECT_EQ(lease().proven, seconds(0));
  EXPECT_EQ(lease().meter_sequence, 0U);
  report(seconds(3), v1::RUNNING, seconds(7));
  EXPECT_EQ(lease().proven, seconds(7));
  EXPECT_EQ(lease().meter_sequence, 1U);
}

// The wall clock was set back while the server was away, so the log's time stood still.
TEST_F(MeterTest, WhatPassedWhileTheMarketWasAwayIsPaidFor) {
  report(seconds(5), v1::RUNNING, seconds(5));
  for (int i = 1; i <= 3; ++i) {
    resume();
    // Twenty seconds each time, of which the market's clock has seen none.
    report(seconds(5 + i), v1::RUNNING, seconds(5 + 20 * i));
    EXPECT_EQ(lease().proven, seconds(5 + 20 * i));
  }
  report(seconds(9), v1::ENDED, seconds(67));
  EXPECT_EQ(lease().reason, v1::COMPLETED);
  EXPECT_EQ(lease().charged, Micros(67'000));
}

TEST_F(MeterTest, NoLongerThanItsNodeLetsItRunUnheard) {
  report(seconds(5), v1::RUNNING, seconds(5));
  resume();  // close_after is 30 s
  report(seconds(6), v1::RUNNING, seconds(42));
  EXPECT_EQ(lease().proven, seconds(5));
  EXPECT_NEAR(static_cast<double>(lease().unseen.value), 30e6, 1e4);
  // What the clock did see is not allowed for once more.
  now_ = lease().placed_at + seconds(26);
  resume();
  EXPECT_NEAR(static_cast<double>(lease().unseen.value), 40e6, 1e4);
  now_ = lease().placed_at + seconds(26) + minutes(5);
  resume();
  EXPECT_NEAR(static_cast<double>(lease().unseen.value), 40e6, 1e4);
}

// Of what a provider rents from himself, see also tests/scenarios/47-what-a-record-counts.txt.
TEST_F(MeterTest, ALeaseThatProvedNothingMakesNoRecord) {
  report(seconds(5), v1::RUNNING);
  report(seconds(700), v1::ENDED);
  EXPECT_EQ(machine_.node(NodeId(node_))->leases_kept, 0U);
  ASSERT_EQ(lease().state, v1::ENDED);
}

TEST_F(MeterTest, AClockThatIsFasterKeepsUp) {
  Lease placed;
  placed.placed_at = Time{1'000};
  MarketState state(Limits{});
  state.policy.set_bounds_meters(true);
  const Time later = placed.placed_at + hours(100);
  EXPECT_EQ(running_max(state, placed, later), hours(100) + seconds(360) + seconds(5));
  state.policy.set_bounds_meters(false);
  EXPECT_EQ(running_max(state, placed, later), hours(100) + seconds(5));
}

// Threat 14: an agent that was changed wants its pulling paid, which it has told.
TEST_F(MeterTest, WhatANodeSaidDidNotRunIsNotPaid) {
  for (int s = 10; s <= 300; s += 10) report(seconds(s), v1::STARTING);
  report(seconds(301), v1::RUNNING, seconds(300));
  EXPECT_EQ(lease().proven, seconds(0));
  // From 300 s on, and close_after and 5 s and a thousandth for words that are on their way.
  report(seconds(302), v1::RUNNING, seconds(38));
  EXPECT_EQ(lease().proven, seconds(0));
  report(seconds(302), v1::RUNNING, seconds(37));
  EXPECT_EQ(lease().proven, seconds(37));
}

TEST_F(MeterTest, SuspendedTimeIsNotPaidWhileItLastsEither) {
  report(seconds(100), v1::RUNNING, seconds(100));
  for (int s = 110; s <= 400; s += 10) report(seconds(s), v1::SUSPENDED);
  EXPECT_EQ(lease().idle, seconds(390 - 110 - 30));
  report(seconds(401), v1::SUSPENDED, seconds(146));
  EXPECT_EQ(lease().proven, seconds(146)) << "401 - 260 + 5";
  report(seconds(402), v1::SUSPENDED, seconds(400));
  EXPECT_EQ(lease().proven, seconds(146));
  report(seconds(403), v1::RUNNING);
  report(seconds(500), v1::RUNNING, seconds(243));
  EXPECT_EQ(lease().proven, seconds(243)) << "what ran afterwards counts";
}

// A word that was on its way while it began must not cost it what ran since.
TEST_F(MeterTest, WordsThatAreLateCostNothing) {
  report(seconds(1), v1::STARTING);
  report(seconds(26), v1::STARTING);  // sent at 1.1 s
  report(seconds(27), v1::RUNNING, seconds(25));
  EXPECT_EQ(lease().proven, seconds(25));
}

// Else whoever stops what is about to end has it for nothing.
TEST_F(MeterTest, WhatRanUntilTheStopIsPaid) {
  report(seconds(1), v1::RUNNING);
  stop(seconds(4));
  report(seconds(5), v1::RUNNING, seconds(4));
  EXPECT_EQ(lease().proven, seconds(4)) << "its node forgets what was acknowledged";
  EXPECT_EQ(lease().state, v1::STOPPING);
  report(seconds(6), v1::ENDED);
  EXPECT_EQ(lease().reason, v1::COMPLETED);
  EXPECT_EQ(lease().charged, Micros(4'000));
}

TEST_F(MeterTest, WhatRanAfterTheStopIsNot) {
  report(seconds(5), v1::RUNNING, seconds(5));
  stop(seconds(9));
  // 5 s that were proven, 4 s since, and the 5 s that a record may be due.
  EXPECT_EQ(lease().stop_proven_max, seconds(14));
  report(seconds(20), v1::RUNNING, seconds(14) + Duration(1));
  EXPECT_EQ(lease().proven, seconds(5)) << "all of a record counts, or nothing";
  EXPECT_TRUE(restored()->lease(id_)->stop_proven_max == seconds(14));
  report(seconds(20), v1::RUNNING, seconds(9));
  EXPECT_EQ(lease().proven, seconds(9));
  report(seconds(21), v1::ENDED, seconds(15));
  EXPECT_EQ(lease().proven, seconds(9));
  EXPECT_EQ(lease().stop_proven_max, Duration(0));
  restored();
}

// Its node let it run on unheard, and says so only after the stop.
TEST_F(MeterTest, WhatRanBeforeARestartIsPaidAfterAStop) {
  report(seconds(5), v1::RUNNING, seconds(5));
  resume();
  stop(seconds(6));
  report(seconds(7), v1::RUNNING, seconds(25));
  EXPECT_EQ(lease().proven, seconds(25));
}

TEST_F(MeterTest, AMarketOfBeforeTheRuleTakesNothingFromTheStopOn) {
  change_policy([](v1::Policy& policy) { policy.set_counts_until_stop(false); });
  report(seconds(1), v1::RUNNING);
  stop(seconds(4));
  report(seconds(5), v1::RUNNING, seconds(4));
  report(seconds(6), v1::ENDED, seconds(4));
  EXPECT_EQ(lease().reason, v1::COMPLETED);
  EXPECT_EQ(lease().charged, Micros(0));
}

TEST_F(MeterTest, AMarketOfBeforeTheRuleAllowsForNothing) {
  change_policy([](v1::Policy& policy) { policy.set_bounds_meters(false); });
  report(seconds(5), v1::RUNNING, seconds(5));
  resume();
  report(seconds(6), v1::RUNNING, seconds(25));
  EXPECT_EQ(lease().proven, seconds(5));
}

}  // namespace
}  // namespace fallow::core
