#include "engine/recovery.h"

#include "engine/market_test.h"
#include "engine/snapshotter.h"
#include "log/memory_snapshots.h"

namespace fallow::engine {
namespace {

std::vector<std::string> bytes_of(const std::vector<v1::Command>& commands) {
  std::vector<std::string> bytes;
  for (const v1::Command& command : commands) bytes.push_back(command.SerializeAsString());
  return bytes;
}

// A log of Found, a lease (entries of one), and one entry of three deposits at its end.
struct RecoveryTest : testing::Test {
  RecoveryTest() {
    append({found_command()});
    for (const v1::Command& command : commands_to_a_lease()) append({command});
    append({deposit(2 * 4096, 1, "a"), deposit(2 * 4096, 2, "b"), deposit(2 * 4096, 3, "c")});
  }
  void append(const std::vector<v1::Command>& commands) {
    const std::vector<std::string> bytes = bytes_of(commands);
    const std::vector<std::string_view> payloads(bytes.begin(), bytes.end());
    at = at + seconds(1);
    ASSERT_TRUE(log.append(payloads, at));
  }
  // A snapshot of the market after `commands` commands, as store.begin() wants it.
  void keep_snapshot(std::uint64_t commands, std::optional<Digest> chain = std::nullopt) {
    log::MemoryLog prefix;
    const auto entries = log.read(LogIndex(1), std::size_t{1} << 30);
    ASSERT_TRUE(entries);
    for (const log::Entry& entry : *entries) {
      if (entry.last().value > commands) break;
      std::vector<std::string_view> payloads;
      for (std::size_t i = 0; i < entry.size(); ++i) payloads.push_back(entry.payload(i));
      ASSERT_TRUE(prefix.append(payloads, entry.time()));
    }
    auto recovered = recover(prefix, nullptr, {}, {}, nullptr);
    ASSERT_TRUE(recovered);
    if (chain) recovered->head.chain = *chain;
    ASSERT_TRUE(save(*recovered->machine, recovered->head, snapshots, nullptr));
  }
  Recovered must_recover(std::vector<Subscriber*> subscribers = {}) {
    auto recovered = recover(log, &snapshots, {}, subscribers, nullptr);
    EXPECT_TRUE(recovered) << recovered.error().message;
    return std::move(*recovered);
  }

