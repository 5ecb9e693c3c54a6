// For tests only: a market with spot, a provider and a renter, and short ways to run leases in it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "core/test_machine.h"

namespace fallow::core {

class SpotTest : public MachineTest {
 protected:
  void SetUp() override {
    v1::Command founding = test_found();
    v1::Policy& policy = *founding.mutable_found()->mutable_policy();
    for (const auto set : {&v1::Policy::set_suspend_after_us, &v1::Policy::set_close_after_us,
                           &v1::Policy::set_start_timeout_us}) {
      (policy.*set)(hours(24).value);
    }
    policy.set_price_interval_us(minutes(5).value);
    policy.set_spot_min_run_us(minutes(1).value);
    policy.set_spot_cool_down_us(minutes(2).value);
    policy.set_spot_notice_us(seconds(20).value);
    ASSERT_EQ(refusal_of(founding), v1::REFUSAL_UNSPECIFIED);
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
  }

  std::uint64_t spot_node(std::int64_t floor, std::uint32_t devices = 1) {
    const std::uint64_t id = node(provider_, 1'000'000, devices);
    v1::Command command;
    command.mutable_set_offer()->set_node(id);
    command.mutable_set_offer()->set_device_hour_micros(1'000'000);
    command.mutable_set_offer()->set_spot(true);
    command.mutable_set_offer()->set_spot_floor_micros(floor);
    command.mutable_set_offer()->set_share_thousandths_min(1);
    EXPECT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
    return id;
  }

  const Order& bid(std::int64_t micros, std::uint32_t gpus = 1, v1::Tier tier = v1::SPOT) {
    v1::Command command = submit(renter_);
    v1::Requirements& wanted = *command.mutable_submit_order()->mutable_requirements();
    wanted.set_tier(tier);
    wanted.set_gpus(gpus);
    wanted.set_price_per_hour_micros_max(micros);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    return *machine_.order(OrderId(id));
  }
  const Lease* lease_of(const Order& order) const {
    return order.tasks[0].lease ? machine_.lease(order.tasks[0].lease) : nullptr;
  }
  bool runs(const Order& order) const {
    const Lease* const lease = lease_of(order);
    return lease != nullptr && is_open(*lease) && lease->state != v1::STOPPING;
  }

  // Runs the lease for a while, proving all of it.
  void prove(const Order& order, Duration time) {
    now_ = now_ + time;
    const Lease& lease = *lease_of(order);
    v1::Command command;
    command.mutable_observe()->set_node(lease.node.value);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(lease.id.value);
    report.set_state(v1::RUNNING);
    v1::MeterRecord& meter = *report.add_meters();
    meter.set_lease(lease.id.value);
    meter.set_sequence(lease.meter_sequence + 1);
    meter.set_running_us((lease.proven + time).value);
    apply(command);
  }
  void end(const Order& order, v1::EndReason reason) {
    const Lease& lease = *lease_of(order);
    v1::Command command;
    command.mutable_observe()->set_node(lease.node.value);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(lease.id.value);
    report.set_state(v1::ENDED);
    report.set_reason(reason);
    apply(command);
  }
  // To the end of the interval and behind it.
  void next_interval() {
    const std::int64_t length = minutes(5).value;
    now_ = Time{(now_.us / length + 1) * length};
    v1::Command tick;
    tick.mutable_tick();
    for (int i = 0; i < 4; ++i) apply(tick);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
};

}  // namespace fallow::core
