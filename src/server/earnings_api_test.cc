// GET /v1/wallet/earnings and GET /v1/withdrawals: what came in by day and device, and what went
// out.
#include <gtest/gtest.h>

#include "server/day_sums.h"
#include "server/loopback_market_test.h"
#include "server/months.h"

namespace fallow::server {
namespace {

class EarningsApiTest : public testing::Test {
 protected:
  EarningsApiTest()
      : renter_(market_.add_account("alice", "RENTER")),
        provider_(market_.add_account("dora", "PROVIDER")) {
    market_.deposit(renter_, "10.00");
  }
  // So much proven time on the only node that is free.
  void run_lease(const std::string& node, std::int64_t running_us) {
    const Reply order = market_.post("/v1/orders", renter_,
                                     R"({"requirements": {}, "workload": {"command": ["true"]}})");
    ASSERT_EQ(order.status, 200) << order.body;
    const std::string lease = order.at("tasks.0.lease");
    market_.report(node, lease, v1::RUNNING, running_us);
    market_.report(node, lease, v1::ENDED, 0);
  }

  static ServerOptions options() {
    ServerOptions options;
    options.policy.set_holds_deposits(false);  // so that what came in can leave again
    return options;
  }

  LoopbackMarket market_{options()};
  std::string renter_, provider_;
};

TEST_F(EarningsApiTest, AreTheStatementsByDayAndDevice) {
  const std::string node = market_.add_node(provider_, "3.60");
  run_lease(node, 4'000'000);
  run_lease(node, 2'000'000);
  const std::string today = day_text(day_of(system_clock()->now()));
  const Reply told = market_.get("/v1/wallet/earnings", provider_);
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(told.at("earnings.0.earned"),
            market_.get("/v1/wallet/statement", provider_).at("earned"));
  EXPECT_NE(told.at("earnings.0.earned"), "0.00");
  EXPECT_EQ(told.at("earnings.0.node"), node);
  EXPECT_EQ(told.at("earnings.0.node_name"), "n");
  EXPECT_EQ(told.at("earnings.0.devices"), "[0]");
  EXPECT_EQ(told.at("earnings.0.leases"), "2");
  EXPECT_LE(told.at("earnings.0.day"), today) << "midnight may have passed";
  const Reply by_day = market_.get("/v1/wallet/earnings?by=EARNINGS_BY_DAY", provider_);
  EXPECT_EQ(by_day.at("earnings.0.earned"), told.at("earnings.0.earned"));
  EXPECT_EQ(by_day.at("earnings.0.devices"), "[]");
  const Reply by_device = market_.get("/v1/wallet/earnings?by=EARNINGS_BY_DEVICE", provider_);
  EXPECT_EQ(by_device.at("earnings.0.earned"), told.at("earnings.0.earned"));
  EXPECT_EQ(by_device.at("earnings.0.day"), "");
  EXPECT_EQ(market_.get("/v1/wallet/earnings", renter_).at("earnings"), "[]");
  EXPECT_EQ(market_.get("/v1/wallet/earnings?until=2020-01-01", provider_).at("earnings"), "[]");
  EXPECT_EQ(market_.get("/v1/wallet/earnings?node=1", provider_).at("earnings"), "[]");
  EXPECT_EQ(market_.get("/v1/wallet/earnings?since=soon", provider_).at("field"), "since");
  EXPECT_EQ(market_.get("/v1/wallet/earnings?page_token=YQ", provider_).status, 400);
}

TEST_F(EarningsApiTest, AWithdrawalIsListedWithWhatBecameOfIt) {
  const auto ask = [this](const char* amount) {
    const Reply asked =
        market_.post("/v1/withdrawals", renter_,
                     fmt::format(R"({{"amount": "{}", "destination": "iban"}})", amount));
    EXPECT_EQ(asked.status, 200) << asked.body;
  };
  ask("1.00");
  ask("2.00");
  ask("3.00");
  const std::string chief = market_.operator_key();
  const auto settle = [&](const std::string& amount, const char* body) {
    for (int i = 0;; ++i) {
      const std::string at = fmt::format("payouts.{}.", i);
      const Reply open = market_.get("/v1/payouts", chief);
      ASSERT_NE(open.at(at + "id"), "") << open.body;
      EXPECT_EQ(open.at(at + "state"), "PAYOUT_OPEN");
      if (open.at(at + "amount") != amount) continue;
      const Reply done = market_.post("/v1/payouts/" + open.at(at + "id") + "/settle", chief, body);
      EXPECT_EQ(done.status, 200) << done.body;
      return;
    }
  };
  settle("1.00", R"({"paid": true, "reference": "bank-7"})");
  settle("2.00", R"({"paid": false})");
  const Reply told = market_.get("/v1/withdrawals", renter_);
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(told.at("payouts.0.amount"), "3.00") << "the newest first";
  EXPECT_EQ(told.at("payouts.0.state"), "PAYOUT_OPEN");
  EXPECT_EQ(told.at("payouts.0.destination"), "iban");
  EXPECT_EQ(told.at("payouts.0.settled_at"), "");
  EXPECT_EQ(told.at("payouts.1.state"), "PAYOUT_RETURNED");
  EXPECT_EQ(told.at("payouts.2.state"), "PAYOUT_PAID");
  EXPECT_EQ(told.at("payouts.2.reference"), "bank-7");
  EXPECT_NE(told.at("payouts.2.settled_at"), "");
  const Reply first = market_.get("/v1/withdrawals?page_size=1", renter_);
  const Reply second =
      market_.get("/v1/withdrawals?page_size=5&page_token=" + first.at("next_page_token"), renter_);
  EXPECT_EQ(second.at("payouts.0.amount"), "2.00");
  EXPECT_EQ(second.at("next_page_token"), "");
  EXPECT_EQ(market_.get("/v1/withdrawals", provider_).at("payouts"), "[]");
}

}  // namespace
}  // namespace fallow::server
