// What is expected of a class, as a command: where orders go.
#include <gtest/gtest.h>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class ScarcityTest : public MachineTest {
 protected:
  // The cheaper one is an RTX 4090, the dearer one an RTX 3090.
  void SetUp() override {
    found();
    const std::uint64_t provider = open(v1::PROVIDER);
    cheap_ = node(provider, 400'000);
    dear_ = node(provider, 403'000);
    v1::Command report;
    report.mutable_report_node()->set_node(dear_);
    *report.mutable_report_node()->mutable_facts() = test_facts(1, "RTX_3090");
    ASSERT_EQ(refusal_of(report), v1::REFUSAL_UNSPECIFIED);
  }
  void expect_use(std::uint32_t basis_points, Duration ahead) {
    v1::Command command;
    v1::ClassForecast& told = *command.mutable_set_forecast()->add_classes();
    told.set_model("rtx_4090");
    told.set_region("eu");
    told.set_use_basis_points(basis_points);
    told.set_until_us((now_ + ahead).us);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
    ASSERT_EQ(events_[0].forecast_set().classes(), 1U);
  }
  static std::uint64_t best(const Machine& machine, v1::Objective objective, Time now) {
    v1::Requirements wanted;
    wanted.set_duration_us(kHour.value);
    wanted.set_objective(objective);
    const auto estimate = machine.estimate(wanted, 1, now);
    return estimate ? estimate->offers.at(0).node->id.value : 0;
  }
  std::uint64_t best(v1::Objective objective = v1::CHEAPEST) const {
    return best(machine_, objective, now_);
  }
  void set_weight(std::uint32_t basis_points) {
    v1::Command policy;
    *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
    policy.mutable_set_policy()->mutable_policy()->set_scarcity_basis_points(basis_points);
    ASSERT_EQ(refusal_of(policy), v1::REFUSAL_UNSPECIFIED);
  }

  std::uint64_t cheap_ = 0;
  std::uint64_t dear_ = 0;
};

TEST_F(ScarcityTest, WhatWillBeAskedForIsLeftWhileAnotherIsAboutAsCheap) {
  ASSERT_EQ(machine_.policy().scarcity_basis_points(), 100U);
  EXPECT_EQ(best(), cheap_);
  expect_use(8'500, hours(1));
  EXPECT_EQ(best(), cheap_) << "half of a percent, and the other is dearer by three quarters";
  expect_use(12'000, hours(1));
  EXPECT_EQ(best(), dear_);
  EXPECT_EQ(best(v1::FASTEST), cheap_);
  now_ = now_ + hours(1);
  v1::Command tick;
  tick.mutable_tick();
  apply(tick);
  EXPECT_EQ(best(), cheap_) << "it is over";
}

TEST_F(ScarcityTest, CountsAsMuchAsThePolicySays) {
  expect_use(12'000, hours(1));
  set_weight(0);
  EXPECT_EQ(best(), cheap_);
  set_weight(74);
  EXPECT_EQ(best(), cheap_);
  set_weight(76);
  EXPECT_EQ(best(), dear_);
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
  policy.mutable_set_policy()->mutable_policy()->set_scarcity_basis_points(10'001);
  EXPECT_EQ(refusal_of(policy), v1::VALUE_INVALID);
}

TEST_F(ScarcityTest, ARestoredMarketRanksTheSame) {
  expect_use(12'000, hours(1));
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
  EXPECT_EQ(best(restored, v1::CHEAPEST, now_), dear_);
}

}  // namespace
}  // namespace fallow::core
