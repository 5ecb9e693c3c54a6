// History: what the market's events leave behind for people to read: meter records by lease,
// transfers and months by account, prices and hours by class, the feed. A read model: it can be
// rebuilt from the log at any time, and the log decides when they differ.
//
// Owner: Server. It follows the engine with a cursor of its own, so that nothing is lost when the
// process dies before a row is on the disk. Batches arrive on the market thread and are written by
// a thread of its own; reads may come from any thread and block on the local disk only.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/sqlite_db.h"
#include "engine/batch.h"
#include "server/day_sums.h"
#include "server/feed_filter.h"
#include "server/month_sums.h"
#include "server/named_ids.h"
#include "server/ports.h"
#include "server/watchers.h"

namespace fallow::server {

struct HistoryLimits {
  std::size_t events_waiting_max = 262'144;      // beyond, the market thread waits for the disk
  std::uint64_t feed_commands_kept = 1'000'000;  // older events leave the feed
  std::uint64_t prices_kept = 10'000'000;        // intervals of all classes; older ones leave
  std::int64_t hours_kept = 26 * 7 * 24;         // of each class; older ones leave
  std::int32_t days_kept = 1'098;                // three years of earnings; older ones leave
};

class History final : public engine::Subscriber,
                      public TransferHistory,
                      public StatementHistory,
                      public EarningsHistory,
                      public PriceHistory,
                      public HourHistory,
                      public FeedSource,
                      public AuditSource {
 public:
  // Opens or makes the file. One of an earlier version is emptied: its cursor is 0, and the engine
  // fills it from the log. An error when it is of a later version: delete it, and it is made anew.
  static Result<std::unique_ptr<History>> open(const std::string& path, HistoryLimits limits = {});
  ~History() override;

  // Subscriber.
  std::string_view name() const override { return "history"; }
  std::optional<LogIndex> cursor() const override { return LogIndex(start_); }
  void on_batch(const engine::Batch& batch, const core::Machine& machine) override;

  // The accepted meter records of a lease, in order.
  Result<std::vector<v1::MeterRecord>> meters(LeaseId lease);
  // Why nothing is written at the moment; empty: all is well.
  std::string trouble() const;
  // Events that the disk has not got yet: at events_waiting_max the market thread waits.
  std::size_t waiting() const;

  // TransferHistory, StatementHistory (whose readings go before this), EarningsHistory,
  // PriceHistory, HourHistory, FeedSource, AuditSource.
  bool wait_for(LogIndex index, Duration wait) override;
  Result<TransferHistory::Page> transfers(AccountId account, std::uint64_t before,
                                          std::size_t count_max) override;
  Result<StatementHistory::Page> statement(const Asked& asked) override;
  Result<std::unique_ptr<Reading>> read_whole(const Asked& asked) override;
  Result<DaysPage> earnings(const DaysAsked& asked) override;
  Result<PayoutsPage> payouts(AccountId account, std::uint64_t before,
                              std::size_t count_max) override;
  Result<PriceHistory::Page> prices(const std::string& model, const std::string& region,
                                    std::uint64_t before, std::size_t count_max) override;
  Result<std::vector<v1::PriceView>> classes(std::size_t count_max) override;
  Result<std::vector<ClassHour>> hours(const core::PriceClass& of, std::int64_t from_hour) override;
  Result<std::vector<core::PriceClass>> classes_after(const core::PriceClass& after,
                                                      std::size_t count_max) override;
  Result<FeedSource::Batch> read(AccountId account, LogIndex after, std::size_t count_max) override;
  Result<LogIndex> index_at(Time since) override;
  std::unique_ptr<Subscription> watch(std::function<void()> changed) override;
  Result<AuditSource::Page> search(const Filter& wanted, std::optional<AuditSource::Place> before,
                                   std::size_t count_max) override;

 private:
  // What an event's row says of its command.
  struct OfCommand {
    AccountId actor;
    int kind = 0;
    NamedIds ids;
    std::string reference;  // of SettlePayout
  };
  struct Row {
    LogIndex index;
    Time time;
    OfCommand command;
    Concerned concerned;
    v1::Event event;
    std::unique_ptr<PlacedLease> placed;  // of LeasePlaced
  };
  struct Statements {
    SqliteStatement meter, transfer, price, feed, prune, prune_prices, cursor, hour, prune_hours,
        wait, ask_payout, settle_payout;
  };

  History(SqliteDb writer, SqliteDb reader, std::uint64_t start, HistoryLimits limits);
  Status prepare();
  void write_loop();
  Status write(const std::deque<Row>& rows, LogIndex last, Time last_at);
  Status write_all_rows(const std::deque<Row>& rows, bool& priced);
  Status write_row(const Row& row, std::uint32_t ordinal);
  Status write_payout(const Row& row);
  Status write_feed(const Row& row, std::uint32_t ordinal);
  // class_hours.cc
  Status prepare_hours();
  Status add_interval(const v1::PriceMoved& moved, Time time);
  Status add_wait(const v1::PaidWait& wait);

  const HistoryLimits limits_;
  std::int64_t pruned_hour_ = 0;  // of the hours; write_loop() alone
  const std::uint64_t start_;     // the cursor as the file had it

  SqliteDb writer_;  // of the writing thread
  Statements statements_;
  MonthSums months_;
  DaySums days_;
  std::int32_t pruned_day_ = 0;

  std::mutex reader_mutex_;
  SqliteDb reader_;
  std::atomic<std::size_t> readings_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Row> waiting_;
  LogIndex waiting_last_;
  Time waiting_last_at_;
  LogIndex written_;
  std::string trouble_;
  bool closing_ = false;

  Watchers watchers_;
  std::thread thread_;
};

}  // namespace fallow::server
