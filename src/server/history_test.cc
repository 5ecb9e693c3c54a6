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
  void tell(const std::vector<v1::Event>& events) {
    const LogIndex index(++last_);
    const v1::Command command;
    const std::vector<engine::Applied> applied = {{index, Time{1'000'000}, &command, events}};
    history_->on_batch(engine::Batch{Time{1'000'000}, {}, applied}, machine_);
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

TEST_F(HistoryTest, AFileFromBeforeThePricesIsTakenOver) {
  tell({paid(7, 8, 1)});
  history_.reset();
  {
    auto db = SqliteDb::open(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(db);
    ASSERT_TRUE(db->exec("drop table prices; pragma user_version=1"));
  }
  open();
  tell({moved("eu", 400'000, 0)});
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
