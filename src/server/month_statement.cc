// A month's statement, read from its sums. Beside month_sums.cc, which makes those.
#include <array>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/money.h"
#include "core/calendar.h"
#include "server/history.h"
#include "server/months.h"
#include "server/views.h"
#include "server/wide_money.h"

namespace fallow::server {
namespace {

constexpr const char* kOpening =
    "select kind, sum(units), sum(micros) from month_moves where account = ?1 and month < ?2 "
    "group by kind";
constexpr const char* kMoves =
    "select kind, counter, reason, tier, units, micros, entries from month_moves "
    "where account = ?1 and month = ?2";
constexpr const char* kLines =
    "select l.provider, l.lease, l.charged, l.fee, l.refunded, l.entries, l.first_us, l.last_us, "
    "p.job, p.task, p.tier, p.name, p.project from month_leases l "
    "left join placed_leases p on p.lease = l.lease where l.account = ?1 and l.month = ?2 "
    "and (l.provider, l.lease) > (?3, ?4) order by l.provider, l.lease limit ?5";

// Of an account, by its kinds.
class Balances {
 public:
  Wide& of(v1::LedgerKind kind) {
    FALLOW_CHECK((kind >= v1::WALLET && kind <= v1::EARNED) || kind == v1::OWED,
                 "an account has no balance of kind {}", static_cast<int>(kind));
    return sums_[static_cast<std::size_t>(kind)];
  }
  void put(v1::StatementBalance& view) {
    view.set_available(wide_money(of(v1::WALLET)));
    view.set_held(wide_money(of(v1::HELD)));
    view.set_pending(wide_money(of(v1::PENDING)));
    view.set_earned(wide_money(of(v1::EARNED)));
    if (of(v1::OWED) != 0) view.set_owed(wide_money(-of(v1::OWED)));
    view.set_total(wide_money(of(v1::WALLET) + of(v1::HELD) + of(v1::PENDING) + of(v1::EARNED) +
                              of(v1::OWED)));
  }

 private:
  std::array<Wide, v1::LedgerKind_ARRAYSIZE> sums_{};
};

struct TierSums {
  Wide charged = 0;
  Wide fee = 0;
  Wide refunded = 0;
};

struct MoveRow {
  v1::LedgerKind kind;
  v1::LedgerKind counter;
  v1::TransferReason reason;
  v1::Tier tier;
  Wide amount;  // signed, as the account sees it
  std::uint64_t entries;
};

// What of a statement is no line.
struct Summary {
  Balances balances;                                                // opening; in the end closing
  std::array<std::array<TierSums, v1::Tier_ARRAYSIZE>, 2> tiers{};  // [as provider][tier]
  Wide deposited = 0;
  Wide withdrawn = 0;

