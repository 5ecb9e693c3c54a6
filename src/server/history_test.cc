#include "server/history.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "base/check.h"
#include "core/test_market.h"

namespace fallow::server {
namespace {

class HistoryTest : public testing::Test {
 protected:
  HistoryTest() {
    std::string folder = testing::TempDir() + "fallow-history-XXXXXX";
    FALLOW_CHECK(::mkdtemp(folder.data()) != nullptr, "no folder");
    folder_ = folder;
    path_ = folder_ / "history.db";
    v1::Command found = core::test_found();
    apply(found);
    open();
  }
  ~HistoryTest() override {
    history_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open(HistoryLimits limits = {}) {
    history_.reset();
    auto opened = History::open(path_, limits);
    ASSERT_TRUE(opened) << opened.error().message;
    history_ = std::move(*opened);
  }
  // Events of one command, as the engine would hand them over, and written.
  void tell(const std::vector<v1::Event>& events, Time at = Time{1'000'000}) {
    const LogIndex index(++last_);
    const v1::Command command;
    const core::Events told(events);
    const std::vector<engine::Applied> applied = {{index, at, &command, told}};
    history_->on_batch(engine::Batch{at, {}, applied}, machine_);
    ASSERT_TRUE(history_->wait_for(index, seconds(10))) << history_->trouble();
  }
  void apply(v1::Command& command) {
    core::Events events;
    machine_.apply(machine_.last_index() + LogIndex(1), Time{1'000'000}, command, events);
  }

  static v1::Event paid(std::uint64_t from, std::uint64_t to, std::int64_t micros) {
    v1::Event event;
    v1::Transferred& told = *event.mutable_transferred();
    told.set_from_account(from);
    told.set_from_kind(v1::HELD);
    told.set_to_account(to);
    told.set_to_kind(v1::PENDING);
    told.set_amount_micros(micros);
    told.set_reason(v1::CHARGED);
    return event;
  }
  static v1::Event metered(std::uint64_t lease, std::uint32_t sequence) {
    v1::Event event;
    event.mutable_meter_accepted()->mutable_record()->set_lease(lease);
    event.mutable_meter_accepted()->mutable_record()->set_sequence(sequence);
    return event;
  }
  static v1::Event moved(const char* region, std::int64_t micros, std::uint64_t trades) {
    v1::Event event;
    v1::PriceMoved& told = *event.mutable_price_moved();
    told.set_model("rtx_4090");
    told.set_region(region);
    told.set_open_micros(micros);
    told.set_close_micros(micros + 1);
    told.set_trades(trades);
    told.set_mean_micros(micros);
    told.set_use_basis_points(2'500);
    return event;
  }

  void tell_at(std::int64_t hour, std::int64_t second, const std::vector<v1::Event>& events) {
    tell(events, Time{} + hours(hour) + seconds(second));
  }
  // Of so many thousandths offered and leased all the time, from one second of an hour to another.
  static v1::Event interval(const char* region, std::int64_t hour, std::int64_t from,
                            std::int64_t until, std::int64_t offered, std::int64_t leased) {
    v1::Event event = moved(region, 400'000, 0);
    v1::PriceMoved& told = *event.mutable_price_moved();
    told.set_began_at_us((Time{} + hours(hour) + seconds(from)).us);
    told.set_offered_ms((until - from) * 1'000 * offered);
    told.set_leased_ms((until - from) * 1'000 * leased);
    return event;
  }
  static v1::Event waited(std::int64_t from, std::int64_t until, std::uint64_t thousandths,
                          std::int64_t most) {
    v1::Event event;
    v1::PaidWait& wait = *event.mutable_lease_ended()->mutable_paid_wait();
    wait.set_model("rtx_4090");
    wait.set_region("eu");
    wait.set_thousandths(thousandths);
    wait.set_from_us(seconds(from).value);
    wait.set_until_us(seconds(until).value);
    wait.set_device_hour_micros_max(most);
    return event;
  }

  std::filesystem::path folder_;
  std::string path_;
  core::Machine machine_;
  std::unique_ptr<History> history_;
  std::uint64_t last_ = 0;
};

TEST_F(HistoryTest, BothSidesOfATransferSeeItInPagesFromTheNewest) {
  for (int i = 1; i <= 5; ++i) tell({paid(7, 8, i)});
  const auto first = history_->transfers(AccountId(7), 0, 2);
  ASSERT_TRUE(first);
  ASSERT_EQ(first->transfers.size(), 2U);
  EXPECT_EQ(first->transfers[0].amount(), "-0.000005");
  const auto second = history_->transfers(AccountId(7), first->next, 3);
  ASSERT_EQ(second->transfers.size(), 3U);
  EXPECT_EQ(second->transfers[2].amount(), "-0.000001");
  EXPECT_EQ(second->next, 0U);
  EXPECT_EQ(history_->transfers(AccountId(8), 0, 1)->transfers[0].amount(), "0.000005");
  EXPECT_TRUE(history_->transfers(AccountId(9), 0, 1)->transfers.empty());
}

TEST_F(HistoryTest, MetersOfALeaseComeInOrderAndOnce) {
  tell({metered(5, 2), metered(6, 1)});
  tell({metered(5, 1), metered(5, 2)});
  const auto records = history_->meters(LeaseId(5));
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 2U);
  EXPECT_EQ((*records)[0].sequence(), 1U);
  EXPECT_EQ((*records)[1].sequence(), 2U);
}

TEST_F(HistoryTest, PricesAreKeptByClass) {
  tell({moved("eu", 400'000, 0), moved("us", 500'000, 3)});
  tell({moved("eu", 410'000, 1)});
  const auto all = history_->prices("rtx_4090", "", 0, 10);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->prices.size(), 3U);
  EXPECT_EQ(all->prices[0].open(), "0.41");
  EXPECT_EQ(all->prices[0].close(), "0.410001");
  EXPECT_DOUBLE_EQ(all->prices[0].use(), 0.25);
  const auto eu = history_->prices("rtx_4090", "eu", 0, 1);
  ASSERT_EQ(eu->prices.size(), 1U);
  EXPECT_NE(eu->next, 0U);
  const auto older = history_->prices("rtx_4090", "eu", eu->next, 1);
  ASSERT_EQ(older->prices.size(), 1U);
  EXPECT_EQ(older->prices[0].open(), "0.40");
  EXPECT_EQ(older->prices[0].mean(), "") << "nothing was leased in it";
  EXPECT_EQ(older->next, 0U);
  EXPECT_TRUE(history_->prices("h100", "", 0, 1)->prices.empty());
}

TEST_F(HistoryTest, GoesOnWhereItStoodAndForgetsOldEvents) {
  HistoryLimits limits;
  limits.feed_commands_kept = 3;
  open(limits);
  for (int i = 1; i <= 5; ++i) tell({paid(7, 8, i)});
  open(limits);
  EXPECT_EQ(history_->cursor(), LogIndex(5));
  EXPECT_EQ(history_->read(AccountId(), LogIndex(0), 10).error().code, ErrorCode::kNotFound);
  const auto kept = history_->read(AccountId(), LogIndex(3), 10);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->events.size(), 2U);
  EXPECT_EQ(kept->scanned, LogIndex(5));
  EXPECT_EQ(history_->transfers(AccountId(7), 0, 10)->transfers.size(), 5U);
}

TEST_F(HistoryTest, AnEventIsFoundByItsPlaceAndByItsMoment) {
  tell({metered(1, 1)}, Time{10});
  tell({paid(7, 8, 1), paid(9, 8, 1), paid(7, 9, 1)}, Time{10});
  tell({}, Time{15});  // a command that nothing came of
  tell({paid(7, 8, 1)}, Time{20});
  tell({paid(7, 8, 1)}, Time{30});
  const auto batch = history_->read(AccountId(7), LogIndex(0), 10);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->ordinals, (std::vector<std::uint32_t>{0, 2, 0, 0}));
  ASSERT_EQ(batch->events.size(), 4U);
  EXPECT_EQ(batch->events[1].index(), 2U);
  const auto first_since = [&](std::int64_t us) { return history_->index_at(Time{us})->value; };
  EXPECT_EQ(first_since(0), 1U);
  EXPECT_EQ(first_since(10), 1U);
  EXPECT_GT(first_since(11), 2U);
  EXPECT_LE(first_since(11), 4U);
  EXPECT_LE(first_since(20), 4U);
  EXPECT_EQ(first_since(21), 5U);
  EXPECT_EQ(first_since(31), 6U);
}

TEST_F(HistoryTest, ASearchGoesBackFromTheNewestAReadingAtATime) {
  for (int i = 1; i <= 3; ++i) tell({metered(5, 1), paid(7, 8, i)}, Time{i * 10});
  std::vector<v1::Event> many(5'000, metered(6, 1));
  tell(many, Time{40});
  AuditSource::Filter filter;
  filter.lease = 5;
  const auto first = history_->search(filter, {}, 10);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(first->entries.empty()) << "one reading came no further";
  ASSERT_TRUE(first->next);
  const auto second = history_->search(filter, first->next, 2);
  ASSERT_EQ(second->entries.size(), 2U);
  EXPECT_EQ(second->entries[0].index(), 3U);
  EXPECT_EQ(second->entries[0].kind(), "meter_accepted");
  const auto last = history_->search(filter, second->next, 2);
  ASSERT_EQ(last->entries.size(), 1U);
  EXPECT_EQ(last->entries[0].index(), 1U);
  EXPECT_FALSE(last->next);
  filter = {};
  filter.account = AccountId(8);
  filter.since = Time{20};
  filter.until = Time{30};
  const auto bounded = history_->search(filter, {}, 10);
  ASSERT_EQ(bounded->entries.size(), 1U);
  EXPECT_EQ(bounded->entries[0].index(), 2U);
  EXPECT_EQ(bounded->entries[0].ordinal(), 1U);
}

TEST_F(HistoryTest, OldPricesLeave) {
  HistoryLimits limits;
  limits.prices_kept = 2;
  open(limits);
  for (int i = 1; i <= 5; ++i) tell({moved("eu", i, 0)});
  const auto kept = history_->prices("rtx_4090", "", 0, 10);
  ASSERT_EQ(kept->prices.size(), 2U);
  EXPECT_EQ(kept->prices[0].open(), "0.000005");
  EXPECT_EQ(kept->prices[1].open(), "0.000004");
}

TEST_F(HistoryTest, HoursOfAClassAreTheSumsOfTheirIntervals) {
  tell_at(10, 300, {interval("eu", 10, 0, 300, 2'000, 500)});
  tell_at(10, 3'600, {interval("eu", 10, 3'300, 3'600, 2'000, 1'500)});
  tell_at(11, 300, {interval("eu", 11, 0, 300, 1'000, 0), interval("us", 11, 0, 300, 8'000, 0)});
  const auto eu = history_->hours({"rtx_4090", "eu"}, 0);
  ASSERT_TRUE(eu) << eu.error().message;
  EXPECT_EQ(*eu, (std::vector<ClassHour>{{10, 600'000, 1'200'000'000, 600'000'000, 0},
                                         {11, 300'000, 300'000'000, 0, 0}}));
  EXPECT_EQ(history_->hours({"rtx_4090", "eu"}, 11)->size(), 1U);
  const auto classes = history_->classes_after({}, 10);
  ASSERT_TRUE(classes);
  EXPECT_EQ(*classes, (std::vector<core::PriceClass>{{"rtx_4090", "eu"}, {"rtx_4090", "us"}}));
  EXPECT_EQ(history_->classes_after({"rtx_4090", "eu"}, 10)->size(), 1U);
  EXPECT_EQ(history_->classes_after({}, 1)->size(), 1U);
}

TEST_F(HistoryTest, AnIntervalOfMoreThanAnHourSaysNothingOfAnyHour) {
  tell_at(20, 0, {interval("eu", 10, 0, 36'000, 2'000, 500)});
  EXPECT_TRUE(history_->hours({"rtx_4090", "eu"}, 0)->empty());
}

TEST_F(HistoryTest, AWaitCountsInTheHoursThatItWasIn) {
  tell_at(10, 3'600, {interval("eu", 10, 3'300, 3'600, 2'000, 2'000)});
  tell_at(11, 300, {interval("eu", 11, 0, 300, 2'000, 2'000)});
  tell_at(12, 0, {waited(10 * 3'600 + 3'540, 11 * 3'600 + 30, 1'500, 400'000)});
  const auto hours = history_->hours({"rtx_4090", "eu"}, 0);
  ASSERT_EQ(hours->size(), 2U);
  EXPECT_EQ((*hours)[0].waited_ms, 60 * 1'500'000);
  EXPECT_EQ((*hours)[1].waited_ms, 30 * 1'500'000);
}

TEST_F(HistoryTest, AWaitForAPriceThatNothingWentForCountsForNothing) {
  tell_at(10, 3'600, {interval("eu", 10, 3'300, 3'600, 2'000, 2'000)});
  tell_at(12, 0, {waited(10 * 3'600, 10 * 3'600 + 60, 1'000, 399'999)});
  EXPECT_EQ((*history_->hours({"rtx_4090", "eu"}, 0))[0].waited_ms, 0);
  tell_at(12, 0, {waited(10 * 3'600, 10 * 3'600 + 60, 1'000, 0)});
  EXPECT_EQ((*history_->hours({"rtx_4090", "eu"}, 0))[0].waited_ms, 60'000'000)
      << "no limit at all";
}

TEST_F(HistoryTest, AWaitInAnHourWithoutAnIntervalYetCounts) {
  tell_at(10, 120, {waited(10 * 3'600, 10 * 3'600 + 60, 1'000, 400'000)});
  tell_at(10, 130, {waited(10 * 3'600, 10 * 3'600 + 30, 1'000, 300'000)});
  EXPECT_TRUE(history_->hours({"rtx_4090", "eu"}, 0)->empty()) << "nothing is known of the hour";
  tell_at(10, 300, {interval("eu", 10, 0, 300, 1'000, 0)});
  const auto hours = history_->hours({"rtx_4090", "eu"}, 0);
  ASSERT_EQ(hours->size(), 1U);
  EXPECT_EQ((*hours)[0].waited_ms, 90'000'000);
  EXPECT_EQ((*hours)[0].span_ms, 300'000);
}

TEST_F(HistoryTest, OldHoursLeave) {
  HistoryLimits limits;
  limits.hours_kept = 5;
  open(limits);
  tell_at(1, 300, {interval("gone", 1, 0, 300, 1'000, 0)});
  for (std::int64_t hour = 1; hour <= 9; ++hour) {
    tell_at(hour, 300, {interval("eu", hour, 0, 300, 1'000, 0)});
  }
  EXPECT_TRUE(history_->hours({"rtx_4090", "gone"}, 0)->empty()) << "nobody offers it any more";
  const auto kept = history_->hours({"rtx_4090", "eu"}, 0);
  ASSERT_EQ(kept->size(), 6U);
  EXPECT_EQ(kept->front().hour, 4);
}

TEST_F(HistoryTest, OldDaysOfEarningsLeave) {
  HistoryLimits limits;
  limits.days_kept = 2;
  open(limits);
  for (std::int64_t day = 100; day <= 104; ++day) tell_at(day * 24, 0, {paid(7, 8, day)});
  EarningsHistory::DaysAsked asked;
  asked.account = AccountId(8);
  asked.last_day = 1'000;
  asked.rows_max = 10;
  const auto kept = history_->earnings(asked);
  ASSERT_TRUE(kept) << kept.error().message;
  ASSERT_EQ(kept->rows.size(), 3U);
  EXPECT_EQ(kept->rows.back().earned(), "0.000102");
}

TEST_F(HistoryTest, AFileOfAnEarlierVersionIsEmptiedToBeMadeAnew) {
  tell({paid(7, 8, 1)});
  history_.reset();
  {
    auto db = SqliteDb::open(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(db);
    ASSERT_TRUE(db->exec("drop table hours; pragma user_version=2"));
  }
  open();
  EXPECT_EQ(history_->cursor(), LogIndex(0)) << "the engine begins at the log's first command";
  EXPECT_TRUE(history_->transfers(AccountId(7), 0, 10)->transfers.empty());
  tell({moved("eu", 400'000, 0), paid(7, 8, 1)});
  EXPECT_EQ(history_->prices("rtx_4090", "eu", 0, 1)->prices.size(), 1U);
  EXPECT_EQ(history_->transfers(AccountId(7), 0, 10)->transfers.size(), 1U);
}

TEST_F(HistoryTest, AFileOfALaterVersionIsLeftAlone) {
  history_.reset();
  {
    auto db = SqliteDb::open(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(db);
    ASSERT_TRUE(db->exec("pragma user_version=99"));
  }
  const auto opened = History::open(path_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("delete it"), std::string::npos);
}

}  // namespace
}  // namespace fallow::server
