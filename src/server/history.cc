#include "server/history.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/money.h"
#include "server/views.h"

namespace fallow::server {
namespace {

constexpr std::int64_t kVersion = 5;

constexpr const char* kSchema = R"sql(
create table meters(lease integer, sequence integer, record blob not null,
                    primary key(lease, sequence)) without rowid;
create table transfers(id integer primary key, account integer not null, at_us integer not null,
                       view blob not null);
create index transfers_by_account on transfers(account, id);
create table payouts(id integer primary key, account integer not null, amount integer not null,
                     destination blob not null, requested_us integer not null,
                     settled_us integer not null, paid integer not null, reference blob not null);
create index payouts_by_account on payouts(account, id);
create table feed(log_index integer, ordinal integer, at_us integer not null,
                  account integer not null, other integer not null, event blob not null,
                  actor integer not null, command integer not null, kind integer not null,
                  node integer not null, job integer not null, lease integer not null,
                  primary key(log_index, ordinal)) without rowid;
create table cursor(id integer primary key check(id = 1), log_index integer not null,
                    at_us integer not null);
insert into cursor values(1, 0, 0);
)sql";
constexpr const char* kSchemaOfClasses = R"sql(
create table prices(id integer primary key, model blob not null, region blob not null,
                    view blob not null);
create index prices_by_class on prices(model, region, id);
create index prices_by_model on prices(model, id);
create table hours(model blob, region blob, hour integer, span_ms integer not null,
                   offered_ms integer not null, leased_ms integer not null,
                   waited_ms integer not null, price_micros integer not null,
                   primary key(model, region, hour)) without rowid;
)sql";

// Earlier versions lack what cannot be made of their rows: who asked for what an event tells.
constexpr const char* kDropEarlier = R"sql(
drop table if exists meters; drop table if exists transfers; drop table if exists feed;
drop table if exists payouts; drop table if exists cursor; drop table if exists prices;
drop table if exists hours;
)sql";

Status set_up(SqliteDb& db) {
  FALLOW_TRY(db.exec("pragma journal_mode=wal; pragma synchronous=normal;"));
  FALLOW_ASSIGN(const std::int64_t version, db.query_integer("pragma user_version"));
  if (version == kVersion) return {};
  if (version > kVersion || version < 0) {
    return fail(ErrorCode::kInvalid,
                "{} is of another version ({}, this program knows {}); delete it, it is made anew "
                "from the log at the next start",
                db.path(), version, kVersion);
  }
  FALLOW_TRY(db.exec("begin immediate"));
  FALLOW_TRY(db.exec(kDropEarlier));
  FALLOW_TRY(db.exec(MonthSums::kDrop));
  FALLOW_TRY(db.exec(DaySums::kDrop));
  FALLOW_TRY(db.exec(kSchema));
  FALLOW_TRY(db.exec(MonthSums::kSchema));
  FALLOW_TRY(db.exec(DaySums::kSchema));
  FALLOW_TRY(db.exec(kSchemaOfClasses));
  return db.exec(fmt::format("pragma user_version={}; commit", kVersion));
}

// One side of a transfer, as its account sees it.
v1::TransferView side_of(const v1::Transferred& transfer, bool receives, LogIndex index,
                         Time time) {
  v1::TransferView view;
  view.set_index(index.value);
  *view.mutable_at() = timestamp_of(time);
  view.set_amount(
      format_money(Micros(receives ? transfer.amount_micros() : -transfer.amount_micros())));
  view.set_kind(receives ? transfer.to_kind() : transfer.from_kind());
  view.set_reason(transfer.reason());
  view.set_lease(transfer.lease());
  view.set_counterparty(receives ? transfer.from_account() : transfer.to_account());
  return view;
}