  void add(const MoveRow& move) {
    balances.of(move.kind) += move.amount;
    const bool as_provider = move.kind == v1::PENDING;
    TierSums& sums = tiers[as_provider ? 1 : 0][static_cast<std::size_t>(move.tier)];
    // A charge leaves what is held, and comes to what is pending; what is given back, the reverse.
    const Wide charged = as_provider ? move.amount : -move.amount;
    switch (move.reason) {
      case v1::DEPOSITED:
      case v1::DEPOSIT_REVERSED:
        deposited += move.amount;
        return;
      case v1::WITHDRAWN:
      case v1::WITHDRAWAL_RETURNED:
        withdrawn -= move.amount;
        return;
      case v1::CHARGED:
      case v1::FEE:
        sums.charged += charged;
        break;
      case v1::REFUNDED:
      case v1::FEE_RETURNED:
      case v1::CHARGED_BACK:
        sums.refunded -= charged;
        break;
      default:
        return;  // between the account's own balances
    }
    if (move.counter == v1::MARKET_FEE) sums.fee += charged;
  }
};

Status read_opening(SqliteDb& reader, const StatementHistory::Asked& asked, Balances& balances) {
  FALLOW_ASSIGN(SqliteStatement select, reader.prepare(kOpening));
  select.bind(1, static_cast<std::int64_t>(asked.account.value));
  select.bind(2, std::int64_t{asked.month});
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    balances.of(static_cast<v1::LedgerKind>(select.integer(0))) =
        Wide{select.integer(1)} * kMicrosPerUnit + select.integer(2);
  }
  if (code != SQLITE_DONE) return tl::unexpected(reader.error(code, "read"));
  return {};
}

Status read_moves(SqliteDb& reader, const StatementHistory::Asked& asked, v1::StatementView& view,
                  Summary& summary) {
  FALLOW_ASSIGN(SqliteStatement select, reader.prepare(kMoves));
  select.bind(1, static_cast<std::int64_t>(asked.account.value));
  select.bind(2, std::int64_t{asked.month});
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    const MoveRow move{static_cast<v1::LedgerKind>(select.integer(0)),
                       static_cast<v1::LedgerKind>(select.integer(1)),
                       static_cast<v1::TransferReason>(select.integer(2)),
                       static_cast<v1::Tier>(select.integer(3)),
                       Wide{select.integer(4)} * kMicrosPerUnit + select.integer(5),
                       static_cast<std::uint64_t>(select.integer(6))};
    summary.add(move);
    v1::StatementMove& told = *view.add_moves();
    told.set_kind(move.kind);
    told.set_counter_kind(move.counter);
    told.set_reason(move.reason);
    told.set_tier(move.tier);
    told.set_amount(wide_money(move.amount));
    told.set_entries(move.entries);
  }
  if (code != SQLITE_DONE) return tl::unexpected(reader.error(code, "read"));
  return {};
}

void put_line(const SqliteStatement& row, v1::StatementLine& line) {
  const auto number = [&](int column) { return static_cast<std::uint64_t>(row.integer(column)); };
  const auto money = [&](int column) { return format_money(Micros(row.integer(column))); };
  line.set_as_provider(row.integer(0) != 0);
  line.set_lease(number(1));
  line.set_charged(money(2));
  line.set_fee(money(3));
  line.set_refunded(money(4));
  line.set_net(format_money(Micros(row.integer(2) - row.integer(4))));
  line.set_entries(number(5));
  *line.mutable_first_at() = timestamp_of(Time{row.integer(6)});
  *line.mutable_last_at() = timestamp_of(Time{row.integer(7)});
  line.set_order(number(8));
  line.set_task(static_cast<std::uint32_t>(number(9)));
  line.set_tier(static_cast<v1::Tier>(row.integer(10)));
  // What a renter calls its work is nothing of a provider's.
  if (!line.as_provider()) {
    line.set_name(std::string(row.blob(11)));
    line.set_project(std::string(row.blob(12)));
  }
  line.set_receipt(fmt::format("/v1/leases/{}/receipt", line.lease()));
}

Status read_lines(SqliteDb& reader, const StatementHistory::Asked& asked,
                  StatementHistory::Page& page) {
  FALLOW_ASSIGN(SqliteStatement select, reader.prepare(kLines));
  select.bind(1, static_cast<std::int64_t>(asked.account.value));
  select.bind(2, std::int64_t{asked.month});
  select.bind(3, std::int64_t{asked.after.as_provider ? 1 : 0});
  select.bind(4, static_cast<std::int64_t>(asked.after.lease.value));
  select.bind(5, static_cast<std::int64_t>(asked.lines_max) + 1);
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    if (static_cast<std::size_t>(page.view.lines_size()) == asked.lines_max) {
      const v1::StatementLine& last = page.view.lines(page.view.lines_size() - 1);
      page.next = StatementHistory::Place{last.as_provider(), LeaseId(last.lease())};
      return {};
    }
    put_line(select, *page.view.add_lines());
  }
  if (code != SQLITE_DONE) return tl::unexpected(reader.error(code, "read"));
  return {};
}

