#include "agent/owner_schedule.h"

#include <gtest/gtest.h>

namespace fallow::agent {
namespace {

absl::TimeZone berlin() { return zone_named("Europe/Berlin").value(); }

Time berlin_at(int year, int month, int day, int hour, int minute) {
  const absl::CivilMinute wall(year, month, day, hour, minute);
  return Time{absl::ToUnixMicros(absl::FromCivil(wall, berlin()))};
}

bool lent(const std::vector<std::string>& windows, Time at) {
  return OwnerSchedule::parse(windows).value().is_lent(at, berlin());
}

// 2026-11-20 is a Friday.
TEST(OwnerSchedule, ANightBelongsToTheDayOnWhichItBegins) {
  const std::vector<std::string> nights{"mon-fri 19:00-07:00"};
  EXPECT_FALSE(lent(nights, berlin_at(2026, 11, 20, 18, 59)));
  EXPECT_TRUE(lent(nights, berlin_at(2026, 11, 20, 19, 0)));
  EXPECT_TRUE(lent(nights, berlin_at(2026, 11, 21, 6, 59))) << "Friday's night ends on Saturday";
  EXPECT_FALSE(lent(nights, berlin_at(2026, 11, 21, 7, 0)));
  EXPECT_FALSE(lent(nights, berlin_at(2026, 11, 21, 20, 0)));
  EXPECT_FALSE(lent(nights, berlin_at(2026, 11, 23, 3, 0))) << "no night begins on a Sunday";
  EXPECT_TRUE(lent(nights, berlin_at(2026, 11, 24, 3, 0)));
}

TEST(OwnerSchedule, DaysAndWholeDays) {
  EXPECT_TRUE(lent({}, berlin_at(2026, 11, 20, 12, 0)));
  EXPECT_TRUE(lent({"fri-mon 00:00-24:00"}, berlin_at(2026, 11, 23, 23, 59)));
  EXPECT_FALSE(lent({"fri-mon 00:00-24:00"}, berlin_at(2026, 11, 24, 0, 0)));
  EXPECT_TRUE(lent({"mon,wed 08:00-09:00", "daily 12:00-12:30"}, berlin_at(2026, 11, 20, 12, 29)));
  EXPECT_FALSE(lent({"mon,wed 08:00-09:00", "daily 12:00-12:30"}, berlin_at(2026, 11, 20, 12, 30)));
  EXPECT_TRUE(lent({"daily 07:00-07:00"}, berlin_at(2026, 11, 20, 6, 59))) << "a whole day";
}

// On 2026-03-29 the clock goes from 02:00 to 03:00, on 2026-10-25 from 03:00 back to 02:00.
TEST(OwnerSchedule, TheClockOnTheWallCountsWhenItIsSet) {
  const std::vector<std::string> nights{"daily 22:00-03:00"};
  const Time spring = berlin_at(2026, 3, 29, 1, 59);
  EXPECT_TRUE(lent(nights, spring));
  EXPECT_FALSE(lent(nights, spring + minutes(1))) << "it is 03:00 then";
  const Time autumn = berlin_at(2026, 10, 25, 1, 59);
  EXPECT_TRUE(lent(nights, autumn + minutes(61))) << "02:59, for the second time to come";
  EXPECT_TRUE(lent(nights, autumn + minutes(120)));
  EXPECT_FALSE(lent(nights, autumn + minutes(121)));
}

TEST(OwnerSchedule, WhatIsNoWindowIsRefused) {
  for (const char* text : {"", "mon", "mon 7:00-9:00", "mon 07:00", "mon 07:00-25:00",
                           "mon 24:00-07:00", "mon 07:60-08:00", "day 07:00-08:00",
                           "mon- 07:00-08:00", "mon  07:00-08:00", "mon 07:00-08:00 "}) {
    const auto answer = OwnerSchedule::parse({text});
    ASSERT_FALSE(answer) << text;
    EXPECT_NE(answer.error().message.find("mon-fri 19:00-07:00"), std::string::npos);
  }
  EXPECT_FALSE(zone_named("Europe/Berlim"));
}

}  // namespace
}  // namespace fallow::agent
