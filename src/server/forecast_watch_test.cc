#include "server/forecast_watch.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/class_forecast.h"
#include "server/history.h"
#include "server/watched_market_test.h"

namespace fallow::server {
namespace {

v1::Found found() {
  v1::Found found = engine::test_found();
  v1::Policy& policy = *found.mutable_policy();
  policy.set_price_interval_us(minutes(20).value);
  // Leases stand until the test ends them.
  policy.set_start_timeout_us(hours(24 * 300).value);
  policy.set_suspend_after_us(hours(24 * 300).value);
  policy.set_close_after_us(hours(24 * 300).value);
  return found;
}

class ForecastWatchTest : public testing::Test {
 protected:
  ForecastWatchTest() : first_(open("first.db")), market_(found(), {first_.get()}) {
    // A Thursday's midnight, as the week of forecasts begins.
    const std::int64_t week_us = kWeekHours * kHour.value;
    market_.clock().pass(Duration(week_us - market_.clock().now().us % week_us));
    nodes_ = {offered(1), offered(2)};
    v1::Command account;
    account.mutable_open_account()->set_name("alice");
    account.mutable_open_account()->add_scopes(v1::RENTER);
    renter_ = market_.do_it(account);
    v1::Command deposit;
    deposit.mutable_deposit()->set_account(renter_);
    deposit.mutable_deposit()->set_amount_micros(1'000'000'000'000);
    deposit.mutable_deposit()->set_reference("all");
    market_.do_it(deposit);
  }
  ~ForecastWatchTest() override { market_.stop(); }