v1::PriceView price_view(const v1::PriceMoved& moved, Time time) {
  const auto money = [](std::int64_t micros) { return format_money(Micros(micros)); };
  v1::PriceView view;
  *view.mutable_at() = timestamp_of(time);
  view.set_model(moved.model());
  view.set_region(moved.region());
  view.set_open(money(moved.open_micros()));
  view.set_close(money(moved.close_micros()));
  if (moved.trades() > 0) {
    view.set_low(money(moved.low_micros()));
    view.set_high(money(moved.high_micros()));
    view.set_mean(money(moved.mean_micros()));
  }
  view.set_leases(moved.trades());
  view.set_devices_leased(static_cast<double>(moved.traded_thousandths()) / 1e3);
  view.set_use(moved.use_basis_points() / 1e4);
  view.set_devices_offered(static_cast<double>(moved.offered_thousandths()) / 1e3);
  return view;
}

}  // namespace

History::History(SqliteDb writer, SqliteDb reader, std::uint64_t start, HistoryLimits limits)
    : limits_(limits),
      start_(start),
      writer_(std::move(writer)),
      reader_(std::move(reader)),
      written_(start) {}

Result<std::unique_ptr<History>> History::open(const std::string& path, HistoryLimits limits) {
  FALLOW_ASSIGN(SqliteDb writer, SqliteDb::open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  FALLOW_TRY(set_up(writer));
  FALLOW_ASSIGN(const std::int64_t start, writer.query_integer("select log_index from cursor"));
  FALLOW_ASSIGN(SqliteDb reader, SqliteDb::open(path, SQLITE_OPEN_READONLY));
  std::unique_ptr<History> history(
      new History(std::move(writer), std::move(reader), static_cast<std::uint64_t>(start), limits));
  FALLOW_TRY(history->prepare());
  history->thread_ = std::thread([raw = history.get()] { raw->write_loop(); });
  return history;
}

Status History::prepare() {
  FALLOW_ASSIGN(statements_.meter, writer_.prepare("insert or ignore into meters values(?,?,?)"));
  FALLOW_ASSIGN(statements_.transfer,
                writer_.prepare("insert into transfers(account, at_us, view) values(?,?,?)"));
  FALLOW_ASSIGN(statements_.price,
                writer_.prepare("insert into prices(model, region, view) values(?,?,?)"));
  FALLOW_ASSIGN(statements_.feed,
                writer_.prepare("insert or ignore into feed values(?,?,?,?,?,?,?,?,?,?,?,?)"));
  FALLOW_ASSIGN(statements_.prune, writer_.prepare("delete from feed where log_index < ?"));
  FALLOW_ASSIGN(statements_.prune_prices,
                writer_.prepare("delete from prices where id <= (select max(id) from prices) - ?"));
  FALLOW_ASSIGN(statements_.cursor, writer_.prepare("update cursor set log_index = ?, at_us = ?"));
  FALLOW_ASSIGN(statements_.ask_payout,
                writer_.prepare("insert or ignore into payouts values(?,?,?,?,?,0,0,x'')"));
  FALLOW_ASSIGN(statements_.settle_payout,
                writer_.prepare("update payouts set settled_us = ?2, paid = ?3, reference = ?4 "
                                "where id = ?1"));
  FALLOW_TRY(months_.prepare(writer_));
  FALLOW_TRY(days_.prepare(writer_));
  return prepare_hours();
}

History::~History() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void History::on_batch(const engine::Batch& batch, const core::Machine& machine) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.size() < limits_.events_waiting_max || closing_; });
  for (const engine::Applied& applied : batch.commands) {
    if (applied.events.empty()) continue;
    const v1::Command& command = *applied.command;
    const OfCommand of{AccountId(command.actor()), static_cast<int>(command.kind_case()),
                       named_ids(command), command.settle_payout().reference()};
    for (const v1::Event& event : applied.events) {
      waiting_.push_back(Row{applied.index, applied.time, of, concerned_by(event, machine), event,
                             placed_lease(event, machine)});
    }
  }
  waiting_last_ = batch.last();
  waiting_last_at_ = batch.time;
  lock.unlock();
  changed_.notify_all();
}