void put_summary(const Summary& summary, v1::StatementView& view) {
  std::array<TierSums, 2> sums{};
  for (std::size_t provider = 0; provider < 2; ++provider) {
    for (std::size_t tier = 0; tier < summary.tiers[provider].size(); ++tier) {
      const TierSums& of = summary.tiers[provider][tier];
      if (of.charged == 0 && of.refunded == 0) continue;
      v1::StatementTier& told = *view.add_tiers();
      told.set_tier(static_cast<v1::Tier>(tier));
      told.set_as_provider(provider == 1);
      told.set_charged(wide_money(of.charged));
      told.set_fee(wide_money(of.fee));
      told.set_refunded(wide_money(of.refunded));
      told.set_net(wide_money(of.charged - of.refunded));
      sums[provider].charged += of.charged;
      sums[provider].fee += of.fee;
      sums[provider].refunded += of.refunded;
    }
  }
  view.set_deposited(wide_money(summary.deposited));
  view.set_withdrawn(wide_money(summary.withdrawn));
  view.set_spent(wide_money(sums[0].charged - sums[0].refunded));
  view.set_fee(wide_money(sums[0].fee));
  view.set_earned(wide_money(sums[1].charged - sums[1].refunded));
}

Status read_all(SqliteDb& reader, const StatementHistory::Asked& asked,
                StatementHistory::Page& page) {
  FALLOW_ASSIGN(const std::int64_t last, reader.query_integer("select log_index from cursor"));
  FALLOW_ASSIGN(const std::int64_t last_at, reader.query_integer("select at_us from cursor"));
  v1::StatementView& view = page.view;
  view.set_account(asked.account.value);
  view.set_month(month_text(asked.month));
  view.set_last_index(static_cast<std::uint64_t>(last));
  view.set_complete(core::month_of(Time{last_at}) > asked.month);
  Summary summary;
  FALLOW_TRY(read_opening(reader, asked, summary.balances));
  summary.balances.put(*view.mutable_opening());
  FALLOW_TRY(read_moves(reader, asked, view, summary));
  summary.balances.put(*view.mutable_closing());
  put_summary(summary, view);
  return read_lines(reader, asked, page);
}

// A connection of its own, with a transaction that ends with the last page.
class StatementReading final : public StatementHistory::Reading {
 public:
  StatementReading(SqliteDb db, const StatementHistory::Asked& asked,
                   std::atomic<std::size_t>& readings)
      : db_(std::move(db)), asked_(asked), readings_(readings) {
    ++readings_;
  }
  ~StatementReading() override { --readings_; }

  Status begin() { return db_.exec("begin"); }
  Result<StatementHistory::Page> next() override {
    StatementHistory::Page page;
    FALLOW_TRY(read_all(db_, asked_, page));
    if (page.next) {
      asked_.after = *page.next;
    } else {
      FALLOW_TRY(db_.exec("commit"));
    }
    return page;
  }

 private:
  SqliteDb db_;
  StatementHistory::Asked asked_;
  std::atomic<std::size_t>& readings_;
};

}  // namespace

Result<StatementHistory::Page> MonthSums::read(SqliteDb& reader,
                                               const StatementHistory::Asked& asked) {
  // One moment for all of it, whatever is written meanwhile.
  FALLOW_TRY(reader.exec("begin"));
  StatementHistory::Page page;
  const Status done = read_all(reader, asked, page);
  const Status ended = reader.exec("commit");
  if (!done) return tl::unexpected(done.error());
  if (!ended) return tl::unexpected(ended.error());
  return page;
}

Result<StatementHistory::Page> History::statement(const Asked& asked) {
  const std::lock_guard lock(reader_mutex_);
  return MonthSums::read(reader_, asked);
}

Result<std::unique_ptr<StatementHistory::Reading>> History::read_whole(const Asked& asked) {
  FALLOW_ASSIGN(SqliteDb db, SqliteDb::open(reader_.path(), SQLITE_OPEN_READONLY));
  auto reading = std::make_unique<StatementReading>(std::move(db), asked, readings_);
  if (readings_ > kReadingsMax) {
    return fail(ErrorCode::kBusy,
                "{} statements of months that are not over are being read; ask "
                "again in a minute",
                kReadingsMax);
  }
  FALLOW_TRY(reading->begin());
  return std::unique_ptr<Reading>(std::move(reading));
}

}  // namespace fallow::server