  std::unique_ptr<History> open(const std::string& name) {
    auto opened = History::open(folder_.path() + "/" + name);
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return std::move(*opened);
  }
  std::uint64_t offered(std::uint64_t key) {
    const std::uint64_t node = market_.join(key);
    market_.link(node, true);
    v1::Command offer;
    offer.mutable_set_offer()->set_node(node);
    offer.mutable_set_offer()->set_device_hour_micros(400'000);
    market_.do_it(offer);
    return node;
  }
  std::uint64_t lease() {
    v1::Command command;
    v1::SubmitOrder& order = *command.mutable_submit_order();
    order.set_account(renter_);
    order.set_tasks(1);
    order.mutable_workload()->add_command("true");
    order.mutable_requirements()->set_duration_us(hours(20).value);
    const std::uint64_t id = market_.do_it(command);
    return market_.look([&](const core::Machine& machine) {
      return machine.order(OrderId(id))->tasks[0].lease.value;
    });
  }
  void end(std::uint64_t lease) {
    v1::Command command;
    command.mutable_observe()->set_node(market_.look(
        [&](const core::Machine& machine) { return machine.lease(LeaseId(lease))->node.value; }));
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(lease);
    report.set_state(v1::ENDED);
    report.set_reason(v1::COMPLETED);
    market_.do_it(command);
  }
  // One of the two devices is leased in every second half of a day.
  void pass_days(int days) {
    for (int hour = 0; hour < 24 * days; ++hour) {
      if (hour % 24 == 12) lease_ = lease();
      for (int interval = 0; interval < 3; ++interval) {
        market_.clock().pass(minutes(20));
        v1::Command tick;
        tick.mutable_tick();
        market_.do_it(tick);
      }
      if (hour % 24 == 23) end(lease_);
    }
  }
  LogIndex last() {
    return market_.look([](const core::Machine& machine) { return machine.last_index(); });
  }
  std::int64_t hour() { return market_.clock().now().us / kHour.value; }
  std::vector<std::pair<std::uint32_t, Time>> told() {
    return market_.look([](const core::Machine& machine) {
      std::vector<std::pair<std::uint32_t, Time>> told;
      machine.visit_nodes(NodeId(0), [&](const core::Node& node) {
        told.emplace_back(node.counted.index->expected_use_basis_points,
                          node.counted.index->expected_until);
        return false;
      });
      return told;
    });
  }

  engine::TempFolder folder_;
  std::unique_ptr<History> first_;
  WatchedMarket market_;
  std::vector<std::uint64_t> nodes_;
  std::uint64_t renter_ = 0;
  std::uint64_t lease_ = 0;
};

TEST_F(ForecastWatchTest, SaysNothingOfAYoungMarket) {
  ForecastWatch watch(market_.engine(), *first_, market_.clock(), hours(1'000));
  pass_days(1);
  ASSERT_TRUE(first_->wait_for(last(), seconds(10)));
  market_.clock().pass(minutes(2));
  const LogIndex young = last();
  ASSERT_TRUE(watch.run_once().has_value());
  EXPECT_EQ(last(), young) << "a day says too little";
}

TEST_F(ForecastWatchTest, TellsOnceAnHourWhatTheNextIsExpectedToAskFor) {
  ForecastWatch watch(market_.engine(), *first_, market_.clock(), hours(1'000));
  pass_days(7);
  ASSERT_TRUE(first_->wait_for(last(), seconds(10)));
  market_.clock().pass(seconds(30));
  const LogIndex early = last();
  ASSERT_TRUE(watch.run_once().has_value());
  EXPECT_EQ(last(), early) << "the hour has not settled";
  market_.clock().pass(minutes(1));
  ASSERT_TRUE(watch.run_once().has_value());
  EXPECT_LT(told()[0].first, 500U) << "nothing by night";
  EXPECT_EQ(told()[0].second, Time{(hour() + 1) * kHour.value});
  const LogIndex once = last();
  ASSERT_TRUE(watch.run_once().has_value());
  EXPECT_EQ(last(), once) << "all of the hour is told";
}

TEST_F(ForecastWatchTest, LooksAheadToTheBusyHours) {
  pass_days(7);
  for (int i = 0; i < 11 * 3; ++i) {
    market_.clock().pass(minutes(20));
    v1::Command tick;
    tick.mutable_tick();
    market_.do_it(tick);
  }
  ASSERT_TRUE(first_->wait_for(last(), seconds(10)));
  market_.clock().pass(minutes(2));
  ForecastWatch watch(market_.engine(), *first_, market_.clock(), hours(1'000));
  ASSERT_TRUE(watch.run_once().has_value());
  // It is eleven, nothing is in use since midnight, and at twelve one of the two devices will be.
  EXPECT_GT(told()[0].first, 3'000U);
  EXPECT_LT(told()[0].first, 6'000U);
}

TEST_F(ForecastWatchTest, AMarketThatDoesNotLookAheadIsToldNothing) {
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = found().policy();
  policy.mutable_set_policy()->mutable_policy()->set_forecast_basis_points(0);
  policy.mutable_set_policy()->mutable_policy()->set_scarcity_basis_points(0);
  policy.mutable_set_policy()->mutable_policy()->set_deadlines_by_forecast(false);
  market_.do_it(policy);
  pass_days(3);
  ASSERT_TRUE(first_->wait_for(last(), seconds(10)));
  market_.clock().pass(minutes(2));
  const LogIndex before = last();
  ForecastWatch watch(market_.engine(), *first_, market_.clock(), hours(1'000));
  ASSERT_TRUE(watch.run_once().has_value());
  EXPECT_EQ(last(), before);
}

TEST_F(ForecastWatchTest, AMarketThatOnlyRanksByItIsTold) {
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = found().policy();
  policy.mutable_set_policy()->mutable_policy()->set_forecast_basis_points(0);
  policy.mutable_set_policy()->mutable_policy()->set_scarcity_basis_points(1);
  policy.mutable_set_policy()->mutable_policy()->set_deadlines_by_forecast(false);
  market_.do_it(policy);
  pass_days(3);
  ASSERT_TRUE(first_->wait_for(last(), seconds(10)));
  market_.clock().pass(minutes(2));
  ForecastWatch watch(market_.engine(), *first_, market_.clock(), hours(1'000));
  ASSERT_TRUE(watch.run_once().has_value());
  EXPECT_EQ(told()[0].second, Time{(hour() + 1) * kHour.value});
}

// One server was there all the time but for two restarts, the other reads the log at the end.
TEST_F(ForecastWatchTest, TwoServersThatReplayTheSameLogForecastTheSame) {
  pass_days(3);
  market_.stop();
  first_.reset();
  first_ = open("first.db");
  market_.restart({first_.get()});
  for (const std::uint64_t node : nodes_) market_.link(node, true);
  pass_days(4);
  market_.stop();
  first_.reset();
  first_ = open("first.db");
  const auto second = open("second.db");
  market_.restart({first_.get(), second.get()});
  ASSERT_TRUE(first_->wait_for(last(), seconds(10)));
  ASSERT_TRUE(second->wait_for(last(), seconds(10)));

  const core::PriceClass of{"rtx_4090", "eu"};
  const auto hours = first_->hours(of, 0);
  ASSERT_TRUE(hours.has_value());
  EXPECT_GT(hours->size(), 150U);
  EXPECT_EQ(*hours, *second->hours(of, 0));
  const auto here = forecast_of(*first_, {of}, hour());
  const auto there = forecast_of(*second, {of}, hour());
  ASSERT_TRUE(here.has_value() && there.has_value());
  EXPECT_EQ(here->classes_size(), 1);
  EXPECT_EQ(here->SerializeAsString(), there->SerializeAsString());
  const auto mine = ClassForecast::learn(*hours, hour());
  const auto yours = ClassForecast::learn(*second->hours(of, 0), hour());
  ASSERT_TRUE(mine && yours);
  for (std::int64_t ahead = 0; ahead < kWeekHours; ++ahead) {
    EXPECT_EQ(mine->at(hour() + ahead).demand, yours->at(hour() + ahead).demand);
    EXPECT_EQ(mine->at(hour() + ahead).free_share, yours->at(hour() + ahead).free_share);
  }
}

}  // namespace
}  // namespace fallow::server
