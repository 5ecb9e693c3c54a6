// A device at fault, and clocks that jump.
#include "agent/reconciler_test.h"

namespace fallow::agent {
namespace {

using testing::IsEmpty;

constexpr std::string_view kFell = "the device fell off its bus (RTX_4090, Xid 79)";

TEST_F(ReconcilerTest, WhatRunsOnADeviceAtFaultEndsByIt) {
  connect();
  bring_up(lease(7, {0}));
  reconciler_->device_failed(1, kFell, now());
  EXPECT_THAT(of<Kill>(run_for(milliseconds(1))), IsEmpty()) << "of another device";
  reconciler_->device_failed(0, kFell, now());
  EXPECT_EQ(of<Kill>(run_for(milliseconds(1))).size(), 1U);
  reconciler_->device_failed(0, kFell, now());
  EXPECT_THAT(of<Kill>(run_for(milliseconds(1))), IsEmpty()) << "once is enough";
  reconciler_->happened(Exited{LeaseId(7), clock_, ExitCause::kExited, 137, 9, ""}, now());
  const auto collects = of<Collect>(run_for(milliseconds(1)));
  ASSERT_EQ(collects.size(), 1U);
  EXPECT_FALSE(collects[0].outputs);
  EXPECT_TRUE(collects[0].checkpoint) << "it goes on elsewhere";
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::DEVICE_FAULT);
  EXPECT_EQ(report(7).detail(), kFell);
}

// The program sees the fault first, and fails; the node notices it a moment later.
TEST_F(ReconcilerTest, WhatFailedJustNowHasFailedByItsDevice) {
  connect();
  bring_up(lease(7, {0}));
  run_for(seconds(2));
  exit_with(7, 1);
  run_for(milliseconds(1));
  reconciler_->device_failed(0, kFell, now());
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::DEVICE_FAULT);
  EXPECT_EQ(report(7).detail(), kFell);
  EXPECT_EQ(report(7).exit_code(), 1);
}

TEST_F(ReconcilerTest, WhatFailedLongAgoHasFailedByItself) {
  connect();
  bring_up(lease(7, {0}));
  exit_with(7, 1);
  run_for(seconds(11));  // its outputs are being brought
  reconciler_->device_failed(0, kFell, now());
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::EXIT_CODE);
}

TEST_F(ReconcilerTest, ADeviceHasWorkUntilItsLeaseIsForgotten) {
  connect();
  EXPECT_FALSE(reconciler_->has_work_on(0));
  bring_up(lease(7, {0, 2}));
  EXPECT_TRUE(reconciler_->has_work_on(0));
  EXPECT_FALSE(reconciler_->has_work_on(1));
  EXPECT_TRUE(reconciler_->has_work_on(2));
  exit_with(7, 0);
  run_for(milliseconds(1));
  EXPECT_TRUE(reconciler_->has_work_on(2)) << "its outputs are being brought";
}

// Else whoever fills a disk of which nothing was promised to it has computed for nothing.
TEST_F(ReconcilerTest, WhatWasNotAskedForExcusesNobody) {
  connect();
  const auto reason_of = [this](std::uint64_t id, bool asked_for_it, ExitCause cause) {
    v1::DesiredLease desired = lease(id, {0});
    desired.set_disk_mb(asked_for_it ? 64 : 0);
    desired.set_memory_mb(asked_for_it ? 64 : 0);
    bring_up(desired);
    exit_with(id, 1, cause);
    run_for(milliseconds(1));
    collected(id);
    run_for(milliseconds(1));
    return report(id).reason();
  };
  EXPECT_EQ(reason_of(7, true, ExitCause::kHostDiskFull), v1::WORKLOAD_LOST);
  EXPECT_EQ(reason_of(8, false, ExitCause::kHostDiskFull), v1::DISK_LIMIT);
  EXPECT_EQ(reason_of(9, true, ExitCause::kHostOutOfMemory), v1::WORKLOAD_LOST);
  EXPECT_EQ(reason_of(10, false, ExitCause::kHostOutOfMemory), v1::OUT_OF_MEMORY);
  // It asked for none, so nobody reads that it did.
  EXPECT_EQ(report(10).detail(), "the node ran out of memory, and it had asked for none");
}