  static constexpr std::uint64_t kLast = 11;
  Time at{1'700'000'000'000'000};
  log::MemoryLog log;
  log::MemorySnapshots snapshots{3};
};

TEST_F(RecoveryTest, AnEmptyLogIsAnEmptyMarket) {
  log::MemoryLog empty;
  const auto recovered = recover(empty, &snapshots, {}, {}, nullptr);
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->head, log::genesis_head());
  EXPECT_FALSE(recovered->machine->founded());
}

TEST_F(RecoveryTest, ASnapshotAndItsTailAreTheWholeReplay) {
  const auto whole = recover(log, nullptr, {}, {}, nullptr);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->replayed, kLast);
  for (const std::uint64_t place : {1U, 3U, 8U, 11U}) {
    keep_snapshot(place);
    const Recovered recovered = must_recover();
    EXPECT_EQ(recovered.snapshot.value, place);
    EXPECT_EQ(recovered.replayed, kLast - place);
    EXPECT_EQ(recovered.machine->digest(), whole->machine->digest());
    EXPECT_EQ(recovered.head, whole->head);
    EXPECT_TRUE(recovered.notes.empty());
    recovered.machine->check_invariants();
  }
}

TEST_F(RecoveryTest, SubscribersAreToldWhatLiesBehindTheirCursor) {
  keep_snapshot(4);
  keep_snapshot(8);
  Recorder ahead(LogIndex(10));  // in the middle of the last entry
  Recorder behind(LogIndex(5));
  Recorder done{LogIndex(kLast)};
  Recorder live;
  const Recovered recovered = must_recover({&ahead, &behind, &done, &live});
  EXPECT_EQ(recovered.snapshot.value, 4U) << "not ahead of the slowest";
  EXPECT_EQ(ahead.indexes, (std::vector<std::uint64_t>{11}));
  EXPECT_EQ(behind.indexes, (std::vector<std::uint64_t>{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(count_of(behind.events, v1::Event::kLeasePlaced), 1U);
  EXPECT_TRUE(done.indexes.empty());
  EXPECT_TRUE(live.indexes.empty());
}

TEST_F(RecoveryTest, ASubscriberThatKnowsMoreThanTheLogIsAnError) {
  Recorder recorder(LogIndex(kLast + 1));
  std::vector<Subscriber*> subscribers{&recorder};
  const auto recovered = recover(log, &snapshots, {}, subscribers, nullptr);
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(recovered.error().message.find("history.db has seen command 12"), std::string::npos);
}

TEST_F(RecoveryTest, SnapshotsThatDoNotFitArePassedOver) {
  keep_snapshot(3);
  keep_snapshot(8, Digest{});  // of another log
  const auto garbage = snapshots.begin(LogIndex(9), log.head_at(LogIndex(8))->chain);
  ASSERT_TRUE(garbage);
  ASSERT_TRUE((*garbage)->write("not a market"));
  ASSERT_TRUE((*garbage)->commit());
  const Recovered recovered = must_recover();
  EXPECT_EQ(recovered.snapshot.value, 3U);
  EXPECT_EQ(recovered.notes.size(), 2U);
  EXPECT_EQ(recovered.machine->last_index().value, kLast);
}

TEST_F(RecoveryTest, ASnapshotWhoseBytesAreNoMarketIsPassedOver) {
  const auto garbage = snapshots.begin(LogIndex(8), log.head_at(LogIndex(8))->chain);
  ASSERT_TRUE(garbage);
  ASSERT_TRUE((*garbage)->write(std::string(1'000, '\x07')));
  ASSERT_TRUE((*garbage)->commit());
  const Recovered recovered = must_recover();
  EXPECT_EQ(recovered.snapshot.value, 0U);
  ASSERT_EQ(recovered.notes.size(), 1U);
  EXPECT_NE(recovered.notes[0].find("command 8"), std::string::npos);
}

TEST_F(RecoveryTest, ACommandOfANewerVersionIsNamed) {
  const std::string_view unknown("\x92\x3f\x00", 3);  // field 1010, a kind that does not exist
  ASSERT_TRUE(log.append(std::vector<std::string_view>{unknown}, at));
  const auto recovered = recover(log, nullptr, {}, {}, nullptr);
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(recovered.error().message.find("command 12"), std::string::npos);
  EXPECT_NE(recovered.error().message.find("newer"), std::string::npos);
}

TEST_F(RecoveryTest, ItCanBeBrokenOff) {
  const std::atomic<bool> cancel = true;
  EXPECT_EQ(recover(log, nullptr, {}, {}, &cancel).error().code, ErrorCode::kClosed);
  const Recovered recovered = must_recover();
  EXPECT_EQ(save(*recovered.machine, recovered.head, snapshots, &cancel).error().code,
            ErrorCode::kClosed);
  EXPECT_TRUE(snapshots.list()->empty());
}

TEST_F(RecoveryTest, TheSnapshotterContinuesFromItsLastOne) {
  // Hands out the same log; a reader of its own is a matter of the real one.
  struct Borrowed final : log::LogReader {
    explicit Borrowed(log::LogReader& l) : inner(l) {}
    Result<log::Head> head() override { return inner.head(); }
    Result<log::Head> head_at(LogIndex last) override { return inner.head_at(last); }
    Result<std::vector<log::Entry>> read(LogIndex from, std::size_t bytes_max) override {
      return inner.read(from, bytes_max);
    }
    log::LogReader& inner;
  };
  ManualClock clock;
  Snapshotter snapshotter(
      [this]() -> Result<std::unique_ptr<log::LogReader>> {
        return std::make_unique<Borrowed>(log);
      },
      snapshots, {}, clock, {}, LogIndex(0));
  ASSERT_TRUE(snapshotter.take());
  EXPECT_EQ(snapshotter.stats().newest.value, kLast);
  append({deposit(2 * 4096, 5, "d")});
  ASSERT_TRUE(snapshotter.take());
  EXPECT_EQ(snapshotter.stats().taken, 2U);
  const auto whole = recover(log, nullptr, {}, {}, nullptr);
  ASSERT_TRUE(whole);
  const Recovered restarted = must_recover();
  EXPECT_EQ(restarted.snapshot.value, kLast + 1);
  EXPECT_EQ(restarted.machine->digest(), whole->machine->digest());

  snapshotter.stop();
  append({deposit(2 * 4096, 6, "e")});
  EXPECT_EQ(snapshotter.take().error().code, ErrorCode::kClosed);
}

TEST_F(RecoveryTest, ASnapshotterThatCannotReadSaysSo) {
  ManualClock clock;
  Snapshotter snapshotter(
      []() -> Result<std::unique_ptr<log::LogReader>> {
        return fail(ErrorCode::kNotFound, "no log there");
      },
      snapshots, {}, clock, {}, LogIndex(0));
  EXPECT_FALSE(snapshotter.take());
  EXPECT_EQ(snapshotter.stats().last_error, "no log there");
  EXPECT_EQ(snapshotter.stats().taken, 0U);
}

}  // namespace
}  // namespace fallow::engine
