// GET /v1/forecast, with history that a market would have after some days.
#include <gtest/gtest.h>

#include "base/sqlite_db.h"
#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

// Four days of a class: two devices, one of them leased by night.
void remember(const std::string& path, const std::string& region) {
  auto db = SqliteDb::open(path, SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(db.has_value()) << db.error().message;
  auto insert = db->prepare(
      "insert into hours values(x'7274785f34303930',?,?,3600000,7200000000,?,0,400000)");
  ASSERT_TRUE(insert.has_value()) << insert.error().message;
  const std::int64_t now_hour = system_clock()->now().us / kHour.value;
  for (std::int64_t hour = now_hour - 96; hour < now_hour; ++hour) {
    insert->bind(1, region);
    insert->bind(2, hour);
    insert->bind(3, hour % 24 < 8 ? std::int64_t{3'600'000'000} : std::int64_t{0});
    ASSERT_TRUE(db->run(*insert).has_value());
  }
}

TEST(ForecastApi, ListsTheHoursToComeOfEachClassInPages) {
  LoopbackMarket market;
  const std::string renter = market.add_account("alice", "RENTER");
  market.stop();
  remember(market.folder() + "/history.db", "eu");
  remember(market.folder() + "/history.db", "us");
  market.restart();
  const Reply all = market.get("/v1/forecast?hours=2", renter);
  ASSERT_EQ(all.status, 200) << all.body;
  EXPECT_EQ(all.at("hours.0.region"), "eu");
  EXPECT_EQ(all.at("hours.2.region"), "us");
  EXPECT_EQ(all.at("hours.4.region"), "");
  EXPECT_EQ(all.at("hours.0.days_known"), "4");
  EXPECT_EQ(all.at("hours.0.devices_offered.p50"), "2") << all.body;
  EXPECT_LT(all.at("hours.0.at"), all.at("hours.1.at"));
  EXPECT_EQ(market.get("/v1/forecast", renter).at("hours.47.region"), "us") << "a day of each";

  // The same in pages of three, over the end of a class.
  const Reply first = market.get("/v1/forecast?hours=2&page_size=3", renter);
  EXPECT_EQ(first.at("hours.2.region"), "us");
  EXPECT_EQ(first.at("hours.3.region"), "");
  const Reply next = market.get(
      "/v1/forecast?hours=2&page_size=3&page_token=" + first.at("next_page_token"), renter);
  EXPECT_EQ(next.at("hours.0.at"), all.at("hours.3.at")) << next.body;
  EXPECT_EQ(next.at("hours.1.region"), "");
  EXPECT_EQ(next.at("next_page_token"), "");

  const Reply one = market.get("/v1/forecast?model=RTX%204090&region=us&hours=1", renter);
  EXPECT_EQ(one.at("hours.0.region"), "us");
  EXPECT_EQ(one.at("hours.1.region"), "");
  EXPECT_EQ(market.get("/v1/forecast?model=H100", renter).at("hours.0.model"), "");
}

TEST(ForecastApi, SaysWhatIsWrong) {
  LoopbackMarket market;
  const std::string renter = market.add_account("alice", "RENTER");
  EXPECT_EQ(market.get("/v1/forecast", renter).at("hours.0.model"), "") << "nothing is known yet";
  EXPECT_EQ(market.get("/v1/forecast?hours=169", renter).at("field"), "hours");
  EXPECT_EQ(market.get("/v1/forecast?page_size=1001", renter).at("field"), "page_size");
  for (const char* token : {"bm8", "Zm9yZWNhc3Q6", "Zm9yZWNhc3Q6MTo5OmE"}) {
    EXPECT_EQ(market.get(std::string("/v1/forecast?page_token=") + token, renter).at("field"),
              "page_token")
        << token;
  }
}

}  // namespace
}  // namespace fallow::server
