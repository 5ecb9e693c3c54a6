#include "server/policy_trials.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/policy.h"

namespace fallow::server {
namespace {

v1::Policy with_fee(std::uint32_t basis_points) {
  v1::Policy policy = core::default_policy();
  policy.set_fee_basis_points(basis_points);
  return policy;
}

v1::PolicyTrialView ended_of(const PolicyTrials& trials) {
  for (int tries = 0; tries < 1'000; ++tries) {
    if (trials.latest().state() != v1::TRIAL_RUNNING) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return trials.latest();
}

TEST(PolicyTrials, OneAtATimeAndTheLatestIsKept) {
  const auto clock = system_clock();
  std::atomic<bool> let_go = false;
  PolicyTrials trials(
      [&](const v1::Policy& policy, const std::function<bool()>& go_on) {
        while (!let_go && go_on()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        v1::PolicyTrialView view;
        *view.mutable_policy() = policy;
        view.mutable_tried()->set_orders(7);
        return Result<v1::PolicyTrialView>(view);
      },
      *clock);
  EXPECT_EQ(trials.latest().state(), v1::TRIAL_STATE_UNSPECIFIED);
  const auto begun = trials.start(with_fee(100));
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->state(), v1::TRIAL_RUNNING);
  EXPECT_TRUE(trials.start(with_fee(100))) << "the same again is the same";
  const auto other = trials.start(with_fee(200));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().status(), 409U);
  EXPECT_EQ(other.error().code(), "trial_running");
  let_go = true;
  const v1::PolicyTrialView done = ended_of(trials);
  EXPECT_EQ(done.state(), v1::TRIAL_DONE);
  EXPECT_EQ(done.tried().orders(), 7U);
  EXPECT_EQ(done.started_at().seconds(), begun->started_at().seconds());
  EXPECT_TRUE(done.has_ended_at());
  EXPECT_TRUE(trials.start(with_fee(200))) << "now there is room";
  EXPECT_EQ(ended_of(trials).policy().fee_basis_points(), 200U);
}

TEST(PolicyTrials, AFailureSaysWhy) {
  const auto clock = system_clock();
  PolicyTrials trials(
      [](const v1::Policy&, const std::function<bool()>&) -> Result<v1::PolicyTrialView> {
        return fail(ErrorCode::kTimedOut, "it took too long");
      },
      *clock);
  ASSERT_TRUE(trials.start(with_fee(100)));
  const v1::PolicyTrialView failed = ended_of(trials);
  EXPECT_EQ(failed.state(), v1::TRIAL_FAILED);
  EXPECT_EQ(failed.detail(), "it took too long");
  EXPECT_EQ(failed.policy().fee_basis_points(), 100U);
}

TEST(PolicyTrials, AStopBreaksItOff) {
  const auto clock = system_clock();
  std::atomic<bool> ended = false;
  PolicyTrials trials(
      [&](const v1::Policy&, const std::function<bool()>& go_on) -> Result<v1::PolicyTrialView> {
        while (go_on()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ended = true;
        return fail(ErrorCode::kTimedOut, "it was broken off");
      },
      *clock);
  ASSERT_TRUE(trials.start(with_fee(100)));
  trials.stop();
  EXPECT_TRUE(ended);
  const auto late = trials.start(with_fee(200));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().status(), 503U);
}

TEST(PolicyTrials, WhereThereAreNoneItSaysWhatToDo) {
  const auto clock = system_clock();
  PolicyTrials trials({}, *clock);
  const auto refused = trials.start(with_fee(100));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail().find("--dry-run"), std::string::npos);
}

}  // namespace
}  // namespace fallow::server
