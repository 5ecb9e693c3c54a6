#include "sim/sim_log.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace fallow::sim {
namespace {

Result<log::Appended> append(SimLog& log, std::string_view payload) {
  const std::array<std::string_view, 1> payloads = {payload};
  return log.append(payloads, Time{1'000});
}

TEST(SimLog, CrashNeverTakesWhatWasSynced) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    World world(seed);
    SimLog log(world);
    ASSERT_TRUE(append(log, "answered"));
    log.synced();
    ASSERT_TRUE(append(log, "in flight"));
    log.crash();
    const auto entries = log.read(LogIndex(1), 1'000);
    ASSERT_TRUE(entries) << entries.error().message;
    ASSERT_GE(entries->size(), 1U);
    EXPECT_EQ(entries->front().payload(0), "answered");
    // The next start goes on from whatever is there.
    const auto next = append(log, "after");
    ASSERT_TRUE(next);
    EXPECT_EQ(next->first.value, entries->size() + 1);
    EXPECT_TRUE(log.read(next->first, 1'000));
  }
}

TEST(SimLog, CrashKeepsLosesAndTearsWhatWasInFlight) {
  Marks marks;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    World world(seed);
    SimLog log(world);
    ASSERT_TRUE(append(log, "in flight"));
    log.crash();
    EXPECT_EQ(log.entries(), world.marks().count(Mark::kUnansweredKept));
    marks.add(world.marks());
  }
  EXPECT_GT(marks.count(Mark::kUnansweredKept), 0U);
  EXPECT_GT(marks.count(Mark::kUnansweredLost), 0U);
  EXPECT_GT(marks.count(Mark::kTornWriteDropped), 0U);
}

TEST(SimLog, TornBytesAreNoEntry) {
  World world(1);
  SimLog log(world);
  ASSERT_TRUE(append(log, "a command"));
  log::StoredEntry entry;
  entry.first = LogIndex(1);
  entry.count = 1;
  entry.time = Time{1'000};
  const std::array<std::string_view, 1> payloads = {"a command"};
  entry.body = log::EncodedBatch(payloads).body();
  entry.chain =
      log::chain_after(log::genesis_chain(), entry.first, entry.time, entry.count, entry.body);
  const std::string bytes = encode_stored(entry);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto torn = decode_stored(std::string_view(bytes).substr(0, size));
    EXPECT_FALSE(torn && log::Entry::check(log::genesis_head(), *torn)) << size;
  }
  const auto whole = decode_stored(bytes);
  ASSERT_TRUE(whole);
  EXPECT_TRUE(log::Entry::check(log::genesis_head(), *whole));
}

TEST(SimLog, FullDiskTakesNothingAndLosesNothing) {
  World world(1);
  SimLog log(world);
  ASSERT_TRUE(append(log, "first"));
  log.set_full(true);
  const auto refused = append(log, "second");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  log.set_full(false);
  const auto taken = append(log, "second");
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->first, LogIndex(2));
}

}  // namespace
}  // namespace fallow::sim
