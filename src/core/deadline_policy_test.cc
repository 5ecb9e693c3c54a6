#include "core/deadline_policy.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/env.h"
#include "base/sanitizers.h"

namespace fallow::core {
namespace {

constexpr Duration kRestart = minutes(12);
constexpr Duration kStep = minutes(5);

DeadlineState plenty() {
  DeadlineState state;
  state.time_left = hours(96);
  state.work_left = hours(48);
  state.restart = kRestart;
  state.step = kStep;
  state.spot_hour = Micros(970'100);
  state.on_demand_hour = Micros(3'060'000);
  return state;
}

// Spot that comes and goes: `up` there, `down` away, again and again.
SpotHistory regular(Duration up, Duration down) {
  SpotHistory history;
  Time now{1};
  for (int i = 0; i < 50; ++i) {
    history.note(true, now);
    now = now + up;
    history.note(false, now);
    now = now + down;
  }
  return history;
}

TEST(DeadlinePolicy, WithTimeToSpareItTakesSpotOrWaits) {
  DeadlineState state = plenty();
  const SpotHistory history = regular(hours(3), hours(1));
  EXPECT_EQ(choose_run(state, history), RunMode::kWaiting);
  state.spot_available = true;
  EXPECT_EQ(choose_run(state, history), RunMode::kSpot);
}

TEST(DeadlinePolicy, WithoutTimeToWaitItTakesOnDemand) {
  DeadlineState state = plenty();
  const SpotHistory history = regular(hours(3), hours(1));
  state.time_left = state.work_left + kRestart + kStep - Duration(1);
  EXPECT_EQ(choose_run(state, history), RunMode::kOnDemand);
  // Nor is there time to try spot: its start and then on_demand's.
  state.spot_available = true;
  EXPECT_EQ(choose_run(state, history), RunMode::kOnDemand);
  state.time_left = state.work_left + kRestart + kRestart;
  EXPECT_EQ(choose_run(state, history), RunMode::kSpot);
  // Late as it is, on_demand is the soonest.
  state.time_left = Duration();
  EXPECT_EQ(choose_run(state, history), RunMode::kOnDemand);
  state.time_left = -hours(5);
  EXPECT_EQ(choose_run(state, history), RunMode::kOnDemand);
}

TEST(DeadlinePolicy, SpotThatWorksIsKept) {
  DeadlineState state = plenty();
  state.mode = RunMode::kSpot;
  state.spot_available = true;
  const SpotHistory history = regular(minutes(10), hours(10));
  for (const Duration slack : {hours(48), kRestart, Duration(), -hours(1)}) {
    state.time_left = state.work_left + slack;
    EXPECT_EQ(choose_run(state, history), RunMode::kSpot) << slack.value;
  }
}

TEST(DeadlinePolicy, SpotThatStartsIsLeftWhileOnDemandIsInTime) {
  DeadlineState state = plenty();
  state.mode = RunMode::kSpot;
  state.spot_available = true;
  state.restart_left = minutes(6);
  const SpotHistory history;
  state.time_left = state.work_left + kRestart + minutes(6);
  EXPECT_EQ(choose_run(state, history), RunMode::kSpot);
  state.time_left = state.work_left + kRestart + minutes(5);
  EXPECT_EQ(choose_run(state, history), RunMode::kOnDemand);
  // Both would be late: what has begun is done sooner.
  state.time_left = state.work_left + minutes(11);
  EXPECT_EQ(choose_run(state, history), RunMode::kSpot);
}

TEST(DeadlinePolicy, LostSpotCannotBeChosen) {
  DeadlineState state = plenty();
  state.mode = RunMode::kSpot;
  state.spot_available = false;
  EXPECT_NE(choose_run(state, regular(hours(3), hours(1))), RunMode::kSpot);
}

TEST(DeadlinePolicy, OnDemandIsKeptUntilSpotComes) {
  DeadlineState state = plenty();
  state.mode = RunMode::kOnDemand;
  EXPECT_EQ(choose_run(state, regular(hours(3), hours(1))), RunMode::kOnDemand);
}

TEST(DeadlinePolicy, OnDemandIsLeftForSpotThatLasts) {
  DeadlineState state = plenty();
  state.mode = RunMode::kOnDemand;
  state.spot_available = true;
  EXPECT_EQ(choose_run(state, regular(hours(6), hours(1))), RunMode::kSpot);
  // Spot that is gone before it has started is worth nothing, until it has proven to last.
  const SpotHistory flickering = regular(minutes(1), minutes(30));
  EXPECT_EQ(choose_run(state, flickering), RunMode::kOnDemand);
  state.spot_age = hours(4);
  EXPECT_EQ(choose_run(state, flickering), RunMode::kSpot);
}

TEST(DeadlinePolicy, LongAbsenceEndsTheWait) {
  DeadlineState state = plenty();
  state.time_left = state.work_left + hours(2);
  // Gaps are short, or they last for days.
  SpotHistory history;
  Time now{1};
  for (int i = 0; i < 40; ++i) {
    history.note(true, now);
    history.note(false, now = now + hours(2));
    now = now + (i % 8 == 7 ? hours(60) : minutes(10));
  }
  EXPECT_EQ(choose_run(state, history), RunMode::kWaiting);
  state.spot_age = hours(9);
  EXPECT_EQ(choose_run(state, history), RunMode::kOnDemand);
}

TEST(DeadlinePolicy, DearSpotIsNotTaken) {
  DeadlineState state = plenty();
  state.spot_available = true;
  state.spot_hour = state.on_demand_hour;
  EXPECT_EQ(choose_run(state, regular(hours(3), hours(1))), RunMode::kOnDemand);
  // Running spot is left when on_demand is cheaper by more than its start.
  state.mode = RunMode::kSpot;
  EXPECT_EQ(choose_run(state, regular(hours(3), hours(1))), RunMode::kSpot);
  state.spot_hour = Micros(state.on_demand_hour.value + 100'000);
  EXPECT_EQ(choose_run(state, regular(hours(3), hours(1))), RunMode::kOnDemand);
}

TEST(DeadlinePolicy, ExtremesOverflowNothing) {
  DeadlineState state = plenty();
  state.restart = hours(24 * 366);
  state.work_left = hours(24 * 366);
  state.time_left = hours(24 * 366 * 10);
  state.on_demand_hour = Micros(1'000'000'000'000);
  for (const bool there : {false, true}) {
    for (const RunMode mode : {RunMode::kWaiting, RunMode::kOnDemand}) {
      for (const Micros spot : {Micros(0), Micros(999'999'999'999)}) {
        state.spot_available = there;
        state.mode = mode;
        state.spot_hour = spot;
        const RunMode chosen = choose_run(state, regular(hours(24 * 30), hours(24 * 30)));
        EXPECT_TRUE(there || chosen != RunMode::kSpot);
      }
    }
  }
  state.on_demand_hour = Micros(1);
  state.spot_hour = Micros(0);
  state.spot_available = false;
  state.mode = RunMode::kWaiting;
  EXPECT_EQ(choose_run(state, SpotHistory()), RunMode::kWaiting);
}

TEST(DeadlinePolicy, WaitsForRoomThatIsExpectedInTime) {
  DeadlineState state = plenty();
  state.time_left = state.work_left + kRestart + kStep + hours(2);
  SpotHistory away;  // for hours: by the odds it does not come
  away.note(false, Time{1});
  state.spot_age = hours(40);
  away.note(false, Time{1} + state.spot_age);
  ASSERT_EQ(choose_run(state, away), RunMode::kOnDemand);
  state.outlook = SpotOutlook::kComes;
  state.outlook_from = hours(2);
  EXPECT_EQ(choose_run(state, away), RunMode::kWaiting);
  state.outlook_from = hours(2) + Duration(1);
  EXPECT_EQ(choose_run(state, away), RunMode::kOnDemand) << "the hour comes too late";
}

TEST(DeadlinePolicy, DoesNotWaitForTheEndOfAnHourWithoutRoomThatIsTooLate) {
  DeadlineState state = plenty();
  state.time_left = state.work_left + kRestart + kStep + hours(2);
  const SpotHistory history = regular(hours(24), minutes(10));
  ASSERT_EQ(choose_run(state, history), RunMode::kWaiting);
  state.outlook = SpotOutlook::kStaysAway;
  state.outlook_from = hours(1);
  EXPECT_EQ(choose_run(state, history), RunMode::kWaiting) << "there is time behind it";
  state.outlook_from = hours(1) + Duration(1);
  EXPECT_EQ(choose_run(state, history), RunMode::kOnDemand);
  state.spot_available = true;
  EXPECT_EQ(choose_run(state, history), RunMode::kSpot) << "what is there is there";
}

// Whatever is expected: who waits can still be in time when he is asked again.
TEST(DeadlinePolicy, NoOutlookMakesItLate) {
  const auto random = seeded_random(12);
  const auto drawn = [&](std::int64_t span) {
    return minutes(static_cast<std::int64_t>(random->below(static_cast<std::uint64_t>(span))));
  };
  int waited = 0;
  for (int i = 0; i < 3'000; ++i) {
    DeadlineState state = plenty();
    state.time_left = state.work_left + drawn(300);
    state.spot_age = drawn(300);
    state.outlook = static_cast<SpotOutlook>(random->below(3));
    state.outlook_from = drawn(120);
    if (choose_run(state, SpotHistory()) != RunMode::kWaiting) continue;
    ++waited;
    ASSERT_GE(state.time_left - state.work_left, kRestart + kStep);
  }
  EXPECT_GT(waited, 300);
}

// Whatever spot does, and however it is asked, the deadline holds.
TEST(DeadlinePolicy, IsNeverLate) {
  const auto random = seeded_random(11);
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low +
           static_cast<std::int64_t>(random->below(static_cast<std::uint64_t>(high - low + 1)));
  };
  unsigned spot_used = 0;
  for (unsigned job = 0; job < 3'000 / kShorter; ++job) {
    DeadlineState state = plenty();
    state.restart = minutes(between(0, 40));
    state.step = minutes(between(1, 30));
    state.work_left = minutes(between(1, 600));
    state.time_left = state.work_left + state.restart + minutes(between(0, 400));
    state.spot_hour = Micros(between(0, 3'100'000));
    const std::int64_t flip = between(1, 60);  // minutes between changes, about
    SpotHistory history;
    Time now{1};
    while (state.work_left.value > 0) {
      if (between(1, flip) == 1) {
        state.spot_available = !state.spot_available;
        if (!state.spot_available && state.mode == RunMode::kSpot) state.mode = RunMode::kWaiting;
      }
      history.note(state.spot_available, now);
      state.spot_age = history.age(now);
      const RunMode chosen = choose_run(state, history);
      ASSERT_TRUE(chosen != RunMode::kSpot || state.spot_available);
      if (chosen != state.mode) state.restart_left = state.restart;
      state.mode = chosen;
      // It may be asked again before the step is over.
      Duration time = Duration(between(1, state.step.value));
      if (chosen != RunMode::kWaiting) {
        time = std::min(time, state.restart_left + state.work_left);
        const Duration restarting = std::min(time, state.restart_left);
        state.restart_left -= restarting;
        state.work_left -= time - restarting;
        if (chosen == RunMode::kSpot) ++spot_used;
      }
      state.time_left -= time;
      now = now + time;
    }
    ASSERT_GE(state.time_left.value, 0) << "job " << job;
  }
  EXPECT_GT(spot_used, 10'000 / kShorter);
}

}  // namespace
}  // namespace fallow::core