void History::write_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return waiting_last_ > written_ || closing_; });
    if (waiting_last_ <= written_) return;  // closing, and all is written
    std::deque<Row> rows;
    rows.swap(waiting_);
    const LogIndex last = waiting_last_;
    const Time last_at = waiting_last_at_;
    lock.unlock();
    changed_.notify_all();
    Status done = write(rows, last, last_at);
    lock.lock();
    if (done) {
      written_ = last;
      trouble_.clear();
      lock.unlock();
      changed_.notify_all();
      watchers_.notify(0);
      lock.lock();
      continue;
    }
    // Put back what could not be written, and try again; the log has it in any case.
    trouble_ = done.error().message;
    waiting_.insert(waiting_.begin(), std::make_move_iterator(rows.begin()),
                    std::make_move_iterator(rows.end()));
    if (closing_) return;
    changed_.notify_all();  // who waits to read need not
    changed_.wait_for(lock, std::chrono::seconds(1), [this] { return closing_; });
    if (closing_) return;
  }
}

Status History::write_all_rows(const std::deque<Row>& rows, bool& priced) {
  LogIndex index;
  std::uint32_t ordinal = 0;
  for (const Row& row : rows) {
    priced = priced || row.event.has_price_moved();
    ordinal = row.index == index ? ordinal + 1 : 0;
    index = row.index;
    FALLOW_TRY(write_row(row, ordinal));
  }
  FALLOW_TRY(months_.store(writer_));
  return days_.store(writer_);
}

Status History::write(const std::deque<Row>& rows, LogIndex last, Time last_at) {
  FALLOW_TRY(writer_.exec("begin immediate"));
  bool priced = false;
  months_.clear();
  days_.clear();
  Status done = write_all_rows(rows, priced);
  if (done) {
    statements_.cursor.bind(1, static_cast<std::int64_t>(last.value));
    statements_.cursor.bind(2, last_at.us);
    done = writer_.run(statements_.cursor);
  }
  if (done && last.value > limits_.feed_commands_kept) {
    statements_.prune.bind(1, static_cast<std::int64_t>(last.value - limits_.feed_commands_kept));
    done = writer_.run(statements_.prune);
  }
  if (done && priced) {
    statements_.prune_prices.bind(1, static_cast<std::int64_t>(limits_.prices_kept));
    done = writer_.run(statements_.prune_prices);
  }
  const std::int32_t first_day = day_of(last_at) - limits_.days_kept;
  if (done && first_day > pruned_day_) {
    done = days_.prune(writer_, first_day);
    if (done) pruned_day_ = first_day;
  }
  if (done) done = writer_.exec("commit");
  if (!done) (void)writer_.exec("rollback");
  return done;
}

Status History::write_row(const Row& row, std::uint32_t ordinal) {
  if (row.event.has_meter_accepted()) {
    const v1::MeterRecord& record = row.event.meter_accepted().record();
    const std::string bytes = record.SerializeAsString();
    statements_.meter.bind(1, static_cast<std::int64_t>(record.lease()));
    statements_.meter.bind(2, record.sequence());
    statements_.meter.bind(3, bytes);
    FALLOW_TRY(writer_.run(statements_.meter));
  }
  if (row.event.has_transferred()) {
    const v1::Transferred& transfer = row.event.transferred();
    for (const bool receives : {false, true}) {
      const std::uint64_t account = receives ? transfer.to_account() : transfer.from_account();
      if (account == 0) continue;
      const std::string bytes =
          side_of(transfer, receives, row.index, row.time).SerializeAsString();
      statements_.transfer.bind(1, static_cast<std::int64_t>(account));
      statements_.transfer.bind(2, row.time.us);
      statements_.transfer.bind(3, bytes);
      FALLOW_TRY(writer_.run(statements_.transfer));
    }
    months_.add(transfer, row.time);
    days_.add(transfer, row.time);
  }
  if (row.placed) {
    FALLOW_TRY(months_.add(writer_, *row.placed));
    days_.add(*row.placed, row.time);
  }
  FALLOW_TRY(write_payout(row));
  if (row.event.has_price_moved()) {
    const v1::PriceMoved& moved = row.event.price_moved();
    const std::string bytes = price_view(moved, row.time).SerializeAsString();
    statements_.price.bind(1, moved.model());
    statements_.price.bind(2, moved.region());
    statements_.price.bind(3, bytes);
    FALLOW_TRY(writer_.run(statements_.price));
    FALLOW_TRY(add_interval(moved, row.time));
  }
  if (row.event.lease_ended().has_paid_wait()) {
    FALLOW_TRY(add_wait(row.event.lease_ended().paid_wait()));
  }
  return write_feed(row, ordinal);
}

