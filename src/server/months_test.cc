#include "server/months.h"

#include <gtest/gtest.h>

#include "core/calendar.h"

namespace fallow::server {
namespace {

TEST(Months, AreWrittenAndReadAsPeopleDo) {
  EXPECT_EQ(month_text(0), "1970-01");
  EXPECT_EQ(month_of_text("1970-01"), 0);
  EXPECT_EQ(month_of_text("2026-11"), (2'026 - 1'970) * 12 + 10);
  for (std::int32_t month = 0; month < 12 * 130; ++month) {
    EXPECT_EQ(month_of_text(month_text(month)), month);
  }
  EXPECT_EQ(month_text(*month_of_text("9999-12")), "9999-12");
}

TEST(Months, OtherTextsAreNone) {
  for (const char* text : {"", "2026", "2026-1", "2026-00", "2026-13", "1969-12", "2026-11-01",
                           "2026/11", "-026-11", "2026--1", "2026-1 ", "+026-11", "２０２６"}) {
    EXPECT_EQ(month_of_text(text), std::nullopt) << text;
  }
}

TEST(Days, AreWrittenAndReadAsPeopleDo) {
  EXPECT_EQ(day_text(0), "1970-01-01");
  EXPECT_EQ(day_of_text("2000-02-29"), 11'016);
  for (std::int32_t day = 0; day < 366 * 130; day += 7) EXPECT_EQ(day_of_text(day_text(day)), day);
  for (const char* text : {"", "2026-11", "2026-11-00", "2026-11-31", "2025-02-29", "2026-11-1",
                           "2026-11-011", "2026/11/01", "1969-12-31", "2026-11- 1"}) {
    EXPECT_EQ(day_of_text(text), std::nullopt) << text;
  }
}

TEST(Months, BeginAndEndWithTheCalendars) {
  // 2026-11-01T00:00:00Z and the microsecond before.
  constexpr Time kFirstMoment{1'793'491'200'000'000};
  EXPECT_EQ(month_text(core::month_of(kFirstMoment)), "2026-11");
  EXPECT_EQ(month_text(core::month_of(kFirstMoment - Duration(1))), "2026-10");
}

}  // namespace
}  // namespace fallow::server
