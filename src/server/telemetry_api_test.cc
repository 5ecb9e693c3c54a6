// What nodes measure, as the API gives it out by the minute. That it comes live is shown with real
// agents: tests/system/telemetry_test.py.
#include <gtest/gtest.h>

#include "base/sqlite_db.h"
#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

class TelemetryApiTest : public testing::Test {
 protected:
  TelemetryApiTest()
      : people_(market_),
        node_(market_.add_node(people_.provider, "0.20")),
        lease_(market_
                   .post("/v1/orders", people_.renter,
                         R"({"requirements": {}, "workload": {"command": ["true"]}})")
                   .at("tasks.0.lease")) {}

  // As the server's own thread does it, but at once.
  void keep(std::int64_t at_us, const v1::TelemetryMinute& minute) {
    auto db = SqliteDb::open(market_.folder() + "/telemetry.db", SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(db) << db.error().message;
    auto insert = db->prepare("insert into minutes(node, at_us, minute) values(?,?,?)");
    ASSERT_TRUE(insert);
    const std::string bytes = minute.SerializeAsString();
    insert->bind(1, std::stoll(node_));
    insert->bind(2, at_us);
    insert->bind(3, bytes);
    ASSERT_TRUE(db->run(*insert));
  }
  // Device 0, which is the lease's, and another; the lease and another.
  v1::TelemetryMinute minute(std::uint32_t percent) const {
    v1::TelemetryMinute minute;
    minute.set_seconds(60);
    for (v1::TelemetrySample* sample : {minute.mutable_mean(), minute.mutable_max()}) {
      for (const std::uint32_t device : {0U, 1U}) {
        v1::DeviceSample& one = *sample->add_devices();
        one.set_device(device);
        one.set_percent(percent);
      }
      sample->add_workloads()->set_lease(std::stoull(lease_));
      sample->add_workloads()->set_lease(1);
      sample->mutable_host()->set_memory_mb(4'096);
    }
    return minute;
  }
  static std::size_t count(const Reply& reply, const char* of, std::size_t place = 0) {
    const auto minutes = boost::json::parse(reply.body).at("minutes").as_array();
    return minutes.at(place).at("max").at(of).as_array().size();
  }

  LoopbackMarket market_;
  People people_;
  std::string node_;
  std::string lease_;
};

TEST_F(TelemetryApiTest, ARenterSeesTheLeasesOwnAndAProviderAllOfTheNode) {
  const std::int64_t now = system_clock()->now().us;
  keep(now - minutes(60).value, minute(10));  // before the lease
  keep(now, minute(20));
  const std::string of_lease = "/v1/leases/" + lease_ + "/telemetry/minutes";
  const Reply seen = market_.get(of_lease, people_.renter);
  ASSERT_EQ(seen.status, 200) << seen.body;
  EXPECT_EQ(seen.at("minutes.0.max.devices.0.percent"), "20") << seen.body;
  EXPECT_EQ(seen.at("minutes.0.max.workloads.0.lease"), lease_);
  EXPECT_EQ(seen.at("minutes.0.max.host.memory_mb"), "4096") << "the machine that it runs on";
  EXPECT_EQ(seen.at("minutes.0.seconds"), "60");
  EXPECT_EQ(count(seen, "devices"), 1U);
  EXPECT_EQ(count(seen, "workloads"), 1U);
  EXPECT_EQ(seen.at("minutes.1"), "") << "what was before is another's";
  // What was not measured is not said to be 0.
  EXPECT_EQ(seen.body.find("celsius"), seen.body.npos) << seen.body;

  const Reply all = market_.get("/v1/nodes/" + node_ + "/telemetry/minutes", people_.provider);
  ASSERT_EQ(all.status, 200) << all.body;
  EXPECT_EQ(count(all, "devices"), 2U);
  EXPECT_EQ(count(all, "workloads", 1), 2U);
}

TEST_F(TelemetryApiTest, AProviderSeesWhatTheOwnerPolicyDid) {
  auto db = SqliteDb::open(market_.folder() + "/telemetry.db", SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(db) << db.error().message;
  for (const v1::OwnerAct act : {v1::OWNER_CAME, v1::LEASE_SUSPENDED, v1::LEASE_EVICTED}) {
    auto insert = db->prepare("insert into owner_notes(node, at_us, note) values(?,?,?)");
    ASSERT_TRUE(insert);
    v1::OwnerNote note;
    note.set_act(act);
    if (act == v1::OWNER_CAME) note.set_why("keyboard or mouse");
    if (act != v1::OWNER_CAME) note.set_lease(std::stoull(lease_));
    const std::string bytes = note.SerializeAsString();
    insert->bind(1, std::stoll(node_));
    insert->bind(2, system_clock()->now().us);
    insert->bind(3, bytes);
    ASSERT_TRUE(db->run(*insert));
  }
  const std::string path = "/v1/nodes/" + node_ + "/owner";
  const Reply first = market_.get(path + "?page_size=2", people_.provider);
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(first.at("notes.0.act"), "LEASE_EVICTED");
  EXPECT_EQ(first.at("notes.0.lease"), lease_);
  EXPECT_EQ(first.at("notes.1.act"), "LEASE_SUSPENDED");
  const Reply rest = market_.get(path + "?page_size=2&page_token=" + first.at("next_page_token"),
                                 people_.provider);
  EXPECT_EQ(rest.at("notes.0.act"), "OWNER_CAME");
  EXPECT_EQ(rest.at("notes.0.why"), "keyboard or mouse");
  EXPECT_EQ(rest.at("next_page_token"), "");
  EXPECT_EQ(market_.get(path, people_.renter).status, 403);
}

TEST_F(TelemetryApiTest, PagesGoOnWhereTheyEnded) {
  const std::int64_t now = system_clock()->now().us;
  for (int i = 3; i > 0; --i) keep(now - i * 1'000'000, minute(static_cast<std::uint32_t>(i)));
  const std::string path = "/v1/nodes/" + node_ + "/telemetry/minutes?page_size=2";
  const Reply first = market_.get(path, people_.provider);
  EXPECT_EQ(first.at("minutes.0.max.devices.0.percent"), "3");
  EXPECT_EQ(first.at("minutes.1.max.devices.0.percent"), "2");
  const std::string token = first.at("next_page_token");
  ASSERT_NE(token, "");
  const Reply second = market_.get(path + "&page_token=" + token, people_.provider);
  EXPECT_EQ(second.at("minutes.0.max.devices.0.percent"), "1");
  EXPECT_EQ(second.at("next_page_token"), "");
}

TEST_F(TelemetryApiTest, TheLastMinutesAreToldAloneWhenAskedFor) {
  const std::int64_t now = system_clock()->now().us;
  for (const std::uint32_t ago : {90U, 61U, 59U, 1U}) {
    keep(now - minutes(ago).value, minute(ago));
  }
  const std::string path = "/v1/nodes/" + node_ + "/telemetry/minutes?page_size=1&last_minutes=";
  const Reply first = market_.get(path + "60", people_.provider);
  EXPECT_EQ(first.at("minutes.0.max.devices.0.percent"), "59") << first.body;
  const std::string token = first.at("next_page_token");
  const Reply second = market_.get(path + "60&page_token=" + token, people_.provider);
  EXPECT_EQ(second.at("minutes.0.max.devices.0.percent"), "1") << second.body;
  const Reply most = market_.get(path + "4294967295", people_.provider);
  EXPECT_EQ(most.at("minutes.0.max.devices.0.percent"), "90") << most.body;
}

TEST_F(TelemetryApiTest, AStreamEndsWithItsLease) {
  const std::string path = "/v1/leases/" + lease_;
  market_.report(node_, lease_, v1::RUNNING, 1'000);
  market_.report(node_, lease_, v1::ENDED, 0);
  const auto events = market_.follow(path + "/telemetry", people_.renter, 10);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].event, "end");
}

}  // namespace
}  // namespace fallow::server
