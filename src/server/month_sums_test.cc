// Statements beside what a naive sum of the same transfers comes to.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "base/money.h"
#include "core/calendar.h"
#include "core/test_market.h"
#include "server/history.h"
#include "server/months.h"
#include "server/statement_csv.h"

namespace fallow::server {
namespace {

// 2026-11-01 and 2026-12-01, UTC.
constexpr Time kNovember{1'793'491'200'000'000};
constexpr Time kDecember{1'796'083'200'000'000};

struct Told {
  v1::Transferred transfer;
  Time at;
};

// A history over a file of its own.
class MonthSumsTest : public testing::Test {
 protected:
  MonthSumsTest() {
    std::string folder = testing::TempDir() + "fallow-months-XXXXXX";
    FALLOW_CHECK(::mkdtemp(folder.data()) != nullptr, "no folder");
    folder_ = folder;
    open();
  }
  ~MonthSumsTest() override {
    history_.reset();
    std::filesystem::remove_all(folder_);
  }
  void open() {
    history_.reset();
    auto opened = History::open(folder_ / "history.db");
    FALLOW_CHECK(opened.has_value(), "{}", opened.error().message);
    history_ = std::move(*opened);
  }
  void tell(core::EventSpan events, Time at, const core::Machine& machine) {
    const LogIndex index(++last_);
    const v1::Command command;
    const std::vector<engine::Applied> applied = {{index, at, &command, events}};
    history_->on_batch(engine::Batch{at, {}, applied}, machine);
    for (const v1::Event& event : events) {
      if (event.has_transferred()) told_.push_back({event.transferred(), at});
    }
  }
  void tell(const std::vector<v1::Event>& events, Time at) {
    tell(core::Events(events), at, nothing_);
  }
  void written() {
    ASSERT_TRUE(history_->wait_for(LogIndex(last_), seconds(30))) << history_->trouble();
  }

  static v1::Event moved(std::uint64_t from, v1::LedgerKind from_kind, std::uint64_t to,
                         v1::LedgerKind to_kind, std::int64_t micros, v1::TransferReason reason,
                         std::uint64_t lease = 0) {
    v1::Event event;
    v1::Transferred& told = *event.mutable_transferred();
    told.set_from_account(from);
    told.set_from_kind(from_kind);
    told.set_to_account(to);
    told.set_to_kind(to_kind);
    told.set_amount_micros(micros);
    told.set_reason(reason);
    told.set_lease(lease);
    return event;
  }
  static v1::Event deposited(std::int64_t micros) {
    return moved(0, v1::OUTSIDE, 7, v1::WALLET, micros, v1::DEPOSITED);
  }
  static v1::Event charged(std::int64_t micros, std::uint64_t lease = 5) {
    return moved(7, v1::HELD, 8, v1::PENDING, micros, v1::CHARGED, lease);
  }
  static v1::Event fee(std::int64_t micros, std::uint64_t lease = 5) {
    return moved(7, v1::HELD, 0, v1::MARKET_FEE, micros, v1::FEE, lease);
  }

  v1::StatementView statement(std::uint64_t account, Time in, std::size_t lines_max = 1'000) {
    StatementHistory::Asked asked;
    asked.account = AccountId(account);
    asked.month = core::month_of(in);
    asked.lines_max = lines_max;
    v1::StatementView whole;
    for (bool first = true;; first = false) {
      const auto page = history_->statement(asked);
      FALLOW_CHECK(page.has_value(), "{}", page.error().message);
      if (first) {
        whole = page->view;
      } else {
        whole.mutable_lines()->MergeFrom(page->view.lines());
      }
      if (!page->next) return whole;
      asked.after = *page->next;
    }
  }

  std::filesystem::path folder_;
  core::Machine nothing_;
  std::unique_ptr<History> history_;
  std::vector<Told> told_;
  std::uint64_t last_ = 0;
};

std::int64_t micros(const std::string& text) {
  const auto money = parse_money(text);
  EXPECT_TRUE(money) << text;
  return money ? money->value : 0;
}

TEST_F(MonthSumsTest, AMonthIsHalfOpen) {
  tell({deposited(10'000'000)}, kNovember - Duration(1));
  tell({deposited(2)}, kNovember);
  tell({deposited(3)}, kDecember - Duration(1));
  tell({deposited(4)}, kDecember);
  written();
  const v1::StatementView november = statement(7, kNovember);
  EXPECT_EQ(november.month(), "2026-11");
  EXPECT_EQ(november.opening().total(), "10.00");
  EXPECT_EQ(november.deposited(), "0.000005");
  EXPECT_EQ(november.closing().available(), "10.000005");
  EXPECT_TRUE(november.complete());
  EXPECT_EQ(statement(7, kDecember).opening().total(), "10.000005");
  EXPECT_FALSE(statement(7, kDecember).complete()) << "the log has not passed its end";
  EXPECT_EQ(statement(7, kNovember - Duration(1)).opening().total(), "0.00");
  EXPECT_EQ(statement(9, kNovember).moves_size(), 0) << "somebody else's";
}

TEST_F(MonthSumsTest, DaysOfEarningsAreSumsWithWhatWentBack) {
  EarningsHistory::DaysAsked asked;
  asked.account = AccountId(8);
  asked.last_day = std::numeric_limits<std::int32_t>::max();
  asked.rows_max = 2;
  tell({charged(95), fee(5), charged(10, 6)}, kNovember - Duration(1));
  tell({charged(100)}, kNovember);
  tell({charged(20), moved(8, v1::PENDING, 7, v1::HELD, 50, v1::REFUNDED, 5)},
       kNovember + hours(24) - Duration(1));
  tell({charged(7)}, kNovember + hours(24));
  tell({moved(8, v1::PENDING, 8, v1::EARNED, 7, v1::RELEASED, 5)}, kNovember + hours(48));
  written();
  const auto first = history_->earnings(asked);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(first->rows.size(), 2U);
  EXPECT_EQ(first->rows[0].day(), "2026-11-02");
  EXPECT_EQ(first->rows[0].earned(), "0.000007");
  EXPECT_EQ(first->rows[1].day(), "2026-11-01");
  EXPECT_EQ(first->rows[1].earned(), "0.00007");
  ASSERT_TRUE(first->next);
  asked.after = first->next;
  const auto second = history_->earnings(asked);
  ASSERT_EQ(second->rows.size(), 1U);
  EXPECT_EQ(second->rows[0].day(), "2026-10-31");
  EXPECT_EQ(second->rows[0].earned(), "0.000105") << "of both leases; nobody knows where they ran";
  EXPECT_FALSE(second->next);
  asked.after.reset();
  asked.by = v1::EARNINGS_BY_DEVICE;
  EXPECT_EQ(history_->earnings(asked)->rows[0].earned(), "0.000182");
  asked.by = v1::EARNINGS_BY_DAY;
  asked.first_day = *day_of_text("2026-11-02");
  EXPECT_EQ(history_->earnings(asked)->rows.size(), 1U);
  asked.account = AccountId(7);
  EXPECT_TRUE(history_->earnings(asked)->rows.empty()) << "who rents earns nothing";
}

TEST_F(MonthSumsTest, EachLeaseIsALineWithWhatItCostAndWhatCameBack) {
  tell({charged(95), fee(5)}, kNovember);
  tell({charged(190, 6), fee(10, 6)}, kNovember + seconds(1));
  tell({moved(8, v1::PENDING, 7, v1::HELD, 190, v1::REFUNDED, 6),
        moved(0, v1::MARKET_FEE, 7, v1::HELD, 10, v1::FEE_RETURNED, 6)},
       kNovember + seconds(2));
  // The market's own fault: out of its fees, more than it has kept of this lease.
  tell({moved(0, v1::MARKET_FEE, 7, v1::HELD, 60, v1::REFUNDED, 5)}, kNovember + seconds(3));
  tell({moved(8, v1::PENDING, 8, v1::EARNED, 95, v1::RELEASED, 5)}, kNovember + seconds(4));
  written();
  const v1::StatementView renter = statement(7, kNovember);
  ASSERT_EQ(renter.lines_size(), 2);
  EXPECT_EQ(renter.lines(0).lease(), 5U);
  EXPECT_EQ(renter.lines(0).charged(), "0.0001");
  EXPECT_EQ(renter.lines(0).refunded(), "0.00006");
  EXPECT_EQ(renter.lines(0).fee(), "-0.000055");
  EXPECT_EQ(renter.lines(0).net(), "0.00004");
  EXPECT_EQ(renter.lines(0).entries(), 3U);
  EXPECT_EQ(renter.lines(0).receipt(), "/v1/leases/5/receipt");
  EXPECT_EQ(renter.lines(1).net(), "0.00");
  EXPECT_EQ(renter.lines(1).fee(), "0.00");
  EXPECT_EQ(renter.spent(), "0.00004");
  EXPECT_EQ(renter.fee(), "-0.000055");
  const v1::StatementView provider = statement(8, kNovember);
  ASSERT_EQ(provider.lines_size(), 2) << "what is released is no bill";
  EXPECT_TRUE(provider.lines(0).as_provider());
  EXPECT_EQ(provider.lines(0).charged(), "0.000095");
  EXPECT_EQ(provider.lines(1).net(), "0.00");
  EXPECT_EQ(provider.earned(), "0.000095");
  EXPECT_EQ(provider.closing().earned(), "0.000095");
  EXPECT_EQ(provider.closing().pending(), "0.00");
}

// A month that goes on while it is read: with pages of several moments the lines would not come to
// the end that the last page tells.
TEST_F(MonthSumsTest, AWholeReadingIsOfOneMomentWhateverIsWrittenMeanwhile) {
  tell({deposited(1'000'000)}, kNovember);
  for (std::uint64_t lease = 1; lease <= 5; ++lease) tell({charged(100, lease)}, kNovember);
  written();
  StatementHistory::Asked asked;
  asked.account = AccountId(7);
  asked.month = core::month_of(kNovember);
  asked.lines_max = 2;
  auto reading = history_->read_whole(asked);
  ASSERT_TRUE(reading) << reading.error().message;
  std::vector<v1::StatementLine> lines;
  for (bool more = true; more;) {
    const auto page = (*reading)->next();
    ASSERT_TRUE(page) << page.error().message;
    more = page->next.has_value();
    EXPECT_EQ(page->view.last_index(), 6U);
    EXPECT_EQ(page->view.closing().total(), "0.9995");
    lines.insert(lines.end(), page->view.lines().begin(), page->view.lines().end());
    // To leases of every page, and a new one.
    for (std::uint64_t lease = 1; lease <= 6; ++lease) tell({charged(7, lease)}, kNovember);
    written();
  }
  ASSERT_EQ(lines.size(), 5U);
  for (const v1::StatementLine& line : lines) EXPECT_EQ(line.charged(), "0.0001");
  EXPECT_EQ(statement(7, kNovember).lines_size(), 6) << "of now";
}

TEST_F(MonthSumsTest, ThereAreSoManyReadingsAtOnceAndNoMore) {
  StatementHistory::Asked asked;
  asked.lines_max = 1;
  std::vector<std::unique_ptr<StatementHistory::Reading>> readings;
  for (std::size_t i = 0; i < StatementHistory::kReadingsMax; ++i) {
    auto reading = history_->read_whole(asked);
    ASSERT_TRUE(reading) << reading.error().message;
    readings.push_back(std::move(*reading));
  }
  EXPECT_EQ(history_->read_whole(asked).error().code, ErrorCode::kBusy);
  readings.pop_back();
  EXPECT_TRUE(history_->read_whole(asked));
}

TEST_F(MonthSumsTest, WhoRentsOfHimselfHasBothSides) {
  tell({moved(7, v1::HELD, 7, v1::PENDING, 100, v1::CHARGED, 5)}, kNovember);
  written();
  const v1::StatementView both = statement(7, kNovember, 1);
  ASSERT_EQ(both.lines_size(), 2) << "in two pages";
  EXPECT_FALSE(both.lines(0).as_provider());
  EXPECT_TRUE(both.lines(1).as_provider());
  EXPECT_EQ(both.spent(), both.earned());
  EXPECT_EQ(both.closing().total(), "0.00");
}

TEST_F(MonthSumsTest, SumsThatPass64BitsStayExact) {
  // An account's whole billion, held and given back ten thousand times.
  constexpr std::int64_t kMost = 1'000'000'000'000'000;
  std::vector<v1::Event> events;
  for (int i = 0; i < 10'000; ++i) {
    events.push_back(moved(7, v1::WALLET, 7, v1::HELD, kMost - 1, v1::HOLD_PLACED));
    events.push_back(moved(7, v1::HELD, 7, v1::WALLET, kMost - 1, v1::HOLD_VOIDED));
  }
  tell({deposited(kMost)}, kNovember);
  tell(events, kNovember);
  tell(events, kNovember + seconds(1));
  written();
  const v1::StatementView held = statement(7, kNovember);
  EXPECT_EQ(held.closing().available(), "1000000000.00");
  EXPECT_EQ(held.closing().held(), "0.00");
  std::set<std::string> amounts;
  for (const v1::StatementMove& move : held.moves()) amounts.insert(move.amount());
  EXPECT_TRUE(amounts.contains("-19999999999999.98")) << held.ShortDebugString();
  EXPECT_TRUE(amounts.contains("19999999999999.98"));
}

TEST_F(MonthSumsTest, ItsTableAddsUpAndNobodysTextIsAFormula) {
  tell({deposited(1'000'000)}, kNovember - Duration(1));
  tell({charged(300'000), fee(20'000)}, kNovember);
  tell({moved(7, v1::WALLET, 0, v1::OUTSIDE, 50'000, v1::WITHDRAWN)}, kNovember);
  tell({deposited(7)}, kNovember);
  tell({deposited(1)}, kDecember);
  written();
  v1::StatementView view = statement(7, kNovember);
  view.set_currency("=cmd|' /C calc'!A0");
  view.mutable_lines(0)->set_name("one, \"two\"\r\nthree");
  const std::string text = csv_begin(view) + csv_lines(view) + csv_end(view);
  const std::string last = "'=cmd|' /C calc'!A0,";
  EXPECT_EQ(text,
            "month,kind,lease,job,task,tier,project,name,first_entry,last_entry,charged,fee_kept,"
            "refunded,net,amount,currency,receipt\r\n"
            "2026-11,opening,,,,,,,,,,,,,1.00," +
                last +
                "\r\n"
                "2026-11,spent,5,0,0,tier_unspecified,,\"one, \"\"two\"\"\r\nthree\","
                "2026-11-01T00:00:00Z,2026-11-01T00:00:00Z,0.32,0.02,0.00,0.32,-0.32," +
                last +
                "/v1/leases/5/receipt\r\n"
                "2026-11,deposited,,,,,,,,,,,,,0.000007," +
                last +
                "\r\n"
                "2026-11,withdrawn,,,,,,,,,,,,,-0.05," +
                last +
                "\r\n"
                "2026-11,closing,,,,,,,,,,,,,0.630007," +
                last + "\r\n");
}

TEST_F(MonthSumsTest, GoesOnAfterARestart) {
  tell({charged(1)}, kNovember);
  written();
  open();
  EXPECT_EQ(history_->cursor(), LogIndex(last_));
  EXPECT_FALSE(statement(7, kNovember).complete());
  tell({charged(2)}, kNovember + seconds(1));
  tell({}, kDecember);
  written();
  EXPECT_EQ(statement(7, kNovember).spent(), "0.000003");
  EXPECT_TRUE(statement(7, kNovember).complete()) << "a command without events ends it, too";
}

// ---- beside a naive sum
// ---------------------------------------------------------------------------

using Kinds = std::map<v1::LedgerKind, std::int64_t>;
struct NaiveLine {
  std::int64_t charged = 0, refunded = 0, fee = 0;
  std::uint64_t entries = 0;
  auto operator<=>(const NaiveLine&) const = default;
};
using NaiveLines = std::map<std::pair<bool, std::uint64_t>, NaiveLine>;  // as provider, lease

struct NaiveMonth {
  Kinds opening, closing;
  NaiveLines lines;
  std::int64_t deposited = 0, withdrawn = 0;
};

void naive_line(NaiveLines& lines, const v1::Transferred& transfer, bool receives) {
  const v1::LedgerKind kind = receives ? transfer.to_kind() : transfer.from_kind();
  const std::int64_t amount = transfer.amount_micros();
  const v1::TransferReason reason = transfer.reason();
  const bool charges = reason == v1::CHARGED || reason == v1::FEE;
  const bool back = reason == v1::CHARGED_BACK;
  const bool returns = reason == v1::REFUNDED || reason == v1::FEE_RETURNED || back;
  const bool is_of_bill = kind == v1::HELD || kind == v1::PENDING || kind == v1::OWED;
  if (!is_of_bill || (!charges && !returns)) return;
  NaiveLine& line = lines[{kind == v1::PENDING, transfer.lease()}];
  (charges ? line.charged : line.refunded) += amount;
  if (reason == v1::FEE) line.fee += amount;
  if (reason == v1::FEE_RETURNED) line.fee -= amount;
  if (reason != v1::FEE_RETURNED && transfer.from_kind() == v1::MARKET_FEE) line.fee -= amount;
  ++line.entries;
}

NaiveMonth naive_month(const std::vector<Told>& told, std::uint64_t account, std::int32_t month) {
  NaiveMonth naive;
  for (const auto& [transfer, at] : told) {
    const std::int32_t of = core::month_of(at);
    if (of > month) continue;
    for (const bool receives : {false, true}) {
      if ((receives ? transfer.to_account() : transfer.from_account()) != account) continue;
      const v1::LedgerKind kind = receives ? transfer.to_kind() : transfer.from_kind();
      const std::int64_t amount = receives ? transfer.amount_micros() : -transfer.amount_micros();
      naive.closing[kind] += amount;
      if (of < month) {
        naive.opening[kind] += amount;
        continue;
      }
      if (transfer.reason() == v1::DEPOSITED || transfer.reason() == v1::DEPOSIT_REVERSED) {
        naive.deposited += amount;
      }
      if (transfer.reason() == v1::WITHDRAWN || transfer.reason() == v1::WITHDRAWAL_RETURNED) {
        naive.withdrawn -= amount;
      }
      naive_line(naive.lines, transfer, receives);
    }
  }
  return naive;
}

void expect_balance(const v1::StatementBalance& told, Kinds& naive) {
  EXPECT_EQ(micros(told.available()), naive[v1::WALLET]);
  EXPECT_EQ(micros(told.held()), naive[v1::HELD]);
  EXPECT_EQ(micros(told.pending()), naive[v1::PENDING]);
  EXPECT_EQ(micros(told.earned()), naive[v1::EARNED]);
  EXPECT_EQ(told.owed().empty() ? 0 : micros(told.owed()), -naive[v1::OWED]);
  EXPECT_EQ(micros(told.total()), naive[v1::WALLET] + naive[v1::HELD] + naive[v1::PENDING] +
                                      naive[v1::EARNED] + naive[v1::OWED]);
}

void expect_same(const v1::StatementView& told, NaiveMonth naive) {
  expect_balance(told.opening(), naive.opening);
  expect_balance(told.closing(), naive.closing);
  EXPECT_EQ(micros(told.deposited()), naive.deposited);
  EXPECT_EQ(micros(told.withdrawn()), naive.withdrawn);
  NaiveLines lines;
  std::int64_t spent = 0, fee = 0, earned = 0;
  for (const v1::StatementLine& line : told.lines()) {
    EXPECT_TRUE(lines.empty() ||
                lines.rbegin()->first < std::pair(line.as_provider(), line.lease()))
        << "in order, each once";
    lines[{line.as_provider(), line.lease()}] = {micros(line.charged()), micros(line.refunded()),
                                                 micros(line.fee()), line.entries()};
    EXPECT_EQ(micros(line.net()), micros(line.charged()) - micros(line.refunded()));
    (line.as_provider() ? earned : spent) += micros(line.net());
    if (!line.as_provider()) fee += micros(line.fee());
  }
  EXPECT_EQ(lines, naive.lines);
  EXPECT_EQ(micros(told.spent()), spent);
  EXPECT_EQ(micros(told.fee()), fee);
  EXPECT_EQ(micros(told.earned()), earned);
  std::int64_t by_tier = 0;
  for (const v1::StatementTier& tier : told.tiers()) {
    by_tier += tier.as_provider() ? -micros(tier.net()) : micros(tier.net());
  }
  EXPECT_EQ(by_tier, spent - earned);
  EXPECT_EQ(micros(told.opening().total()) + naive.deposited - naive.withdrawn - spent + earned,
            micros(told.closing().total()));
  Kinds moved = naive.opening;
  for (const v1::StatementMove& move : told.moves()) moved[move.kind()] += micros(move.amount());
  for (const auto& [kind, balance] : naive.closing) EXPECT_EQ(moved[kind], balance);
}

// A seed more: FALLOW_SEED=7 server_test --gtest_filter='MonthSums*'
TEST_F(MonthSumsTest, EqualTheLedgerToTheMicro) {
  const char* const given = std::getenv("FALLOW_SEED");
  std::map<v1::TransferReason, int> reasons;
  std::set<v1::Tier> tiers;
  for (const std::uint64_t seed : given != nullptr ? std::vector<std::uint64_t>{std::stoull(given)}
                                                   : std::vector<std::uint64_t>{1, 2, 3}) {
    SCOPED_TRACE("FALLOW_SEED=" + std::to_string(seed));
    std::filesystem::remove(folder_ / "history.db");
    std::filesystem::remove(folder_ / "history.db-wal");
    std::filesystem::remove(folder_ / "history.db-shm");
    last_ = 0;
    told_.clear();
    open();
    core::RandomCommands random(seed);
    core::Machine machine;
    // Into the next month every few hundred commands.
    Duration later;
    for (int i = 1; i <= 3'000; ++i) {
      if (random.chance(400)) later += hours(24 * static_cast<std::int64_t>(random.below(40)));
      const Time now = std::max(machine.now(), random.next_time(machine) + later);
      later = Duration();
      core::Events events;
      machine.apply(LogIndex(static_cast<std::uint64_t>(i)), now, random.next(machine), events);
      tell(events, now, machine);
    }
    written();
    std::set<std::int32_t> months;
    for (const Told& told : told_) {
      months.insert(core::month_of(told.at));
      ++reasons[told.transfer.reason()];
    }
    EXPECT_GT(months.size(), 2U);
    machine.visit_accounts(AccountId(0), [&](const core::Account& account) {
      for (const std::int32_t month : months) {
        SCOPED_TRACE(fmt::format("account {}, month {}", account.id.value, month));
        StatementHistory::Asked asked{account.id, month, {}, 3};
        v1::StatementView whole = history_->statement(asked)->view;
        for (auto page = history_->statement(asked); page->next;) {
          asked.after = *page->next;
          page = history_->statement(asked);
          whole.mutable_lines()->MergeFrom(page->view.lines());
        }
        expect_same(whole, naive_month(told_, account.id.value, month));
        for (const v1::StatementLine& line : whole.lines()) tiers.insert(line.tier());
        if (month == *months.rbegin()) {
          EXPECT_EQ(micros(whole.closing().held()),
                    machine.ledger().balance({account.id, v1::HELD}).value);
          EXPECT_EQ(micros(whole.closing().available()),
                    machine.ledger().balance({account.id, v1::WALLET}).value);
        }
      }
      return true;
    });
  }
  if (given != nullptr) return;
  for (const v1::TransferReason reason :
       {v1::DEPOSITED, v1::CHARGED, v1::FEE, v1::REFUNDED, v1::FEE_RETURNED, v1::HOLD_VOIDED,
        v1::RELEASED, v1::WITHDRAWN}) {
    EXPECT_GT(reasons[reason], 0) << v1::TransferReason_Name(reason);
  }
  EXPECT_TRUE(tiers.contains(v1::ON_DEMAND));
  EXPECT_TRUE(tiers.contains(v1::SPOT));
}

}  // namespace
}  // namespace fallow::server
