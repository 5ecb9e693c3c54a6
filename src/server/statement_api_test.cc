// GET /v1/wallet/statement and its table, beside the wallet and the ledger that they are of.
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/file.h"
#include "base/money.h"
#include "core/calendar.h"
#include "fallow/v1/receipt.pb.h"
#include "server/loopback_market_test.h"
#include "server/months.h"

namespace fallow::server {
namespace {

std::int64_t micros_at(const Reply& reply, const std::string& path) {
  const auto money = parse_money(reply.at(path));
  EXPECT_TRUE(money) << path << " of " << reply.body;
  return money ? money->value : 0;
}

// So many jobs of an hour's proven time each, ended.
void run_leases(LoopbackMarket& market, const std::string& renter, const std::string& node,
                int count) {
  for (int i = 0; i < count; ++i) {
    const Reply order =
        market.post("/v1/orders", renter,
                    fmt::format(R"({{"requirements": {{}}, "name": "job {}", "project": "",
                         "workload": {{"command": ["true"]}}}})",
                                i));
    ASSERT_EQ(order.status, 200) << order.body;
    const std::string lease = order.at("tasks.0.lease");
    market.report(node, lease, v1::RUNNING, 4'000'000);
    market.report(node, lease, v1::ENDED, 0);
  }
}

