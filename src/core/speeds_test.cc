// SetSpeed as a command: who may, what is refused, what follows.
#include <gtest/gtest.h>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class SpeedsTest : public MachineTest {
 protected:
  static v1::Command speed(const std::string& model, v1::WorkloadClass workload,
                           std::uint32_t thousandths) {
    v1::Command command;
    command.mutable_set_speed()->set_model(model);
    command.mutable_set_speed()->set_workload_class(workload);
    command.mutable_set_speed()->set_speed_thousandths(thousandths);
    return command;
  }
};

TEST_F(SpeedsTest, OnlyOperatorsMeasureAndOnlyWhatCanBe) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  EXPECT_EQ(refusal_of(speed("RTX_4090", v1::FP16, 2'000), provider), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(speed("", v1::FP16, 2'000)), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(speed("RTX_4090", v1::WORKLOAD_CLASS_UNSPECIFIED, 2'000)),
            v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(speed("RTX_4090", static_cast<v1::WorkloadClass>(9), 2'000)),
            v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(speed("RTX_4090", v1::FP16, kSpeedMax + 1)), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(speed("RTX_4090", v1::FP16, kSpeedMax)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(events_[0].speed_set().speed_thousandths(), kSpeedMax);
  apply(speed("RTX_4090", v1::FP16, 0));
  EXPECT_EQ(events_[0].speed_set().speed_thousandths(),
            vendor_speeds("RTX_4090", 0, v1::GPU)[v1::FP16]);
}

TEST_F(SpeedsTest, OrdersGoByWhatWasMeasured) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t first = node(provider, 400'000);
  const std::uint64_t second = node(provider, 400'000);
  v1::Command report;
  report.mutable_report_node()->set_node(second);
  *report.mutable_report_node()->mutable_facts() = test_facts(1);
  report.mutable_report_node()->mutable_facts()->mutable_devices(0)->set_model("Mystery");
  ASSERT_EQ(refusal_of(report), v1::REFUSAL_UNSPECIFIED);

  v1::Requirements wanted;
  wanted.set_duration_us(kHour.value);
  wanted.set_objective(v1::FASTEST);
  wanted.set_workload_class(v1::BANDWIDTH);
  const auto best = [&] {
    const auto estimate = machine_.estimate(wanted, 1, now_);
    return estimate ? estimate->offers.at(0).node->id.value : 0;
  };
  EXPECT_EQ(best(), first);
  apply(speed("mystery", v1::BANDWIDTH, 50'000));
  EXPECT_EQ(best(), second);
  wanted.set_workload_class(v1::FP32);
  EXPECT_EQ(best(), first) << "it was measured at another class";
  apply(speed("mystery", v1::BANDWIDTH, 0));
  wanted.set_workload_class(v1::BANDWIDTH);
  EXPECT_EQ(best(), first);
}

// A minute on an RTX 3090 is 26 s on an RTX 4090, for 2.9 thousandths, and 220 s on an RTX 2060,
// for 3.1. Starts are not charged: counted at the price of the device they would tip the scales.
TEST_F(SpeedsTest, StartsAreFreeSoShortWorkGoesWhereItIsDoneForLess) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t fast = node(provider, 400'000);
  const std::uint64_t slow = node(provider, 50'000);
  v1::Command report;
  report.mutable_report_node()->set_node(slow);
  *report.mutable_report_node()->mutable_facts() = test_facts(1, "RTX_2060");
  ASSERT_EQ(refusal_of(report), v1::REFUSAL_UNSPECIFIED);

  v1::Requirements wanted;
  wanted.set_objective(v1::COST_TO_COMPLETE);
  const auto best = [&](Duration work) {
    wanted.set_duration_us(work.value);
    const auto estimate = machine_.estimate(wanted, 1, now_);
    return estimate ? estimate->offers.at(0).node->id.value : 0;
  };
  EXPECT_EQ(best(minutes(1)), fast);
  EXPECT_EQ(best(hours(24)), fast);
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
  policy.mutable_set_policy()->mutable_policy()->set_start_cost_us(minutes(1).value);
  ASSERT_EQ(refusal_of(policy), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(best(minutes(1)), slow) << "an operator may count them all the same";
  EXPECT_EQ(best(hours(24)), fast);
}

TEST_F(SpeedsTest, StayInSnapshots) {
  found();
  apply(speed("RTX_4090", v1::FP16, 2'000));
  apply(speed("Mystery 7", v1::BANDWIDTH, 5));
  std::string bytes;
  machine_.snapshot([&](std::string_view piece) { bytes += piece; });
  Machine restored;
  std::size_t at = 0;
  const Status status = restored.restore([&](char* to, std::size_t room) -> Result<std::size_t> {
    const std::size_t piece = std::min(room, bytes.size() - at);
    bytes.copy(to, piece, at);
    at += piece;
    return piece;
  });
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(restored.digest(), machine_.digest());
  EXPECT_EQ(restored.book().scoring().speeds.set_of("mystery_7")[v1::BANDWIDTH], 5);
  EXPECT_EQ(restored.book().scoring().start_cost, machine_.book().scoring().start_cost);
}

}  // namespace
}  // namespace fallow::core
