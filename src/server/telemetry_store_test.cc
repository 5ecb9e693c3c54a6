#include "server/telemetry_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace fallow::server {
namespace {

class TelemetryStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "telemetry_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void reopen() {
    store_.reset();
    auto store = TelemetryStore::open(folder_ + "/telemetry.db", limits_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }

  static v1::Telemetry sample(std::uint32_t celsius) {
    v1::Telemetry told;
    told.mutable_now()->add_devices()->set_celsius(celsius);
    return told;
  }
  void minute(std::uint64_t node, Time at, std::uint32_t celsius) {
    v1::Telemetry told;
    told.mutable_minute()->set_seconds(60);
    told.mutable_minute()->mutable_max()->add_devices()->set_celsius(celsius);
    store_->take(NodeId(node), std::move(told), at);
  }
  // What is kept of node 5 once everything is written.
  std::vector<std::uint32_t> kept(Time after = {}, std::size_t count_max = 100) {
    reopen();
    std::vector<std::uint32_t> found;
    const auto minutes = store_->minutes(NodeId(5), after, kBegin + hours(1'000), count_max);
    EXPECT_TRUE(minutes);
    for (const auto& one : *minutes) found.push_back(one.minute.max().devices(0).celsius());
    return found;
  }

  static constexpr Time kBegin{1'700'000'000'000'000};
  TelemetryLimits limits_;
  std::string folder_;
  std::unique_ptr<TelemetryStore> store_;
};

TEST_F(TelemetryStoreTest, SamplesAreKeptOnlyOfNodesThatAreWatched) {
  store_->take(NodeId(5), sample(50), kBegin);
  EXPECT_FALSE(store_->latest(NodeId(5)));
  EXPECT_TRUE(store_->watched().empty());
  int changes = 0;
  auto watch = store_->watch(NodeId(5), [&] { ++changes; });
  auto second = store_->watch(NodeId(5), [] {});
  EXPECT_EQ(store_->watched(), std::vector{NodeId(5)});
  EXPECT_FALSE(store_->latest(NodeId(5))) << "nothing has come since";
  store_->take(NodeId(5), sample(60), kBegin + seconds(1));
  store_->take(NodeId(6), sample(99), kBegin + seconds(1));
  EXPECT_EQ(changes, 1);
  ASSERT_TRUE(store_->latest(NodeId(5)));
  EXPECT_EQ(store_->latest(NodeId(5))->sample.devices(0).celsius(), 60U);
  EXPECT_EQ(store_->latest(NodeId(5))->at, kBegin + seconds(1));
  watch.reset();
  EXPECT_EQ(store_->watched().size(), 1U) << "one still watches";
  second.reset();
  EXPECT_TRUE(store_->watched().empty());
  EXPECT_FALSE(store_->latest(NodeId(5)));
}

TEST_F(TelemetryStoreTest, MinutesComeBackInOrderAndByThePage) {
  minute(5, kBegin + minutes(2), 52);
  minute(5, kBegin + minutes(1), 51);
  minute(6, kBegin + minutes(1), 99);
  minute(5, kBegin + minutes(3), 53);
  EXPECT_EQ(kept(), (std::vector<std::uint32_t>{51, 52, 53}));
  EXPECT_EQ(kept(kBegin + minutes(1)), (std::vector<std::uint32_t>{52, 53}));
  EXPECT_EQ(kept({}, 2), (std::vector<std::uint32_t>{51, 52}));
}

TEST_F(TelemetryStoreTest, WhatIsOldOrTooMuchLeaves) {
  limits_.kept = hours(2);
  reopen();
  minute(5, kBegin, 50);
  minute(5, kBegin + hours(1), 51);
  EXPECT_EQ(kept().size(), 2U);
  minute(5, kBegin + hours(2) + minutes(30), 52);
  EXPECT_EQ(kept(), (std::vector<std::uint32_t>{51, 52}));
  limits_.minutes_kept = 3;
  reopen();
  for (std::uint32_t i = 0; i < 9; ++i) minute(5, kBegin + hours(2) + minutes(31 + i), 60 + i);
  EXPECT_EQ(kept(), (std::vector<std::uint32_t>{66, 67, 68}));
}

TEST_F(TelemetryStoreTest, NotesOfOwnersAreKeptNewestFirstAndNotForEver) {
  limits_.owner_notes_of_node_kept = 3;
  limits_.owner_kept = hours(10);
  reopen();
  const auto told = [this](std::uint64_t node, Time at, const char* why, Duration ago = {}) {
    v1::Telemetry telemetry;
    v1::OwnerNote& note = *telemetry.add_owner();
    note.set_act(v1::OWNER_CAME);
    note.set_why(why);
    note.set_ago_us(ago.value);
    store_->take(NodeId(node), std::move(telemetry), at);
  };
  const auto whys = [this](std::uint64_t before = 0, std::size_t count_max = 10) {
    std::vector<std::string> found;
    const auto moments = store_->owner_moments(NodeId(5), before, count_max);
    EXPECT_TRUE(moments);
    for (const auto& one : *moments) found.push_back(one.note.why());
    return found;
  };
  told(5, kBegin, "first");
  told(6, kBegin, "another's");
  told(5, kBegin + hours(1), "second", minutes(10));
  told(5, kBegin + hours(2), "third", hours(-1));
  reopen();
  EXPECT_EQ(whys(), (std::vector<std::string>{"third", "second", "first"}));
  const auto two = store_->owner_moments(NodeId(5), 0, 2);
  EXPECT_EQ((*two)[0].at, kBegin + hours(2)) << "nothing comes from the future";
  EXPECT_EQ((*two)[1].at, kBegin + minutes(50));
  EXPECT_EQ(whys((*two)[1].id), (std::vector<std::string>{"first"}));
  told(5, kBegin + hours(3), "fourth");
  reopen();
  EXPECT_EQ(whys(), (std::vector<std::string>{"fourth", "third", "second"}));
  told(6, kBegin + hours(12) + minutes(30), "another's, later");
  reopen();
  EXPECT_EQ(whys(), (std::vector<std::string>{"fourth"}));
}

// 90 days are promised: a node that says nothing of its owner any more is no reason to keep more.
TEST_F(TelemetryStoreTest, OldNotesLeaveThoughNoneIsWritten) {
  limits_.kept = limits_.owner_kept = hours(10);
  reopen();
  const auto note = [this](Time at, Duration ago) {
    v1::Telemetry telemetry;
    telemetry.add_owner()->set_ago_us(ago.value);
    store_->take(NodeId(5), std::move(telemetry), at);
  };
  const auto notes = [this] {
    reopen();
    return store_->owner_moments(NodeId(5), 0, 10)->size();
  };
  note(kBegin, Duration());
  EXPECT_EQ(notes(), 1U);
  minute(6, kBegin + hours(9), 50);
  EXPECT_EQ(notes(), 1U);
  minute(6, kBegin + hours(11), 51);
  EXPECT_EQ(notes(), 0U);
  // What is told late does not keep what is old.
  minute(5, kBegin + hours(12), 52);
  EXPECT_EQ(kept().size(), 1U);
  minute(6, kBegin + hours(23), 53);
  note(kBegin + hours(23), hours(9));
  EXPECT_EQ(notes(), 1U);
  EXPECT_TRUE(kept().empty());
}

TEST_F(TelemetryStoreTest, AFileFromBeforeThereWereNotesGoesOn) {
  minute(5, kBegin, 50);
  store_.reset();
  {
    auto db = SqliteDb::open(folder_ + "/telemetry.db", SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(db);
    ASSERT_TRUE(db->exec("drop table owner_notes; pragma user_version=1"));
  }
  EXPECT_EQ(kept(), std::vector<std::uint32_t>{50});
  EXPECT_TRUE(store_->owner_moments(NodeId(5), 0, 10)->empty());
}

// Few minutes may be many bytes: a node says how many devices it has.
TEST_F(TelemetryStoreTest, ItsFileStaysWithinItsBytes) {
  constexpr std::uint32_t kMinutes = 120;
  constexpr int kDevices = 1'000;
  limits_.bytes_max = 200 * 1'024;
  reopen();
  std::size_t minute_bytes = 0;
  for (std::uint32_t i = 0; i < kMinutes; ++i) {
    v1::Telemetry told;
    v1::TelemetrySample& max = *told.mutable_minute()->mutable_max();
    for (int device = 0; device < kDevices; ++device) max.add_devices()->set_celsius(1 + i);
    minute_bytes = told.minute().ByteSizeLong();
    store_->take(NodeId(5), std::move(told), kBegin + minutes(i));
    if (i % 10 == 9) reopen();  // written, ten at once
  }
  ASSERT_GT(kMinutes * minute_bytes, 2 * limits_.bytes_max);
  const auto left = kept({}, kMinutes);
  ASSERT_FALSE(left.empty());
  EXPECT_LT(left.size() * minute_bytes, limits_.bytes_max);
  EXPECT_GT(left.size() * minute_bytes, limits_.bytes_max / 2) << "no more leave than must";
  // The newest, without a gap.
  for (std::size_t i = 0; i < left.size(); ++i) EXPECT_EQ(left[i], kMinutes - left.size() + i + 1);
  store_.reset();
  EXPECT_LE(std::filesystem::file_size(folder_ + "/telemetry.db"),
            limits_.bytes_max + 2 * 10 * minute_bytes);
}

}  // namespace
}  // namespace fallow::server