// Its provider's statement, its renter's and its own view say the same of it.
TEST(StatementApi, ACreditIsARefundByTheProvider) {
  LoopbackMarket market;
  const std::string renter = market.add_account("alice", "RENTER");
  const std::string provider = market.add_account("dora", "PROVIDER");
  market.deposit(renter, "10.00");
  const std::string node = market.add_node(provider, "3.60");
  const Reply order =
      market.post("/v1/orders", renter,
                  R"({"requirements": {}, "workload": {"command": ["true"]}, "name": "hot"})");
  ASSERT_EQ(order.status, 200) << order.body;
  const std::string lease = order.at("tasks.0.lease");
  market.report(node, lease, v1::RUNNING, 4'000'000, "", 1'000'000);
  const Reply running = market.get("/v1/leases/" + lease, renter);
  EXPECT_EQ(running.at("slowed"), "1s");
  EXPECT_EQ(running.at("credited"), "0.00") << "at its end";
  market.report(node, lease, v1::ENDED, 0);
  const Reply ended = market.get("/v1/leases/" + lease, provider);
  EXPECT_EQ(ended.at("charged"), "0.004");
  EXPECT_EQ(ended.at("refunded"), "0.001");
  EXPECT_EQ(ended.at("credited"), "0.001");
  EXPECT_EQ(market.get("/v1/wallet", provider).at("pending"), "0.0028");

  const Reply bill = market.get("/v1/wallet/statement", renter);
  EXPECT_EQ(bill.at("spent"), "0.003") << bill.body;
  EXPECT_EQ(bill.at("lines.0.refunded"), "0.001");
  const Reply earned = market.get("/v1/wallet/statement", provider);
  EXPECT_EQ(earned.at("earned"), "0.0028") << earned.body;

  const Reply told = market.get("/v1/leases/" + lease + "/receipt", renter);
  v1::Receipt receipt;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(told.body, &receipt).ok()) << told.body;
  v1::ReceiptBody body;
  ASSERT_TRUE(body.ParseFromString(receipt.body()));
  EXPECT_EQ(body.slowed_us(), 1'000'000);
  EXPECT_EQ(body.credited_micros(), 1'000);
  EXPECT_EQ(body.credit_basis_points_max(), 5'000U);
}

TEST(StatementApi, IsTheLedgersMonth) {
  LoopbackMarket market;
  const std::string renter = market.add_account("alice", "RENTER");
  const std::string provider = market.add_account("dora", "PROVIDER");
  market.deposit(renter, "10.00");
  const std::string node = market.add_node(provider, "0.90");
  run_leases(market, renter, node, 3);

  const Reply bill = market.get("/v1/wallet/statement", renter);
  ASSERT_EQ(bill.status, 200) << bill.body;
  EXPECT_EQ(bill.at("month"), month_text(core::month_of(system_clock()->now())));
  EXPECT_EQ(bill.at("currency"), "TEST");
  EXPECT_EQ(bill.at("complete"), "false");
  EXPECT_EQ(bill.at("opening.total"), "0.00");
  EXPECT_EQ(bill.at("deposited"), "10.00");
  EXPECT_GT(micros_at(bill, "spent"), 0);
  const Reply wallet = market.get("/v1/wallet", renter);
  EXPECT_EQ(bill.at("closing.available"), wallet.at("available"));
  EXPECT_EQ(bill.at("closing.held"), wallet.at("held"));
  EXPECT_EQ(micros_at(bill, "closing.total"), 10'000'000 - micros_at(bill, "spent"));
  EXPECT_EQ(bill.at("tiers.0.tier"), "ON_DEMAND") << bill.body;
  EXPECT_EQ(bill.at("lines.2.name"), "job 2");
  EXPECT_EQ(bill.at("lines.3.lease"), "");
  // Its line points at the receipt, which comes to the same.
  const Reply receipt = market.get(bill.at("lines.0.receipt"), renter);
  EXPECT_EQ(receipt.status, 200) << receipt.body;
  EXPECT_EQ(market.get("/v1/leases/" + bill.at("lines.0.lease"), renter).at("charged"),
            bill.at("lines.0.charged"));

  const Reply earned = market.get("/v1/wallet/statement", provider);
  EXPECT_EQ(micros_at(earned, "earned"), micros_at(bill, "spent") - micros_at(bill, "fee"));
  EXPECT_EQ(earned.at("closing.pending"), market.get("/v1/wallet", provider).at("pending"));
  EXPECT_EQ(earned.at("lines.0.as_provider"), "true");
  EXPECT_EQ(earned.at("lines.0.name"), "") << "what a renter calls its work is its own";

  // The same in pages; an operator's question about another account.
  const std::string of_renter = "/v1/wallet/statement?account=" + market.account_of(renter);
  const Reply first = market.get(of_renter + "&page_size=2", market.operator_key());
  EXPECT_EQ(first.at("lines.1.lease"), bill.at("lines.1.lease"));
  EXPECT_EQ(first.at("lines.2.lease"), "");
  const Reply second = market.get(
      of_renter + "&page_size=2&page_token=" + first.at("next_page_token"), market.operator_key());
  EXPECT_EQ(second.at("lines.0.lease"), bill.at("lines.2.lease")) << second.body;
  EXPECT_EQ(second.at("closing.total"), bill.at("closing.total"));
  EXPECT_EQ(second.at("next_page_token"), "");
}

TEST(StatementApi, ItsTableHasEveryLine) {
  LoopbackMarket market;
  const std::string renter = market.add_account("alice", "RENTER");
  const std::string provider = market.add_account("dora", "PROVIDER");
  market.deposit(renter, "10.00");
  run_leases(market, renter, market.add_node(provider, "0.90"), 5);
  const Reply table = market.get("/v1/wallet/statement.csv", renter);
  ASSERT_EQ(table.status, 200) << table.body;
  EXPECT_EQ(*table.headers.find("Content-Type"), "text/csv; charset=utf-8");
  EXPECT_EQ(*table.headers.find("Content-Disposition"),
            fmt::format("attachment; filename=\"fallow-{}.csv\"",
                        month_text(core::month_of(system_clock()->now()))));
  // Head, opening, five leases, deposited, withdrawn, so far.
  EXPECT_EQ(std::count(table.body.begin(), table.body.end(), '\n'), 10) << table.body;
  EXPECT_NE(table.body.find(",so far,"), table.body.npos);
  EXPECT_NE(table.body.find(",spent,"), table.body.npos);
  const Reply none = market.get("/v1/wallet/statement.csv?month=2001-01", renter);
  EXPECT_EQ(std::count(none.body.begin(), none.body.end(), '\n'), 5) << none.body;
  EXPECT_NE(none.body.find("2001-01,closing,,,,,,,,,,,,,0.00,TEST,"), none.body.npos) << none.body;
}

// Longer than is read at once, of a month that goes on.
TEST(StatementApi, ALongTableHasEveryLineOnceAndAddsUp) {
  constexpr int kLeases = 260;
  LoopbackMarket market;
  const std::string renter = market.add_account("alice", "RENTER");
  const std::string provider = market.add_account("dora", "PROVIDER");
  market.deposit(renter, "10.00");
  run_leases(market, renter, market.add_node(provider, "0.90"), kLeases);
  const Reply table = market.get("/v1/wallet/statement.csv", renter);
  ASSERT_EQ(table.status, 200) << table.body;
  EXPECT_EQ(std::count(table.body.begin(), table.body.end(), '\n'), kLeases + 5);
  // The column `amount`: those of all rows but the last come to the last.
  std::vector<std::int64_t> amounts;
  std::set<std::string> leases;
  std::string_view rest = table.body;
  rest.remove_prefix(rest.find('\n') + 1);
  while (!rest.empty()) {
    std::vector<std::string> cells(1);
    for (; rest.front() != '\n'; rest.remove_prefix(1)) {
      if (rest.front() == ',') {
        cells.emplace_back();
      } else {
        cells.back() += rest.front();
      }
    }
    rest.remove_prefix(1);
    ASSERT_EQ(cells.size(), 17U);
    const auto amount = parse_money(cells[14]);
    ASSERT_TRUE(amount) << cells[14];
    amounts.push_back(amount->value);
    if (!cells[2].empty()) leases.insert(cells[2]);
  }
  EXPECT_EQ(leases.size(), static_cast<std::size_t>(kLeases));
  EXPECT_EQ(std::accumulate(amounts.begin(), amounts.end() - 1, std::int64_t{0}), amounts.back());
  // Nothing of it is left in the folder.
  for (const std::string& name : names_in(market.folder())) {
    EXPECT_EQ(name.find("nameless"), name.npos) << name;
  }
}

TEST(StatementApi, SaysWhatIsWrong) {
  LoopbackMarket market;
  const std::string renter = market.add_account("alice", "RENTER");
  for (const char* path : {"/v1/wallet/statement", "/v1/wallet/statement.csv"}) {
    for (const char* month : {"2026-13", "11-2026", "now", "2026-1"}) {
      const Reply reply = market.get(std::string(path) + "?month=" + month, renter);
      EXPECT_EQ(reply.status, 400) << month;
      EXPECT_EQ(reply.at("field"), "month");
    }
    const Reply other = market.get(std::string(path) + "?account=1", market.operator_key());
    EXPECT_EQ(other.status, 404);
    EXPECT_EQ(other.at("code"), "account_unknown");
  }
  const Reply token = market.get("/v1/wallet/statement?page_token=x", renter);
  EXPECT_EQ(token.status, 400);
  EXPECT_EQ(token.at("field"), "page_token");
}

TEST(StatementApi, IsMadeAnewFromTheLog) {
  LoopbackMarket market;
  const std::string renter = market.add_account("alice", "RENTER");
  const std::string provider = market.add_account("dora", "PROVIDER");
  market.deposit(renter, "10.00");
  run_leases(market, renter, market.add_node(provider, "0.90"), 2);
  const auto asked = [&] {
    return market.get("/v1/wallet/statement.csv", renter).body +
           market.get("/v1/wallet/statement.csv", provider).body;
  };
  const std::string before = asked();
  market.stop();
  for (const char* name : {"history.db", "history.db-wal", "history.db-shm"}) {
    std::filesystem::remove(market.folder() + "/" + name);
  }
  market.restart();
  EXPECT_EQ(asked(), before);
}

}  // namespace
}  // namespace fallow::server