bool History::wait_for(LogIndex index, Duration wait) {
  std::unique_lock lock(mutex_);
  (void)changed_.wait_for(lock, std::chrono::microseconds(wait.value),
                          [&] { return written_ >= index || !trouble_.empty(); });
  return written_ >= index;
}

std::string History::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

std::size_t History::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

Result<std::vector<v1::MeterRecord>> History::meters(LeaseId lease) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement select,
                reader_.prepare("select record from meters where lease = ? order by sequence"));
  select.bind(1, static_cast<std::int64_t>(lease.value));
  std::vector<v1::MeterRecord> records;
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    v1::MeterRecord record;
    const std::string_view bytes = select.blob(0);
    if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return fail(
          ErrorCode::kCorrupt,
          "{} holds a meter record that cannot be read; stop the server, delete the file and "
          "start again: it is made anew from the log",
          reader_.path());
    }
    records.push_back(std::move(record));
  }
  if (code != SQLITE_DONE) return tl::unexpected(reader_.error(code, "read"));
  return records;
}

namespace {

// The key of what is listed before `before`; 0 begins at the newest.
std::int64_t key_of(std::uint64_t before) {
  return before == 0 ? std::numeric_limits<std::int64_t>::max() : static_cast<std::int64_t>(before);
}

// Takes rows of (id, view) into `views`, count_max at most; the id of the last if there are more.
template <class View>
Result<std::uint64_t> take_page(SqliteDb& db, SqliteStatement& select, std::size_t count_max,
                                std::vector<View>& views) {
  std::uint64_t last_id = 0;
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    if (views.size() == count_max) return last_id;
    last_id = static_cast<std::uint64_t>(select.integer(0));
    const std::string_view bytes = select.blob(1);
    FALLOW_CHECK(views.emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size())),
                 "a row that this program wrote cannot be read");
  }
  if (code != SQLITE_DONE) return tl::unexpected(db.error(code, "read"));
  return 0;
}

}  // namespace

Result<TransferHistory::Page> History::transfers(AccountId account, std::uint64_t before,
                                                 std::size_t count_max) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement select,
                reader_.prepare("select id, view from transfers where account = ? and id < ? "
                                "order by id desc limit ?"));
  select.bind(1, static_cast<std::int64_t>(account.value));
  select.bind(2, key_of(before));
  select.bind(3, static_cast<std::int64_t>(count_max) + 1);
  TransferHistory::Page page;
  FALLOW_ASSIGN(page.next, take_page(reader_, select, count_max, page.transfers));
  return page;
}

Result<PriceHistory::Page> History::prices(const std::string& model, const std::string& region,
                                           std::uint64_t before, std::size_t count_max) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement select,
                reader_.prepare(fmt::format("select id, view from prices where model = ?1 {} "
                                            "and id < ?2 order by id desc limit ?3",
                                            region.empty() ? "" : "and region = ?4")));
  select.bind(1, model);
  select.bind(2, key_of(before));
  select.bind(3, static_cast<std::int64_t>(count_max) + 1);
  if (!region.empty()) select.bind(4, region);
  PriceHistory::Page page;
  FALLOW_ASSIGN(page.next, take_page(reader_, select, count_max, page.prices));
  return page;
}

}  // namespace fallow::server
