#include <gtest/gtest.h>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class VolumeTest : public MachineTest {
 protected:
  void SetUp() override {
    v1::Command founding = test_found();
    v1::VolumeDiscount& step = *founding.mutable_found()->mutable_policy()->add_volume_discounts();
    step.set_spent_micros_min(100);
    step.set_fee_basis_points(10'000);
    ASSERT_EQ(refusal_of(founding), v1::REFUSAL_UNSPECIFIED);
    const std::uint64_t provider = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node(provider, 1'000'000, 2);
  }

  const Lease& rent() {
    EXPECT_EQ(refusal_of(submit(renter_), renter_), v1::REFUSAL_UNSPECIFIED);
    const Lease* newest = nullptr;
    machine_.visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      newest = &lease;
      return false;
    });
    return *newest;
  }

  void prove_a_second(const Lease& lease, v1::EndReason ending) {
    now_ = now_ + seconds(1);
    v1::Command command;
    command.mutable_observe()->set_node(lease.node.value);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(lease.id.value);
    report.set_state(ending == v1::END_REASON_UNSPECIFIED ? v1::RUNNING : v1::ENDED);
    report.set_reason(ending);
    v1::MeterRecord& meter = *report.add_meters();
    meter.set_lease(lease.id.value);
    meter.set_sequence(1);
    meter.set_running_us(seconds(1).value);
    apply(command);
  }

  std::uint64_t renter_ = 0;
};

TEST_F(VolumeTest, WhatALeaseCameToCounts) {
  const Lease& first = rent();
  EXPECT_EQ(first.volume_basis_points, 0U);
  prove_a_second(first, v1::COMPLETED);
  EXPECT_GE(first.charged, Micros(100));
  EXPECT_EQ(rent().volume_basis_points, 10'000U);
}

TEST_F(VolumeTest, WhatMayStillComeBackDoesNot) {
  const LeaseId first = rent().id;
  prove_a_second(*machine_.lease(first), v1::END_REASON_UNSPECIFIED);
  EXPECT_GE(machine_.lease(first)->charged, Micros(100));
  EXPECT_EQ(rent().volume_basis_points, 0U);
}

}  // namespace
}  // namespace fallow::core
