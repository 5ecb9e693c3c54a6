#include "core/misses.h"

#include <gtest/gtest.h>

namespace fallow::core {
namespace {

Demand missed_demand(Duration time, std::int64_t task_hour_max, std::int64_t rate_hour_max = 0) {
  Demand demand;
  demand.requirements.set_query("gpu_ram>=24");
  demand.requirements.set_gpus(1);
  demand.requirements.set_tier(v1::SPOT);
  demand.requirements.set_duration_us(time.value);
  demand.requirements.set_price_per_hour_micros_max(task_hour_max);
  demand.rate_hour_max = Micros(rate_hour_max);
  return demand;
}

TEST(Misses, WhoAsksForNoLessIsMissed) {
  Misses misses(4);
  misses.add(1, missed_demand(hours(2), 500, 400), NodeId(7));
  const auto known = [&](const Demand& demand) { return misses.find(1, demand) != nullptr; };
  EXPECT_TRUE(known(missed_demand(hours(2), 500, 400))) << "the very same";
  EXPECT_TRUE(known(missed_demand(hours(3), 499, 399)));
  EXPECT_FALSE(known(missed_demand(hours(2) - Duration(1), 499, 399))) << "it runs shorter";
  EXPECT_FALSE(known(missed_demand(hours(3), 501, 399))) << "its bid is higher";
  EXPECT_FALSE(known(missed_demand(hours(3), 499, 401)));
  EXPECT_FALSE(known(missed_demand(hours(3), 499))) << "no limit is the highest one";
  EXPECT_EQ(misses.find(1, missed_demand(hours(3), 499, 399))->node, NodeId(7));
}

TEST(Misses, NoLimitIsNeverMissedForAnother) {
  Misses misses(4);
  misses.add(1, missed_demand(hours(2), 0));
  EXPECT_NE(misses.find(1, missed_demand(hours(2), 0)), nullptr);
  EXPECT_NE(misses.find(1, missed_demand(hours(2), 1, 1)), nullptr);
}

TEST(Misses, EachKindIsMissedForItself) {
  Misses misses(4);
  misses.add(1, missed_demand(hours(2), 500));
  const auto known = [&](const auto& change) {
    Demand demand = missed_demand(hours(2), 500);
    change(demand.requirements);
    return misses.find(1, demand) != nullptr;
  };
  EXPECT_TRUE(known([](v1::Requirements&) {}));
  EXPECT_FALSE(known([](v1::Requirements& wanted) { wanted.set_query("gpu_ram>=25"); }));
  EXPECT_FALSE(known([](v1::Requirements& wanted) { wanted.set_gpus(2); }));
  EXPECT_FALSE(known([](v1::Requirements& wanted) { wanted.set_tier(v1::ON_DEMAND); }));
  EXPECT_FALSE(known([](v1::Requirements& wanted) { wanted.set_memory_mb(1); }));
  EXPECT_FALSE(known([](v1::Requirements& wanted) { wanted.set_near("eu"); }));
}

// A longer term may have the discount that brings it below its limit.
TEST(Misses, ALongerTermOfAnotherBracketIsAnotherKind) {
  const auto term = [](Duration time) {
    Demand demand = missed_demand(time, 500);
    demand.requirements.set_tier(v1::RESERVED);
    return demand;
  };
  Misses misses(4);
  misses.add(1, term(hours(23)));
  EXPECT_NE(misses.find(1, term(hours(23) + minutes(59))), nullptr);
  EXPECT_EQ(misses.find(1, term(hours(24))), nullptr);
}

TEST(Misses, AreForgottenWhenASearchBeginsAnew) {
  Misses misses(4);
  misses.add(1, missed_demand(hours(2), 500));
  EXPECT_EQ(misses.find(2, missed_demand(hours(2), 500)), nullptr);
  EXPECT_EQ(misses.find(1, missed_demand(hours(2), 500)), nullptr);
}

TEST(Misses, KeepFewAndTheWidest) {
  Misses misses(2);
  misses.add(1, missed_demand(hours(3), 500));
  misses.add(1, missed_demand(hours(2), 500));  // says all that the first says
  misses.add(1, missed_demand(hours(3), 600));
  misses.add(1, missed_demand(hours(4), 700));  // one too many
  EXPECT_NE(misses.find(1, missed_demand(hours(2), 400)), nullptr);
  EXPECT_NE(misses.find(1, missed_demand(hours(3), 600)), nullptr);
  EXPECT_EQ(misses.find(1, missed_demand(hours(4), 700)), nullptr);
  Misses none(0);
  none.add(1, missed_demand(hours(2), 500));
  EXPECT_EQ(none.find(1, missed_demand(hours(2), 500)), nullptr);
}

}  // namespace
}  // namespace fallow::core
