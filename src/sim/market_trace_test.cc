#include "sim/market_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/market_inputs_test.h"

namespace fallow::sim {
namespace {

using testing::HasSubstr;

Result<JobTrace> jobs(const std::string& rows) {
  return parse_jobs(csv_of(kJobsHead + rows, "jobs.csv"));
}

TEST(MarketTrace, JobsAreSortedAndCountedFromTheFirstMidnight) {
  const auto trace = jobs(
      "2016-03-01 00:00:01,60.25,4,1,b\n2016-02-28 23:59:59,10,1,1,a\n"
      "2016-02-29 12:00:00,0,1,1,a\n2016-02-29 12:00:00,5,0,1,a\n");
  ASSERT_TRUE(trace) << trace.error().message;
  ASSERT_EQ(trace->jobs.size(), 2U);  // those without a duration or GPUs are left out
  EXPECT_EQ(trace->jobs[0].arrival, Time{} + hours(24) - seconds(1));
  EXPECT_EQ(trace->jobs[1].arrival, Time{} + hours(48) + seconds(1));  // 2016 is a leap year
  EXPECT_EQ(trace->jobs[1].running, milliseconds(60'250));
  EXPECT_EQ(trace->jobs[1].gpus, 4U);
  EXPECT_EQ(trace->jobs[1].cluster, 0U);
  EXPECT_EQ(trace->clusters, 2U);
  EXPECT_EQ(trace->days, 3U);
}

TEST(MarketTrace, BadJobsAreRefusedWithTheirLine) {
  for (const char* bad :
       {"2017-13-01 00:00:00,1,1,1,a\n", "2017-1-01 00:00:00,1,1,1,a\n", "yesterday,1,1,1,a\n",
        "2017-01-01 24:00:00,1,1,1,a\n", "2017-01-01 00:00:00,-1,1,1,a\n",
        "2017-01-01 00:00:00,1,1.5,1,a\n", "2017-01-01 00:00:00,1,9999,1,a\n"}) {
    const auto trace = jobs(bad);
    ASSERT_FALSE(trace) << bad;
    EXPECT_THAT(trace.error().message, HasSubstr("jobs.csv, line 2"));
  }
  EXPECT_THAT(jobs("").error().message, HasSubstr("no job"));
  EXPECT_FALSE(parse_jobs(csv_of("timestamp,duration\n", "jobs.csv")));
}

TEST(MarketTrace, PricesAreThoseOfWhatIsAvailable) {
  const auto book = parse_price_book(csv_of(some_book(), "book.csv"));
  ASSERT_TRUE(book) << book.error().message;
  ASSERT_EQ(book->size(), 4U);  // the GTX 1050 has no device
  const BookRow& homes_3060 = (*book)[0];
  EXPECT_EQ(homes_3060.model, "RTX 3060");
  EXPECT_FALSE(homes_3060.verified);
  EXPECT_EQ(homes_3060.count, 60U);
  EXPECT_EQ(homes_3060.median, Micros(40'000));
  EXPECT_EQ(homes_3060.memory_mb, 12U * 1'024);
  const BookRow& verified_3060 = (*book)[1];
  EXPECT_EQ(verified_3060.p10, Micros(60'000));  // without its own it is the median
  EXPECT_EQ(verified_3060.p90, Micros(60'000));
  EXPECT_EQ((*book)[2].median, Micros(300'000));  // nothing available: what all are at
  EXPECT_EQ((*book)[3].median, Micros(350'000));
  EXPECT_EQ((*book)[3].count, 100U);
  EXPECT_FALSE(parse_price_book(csv_of(kBookHead, "book.csv")));
}

TEST(MarketTrace, FitsAreFoundByTheirName) {
  const CsvTable table = csv_of(some_churn(), "churn.csv");
  const auto fit = parse_churn(table, "Halls");
  ASSERT_TRUE(fit) << fit.error().message;
  EXPECT_DOUBLE_EQ(fit->up_shape, 0.8);
  EXPECT_DOUBLE_EQ(fit->down_scale, 2);
  const auto none = parse_churn(table, "Moon");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(none.error().message, HasSubstr("it has Homes, Halls"));
}

TEST(MarketTrace, WeibullsAreWhatTheyShouldBe) {
  // Of shape 1 it is the exponential one; the median is scale * ln 2 ^ (1 / shape).
  EXPECT_NEAR(weibull_mean(1, 10), 10, 0.02);
  EXPECT_NEAR(weibull_mean(0.5, 10), 20, 0.2);
  EXPECT_NEAR(weibull_value(1, 10, 0.5), 6.931472, 1e-6);
  EXPECT_NEAR(weibull_value(0.5, 10, 0.5), 4.804530, 1e-6);
}

}  // namespace
}  // namespace fallow::sim