// And the other way round: the word of the program's end is the later one.
TEST_F(ReconcilerTest, WhatHadFailedAMomentBeforeHasFailedByItsDevice) {
  connect();
  bring_up(lease(7, {0}));
  run_for(seconds(2));
  const Time ended_at = clock_;
  pass(milliseconds(500));
  reconciler_->device_failed(0, kFell, now());
  reconciler_->happened(Exited{LeaseId(7), ended_at, ExitCause::kExited, 1, 0, ""}, now());
  run_for(milliseconds(1));
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::DEVICE_FAULT);
  EXPECT_EQ(report(7).detail(), kFell);
}

TEST_F(ReconcilerTest, WhatEndedOtherwiseKeepsItsEnding) {
  connect();
  const auto exit_of = [this](std::uint64_t id, int code, ExitCause cause) {
    bring_up(lease(id, {0}));
    exit_with(id, code, cause);
    run_for(milliseconds(1));
    reconciler_->device_failed(0, kFell, now());
    collected(id);
    run_for(milliseconds(1));
  };
  exit_of(7, 0, ExitCause::kExited);
  EXPECT_EQ(report(7).reason(), v1::COMPLETED);
  exit_of(9, 137, ExitCause::kOutOfMemory);
  EXPECT_EQ(report(9).reason(), v1::OUT_OF_MEMORY);
  // And what its renter was stopping anyway.
  v1::DesiredLease stopped = lease(8, {0});
  bring_up(stopped);
  stopped.set_stop(true);
  desire({stopped});
  run_for(milliseconds(1));
  reconciler_->device_failed(0, kFell, now());
  reconciler_->happened(Exited{LeaseId(8), clock_, ExitCause::kExited, 143, 15, ""}, now());
  run_for(milliseconds(1));
  collected(8);
  run_for(milliseconds(1));
  EXPECT_EQ(report(8).reason(), v1::STOPPED);
}

TEST_F(ReconcilerTest, WhatHadNotBegunDoesNotBegin) {
  connect();
  desire({lease(7, {0})});
  run_for(milliseconds(1));
  reconciler_->device_failed(0, kFell, now());
  reconciler_->happened(Prepared{LeaseId(7)}, now());
  EXPECT_THAT(of<Start>(run_for(milliseconds(1))), IsEmpty());
  EXPECT_EQ(report(7).reason(), v1::DEVICE_FAULT);
  EXPECT_TRUE(report(7).meters().empty()) << "nothing ran";
}

// The wall clock is set, by hand or by NTP: running time and fences count on another one.
TEST_F(ReconcilerTest, AWallClockThatJumpsChangesNothing) {
  connect();
  bring_up(lease(7));
  const auto run_at = [this](Duration offset) {
    for (int i = 0; i < 20; ++i) {
      pass(seconds(1));
      Now shown = now();
      shown.wall = shown.wall + offset;
      for (const Action& action : reconciler_->step(shown)) {
        EXPECT_EQ(std::get_if<Kill>(&action), nullptr);
        if (const auto* send = std::get_if<Send>(&action)) {
          if (send->message.has_observed()) observed_.push_back(send->message.observed());
        }
      }
      acknowledge_all();
    }
  };
  run_at(hours(-24 * 365));
  run_at(hours(24 * 365));
  run_at({});
  EXPECT_EQ(report(7).state(), v1::RUNNING);
  exit_with(7, 0);
  run_for(milliseconds(1));
  collected(7);
  acknowledges_ = false;
  step();
  ASSERT_FALSE(observed_.empty());
  const v1::WorkloadReport& end = observed_.back().workloads(0);
  EXPECT_EQ(end.reason(), v1::COMPLETED);
  EXPECT_EQ(reconciler_->workloads().at(LeaseId(7)).record.metered, seconds(60) + milliseconds(1));
}

}  // namespace
}  // namespace fallow::agent
