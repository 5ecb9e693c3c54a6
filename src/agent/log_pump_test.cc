#include "agent/log_pump.h"

#include <gtest/gtest.h>

#include <map>

namespace fallow::agent {
namespace {

class LogPumpTest : public testing::Test {
 protected:
  LogPumpTest()
      : pump_([this](LeaseId lease, v1::LogStream stream, std::uint64_t offset, std::size_t most) {
          const std::string& file = files_[{lease.value, stream}];
          return offset >= file.size() ? std::string() : file.substr(offset, most);
        }) {}

  // Takes and "sends" everything there is, as the hub would store it.
  void deliver(bool acknowledge = true) {
    for (auto chunks = pump_.take(1 << 20); !chunks.empty(); chunks = pump_.take(1 << 20)) {
      for (const v1::LogChunk& chunk : chunks) {
        std::string& got = got_[{chunk.lease(), chunk.stream()}];
        ASSERT_LE(chunk.offset(), got.size()) << "a gap";
        got.replace(chunk.offset(), chunk.data().size(), chunk.data());
        if (acknowledge) pump_.acknowledged(ack_of(chunk));
      }
    }
  }
  static v1::LogAck ack_of(const v1::LogChunk& chunk) {
    v1::LogAck ack;
    ack.set_lease(chunk.lease());
    ack.set_stream(chunk.stream());
    ack.set_offset(chunk.offset() + chunk.data().size());
    return ack;
  }

  using Key = std::pair<std::uint64_t, int>;
  std::map<Key, std::string> files_;
  std::map<Key, std::string> got_;
  LogPump pump_;
};

TEST_F(LogPumpTest, BringsEverythingInOrderAndMarksTheEnd) {
  pump_.add(LeaseId(1));
  files_[{1, v1::STDOUT}] = std::string(100'000, 'a');
  pump_.grown(LeaseId(1));
  deliver();
  EXPECT_EQ(got_[Key(1, v1::STDOUT)].size(), 100'000U);
  EXPECT_FALSE(pump_.is_sent(LeaseId(1)));
  files_[{1, v1::STDOUT}] += "end";
  files_[{1, v1::STDERR}] = "trouble";
  pump_.finish(LeaseId(1));
  deliver();
  EXPECT_EQ(got_[Key(1, v1::STDOUT)], files_[Key(1, v1::STDOUT)]);
  EXPECT_EQ(got_[Key(1, v1::STDERR)], "trouble");
  EXPECT_TRUE(pump_.is_sent(LeaseId(1)));
  EXPECT_TRUE(pump_.is_acknowledged(LeaseId(1)));
  EXPECT_TRUE(pump_.take(1 << 20).empty());
}

TEST_F(LogPumpTest, ALengthOfWholeChunksHasAnEndToo) {
  pump_.add(LeaseId(1));
  files_[{1, v1::STDOUT}] = std::string(2 * LogPump::kChunkBytesMax, 'a');
  pump_.finish(LeaseId(1));
  deliver();
  EXPECT_TRUE(pump_.is_acknowledged(LeaseId(1)));
  EXPECT_EQ(got_[Key(1, v1::STDOUT)].size(), 2 * LogPump::kChunkBytesMax);
}

TEST_F(LogPumpTest, WhatIsUnderWayIsBounded) {
  pump_.add(LeaseId(1));
  files_[{1, v1::STDOUT}] = std::string(4 << 20, 'a');
  deliver(false);
  EXPECT_LE(got_[Key(1, v1::STDOUT)].size(), LogPump::kWindowBytes + LogPump::kChunkBytesMax);
  v1::LogAck ack;
  ack.set_lease(1);
  ack.set_stream(v1::STDOUT);
  ack.set_offset(100'000);
  pump_.acknowledged(ack);
  EXPECT_FALSE(pump_.take(1 << 20).empty());
}

TEST_F(LogPumpTest, ANewConnectionBeginsAfterWhatIsStored) {
  pump_.add(LeaseId(1));
  files_[{1, v1::STDOUT}] = "0123456789";
  pump_.finish(LeaseId(1));
  auto chunks = pump_.take(1 << 20);
  ASSERT_EQ(chunks.size(), 2U);  // and the end of the empty error stream
  v1::LogAck ack;
  ack.set_lease(1);
  ack.set_stream(v1::STDOUT);
  ack.set_offset(4);
  pump_.acknowledged(ack);
  EXPECT_FALSE(pump_.is_acknowledged(LeaseId(1)));
  pump_.restart();
  chunks = pump_.take(1 << 20);
  ASSERT_EQ(chunks.size(), 2U);
  EXPECT_EQ(chunks[0].offset(), 4U);
  EXPECT_EQ(chunks[0].data(), "456789");
  EXPECT_TRUE(chunks[0].last());
  // Could not be sent: it comes again.
  pump_.put_back(chunks[0]);
  chunks = pump_.take(1 << 20);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].data(), "456789");
}

TEST_F(LogPumpTest, TheHubMayKnowMoreThanThisAgent) {
  pump_.add(LeaseId(1));
  files_[{1, v1::STDOUT}] = "0123456789";
  v1::LogAck ack;
  ack.set_lease(1);
  ack.set_stream(v1::STDOUT);
  ack.set_offset(8);
  pump_.acknowledged(ack);
  const auto chunks = pump_.take(1 << 20);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].data(), "89");
  ack.set_lease(2);  // of nobody
  pump_.acknowledged(ack);
  EXPECT_TRUE(pump_.is_sent(LeaseId(2)));
}

TEST_F(LogPumpTest, WhatWasNotTakenIsSentAgain) {
  pump_.add(LeaseId(1));
  files_[{1, v1::STDOUT}] = std::string(3 * LogPump::kChunkBytesMax, 'a') + "end";
  pump_.finish(LeaseId(1));
  const auto chunks = pump_.take(1 << 20);
  ASSERT_EQ(chunks.size(), 5U) << "stderr's end among them";
  EXPECT_TRUE(pump_.is_sent(LeaseId(1)));
  // The second is lost: it and all that follow it are asked for again.
  pump_.acknowledged(ack_of(chunks[0]));
  v1::LogAck again = ack_of(chunks[0]);
  again.set_again(true);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(pump_.acknowledged(again));
  pump_.acknowledged(ack_of(chunks[4]));
  EXPECT_FALSE(pump_.is_sent(LeaseId(1)));
  EXPECT_FALSE(pump_.is_acknowledged(LeaseId(1)));
  EXPECT_TRUE(pump_.take(1 << 20).empty()) << "not at once: the market is busy enough";
  pump_.release();
  auto tried = pump_.take(1 << 20);
  ASSERT_EQ(tried.size(), 1U) << "one piece, until it is taken";
  EXPECT_EQ(tried[0].offset(), LogPump::kChunkBytesMax);
  EXPECT_TRUE(pump_.take(1 << 20).empty());
  EXPECT_TRUE(pump_.acknowledged(ack_of(tried[0])));
  got_[{1, v1::STDOUT}] = chunks[0].data() + tried[0].data();
  deliver();
  EXPECT_EQ(got_[Key(1, v1::STDOUT)], files_[Key(1, v1::STDOUT)]);
  EXPECT_TRUE(pump_.is_acknowledged(LeaseId(1)));
}

// Output is written without a sync: a power cut may take back what was acknowledged.
TEST_F(LogPumpTest, WhatTheHubHasLostIsSentAgain) {
  pump_.add(LeaseId(1));
  files_[{1, v1::STDOUT}] = "0123456789";
  pump_.acknowledged(ack_of(pump_.take(1 << 20).at(0)));
  files_[{1, v1::STDOUT}] += "more";
  pump_.grown(LeaseId(1));
  v1::LogAck again = ack_of(pump_.take(1 << 20).at(0));
  again.set_offset(6);
  again.set_again(true);
  pump_.acknowledged(again);
  pump_.release();
  const auto chunks = pump_.take(1 << 20);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].offset(), 6U);
  EXPECT_EQ(chunks[0].data(), "6789more");
}

TEST_F(LogPumpTest, AFloodDoesNotSilenceTheOthers) {
  for (std::uint64_t id = 1; id <= 3; ++id) {
    pump_.add(LeaseId(id));
    files_[{id, v1::STDOUT}] = std::string(1 << 20, 'x');
  }
  std::map<std::uint64_t, int> turns;
  for (int i = 0; i < 6; ++i) {
    for (const v1::LogChunk& chunk : pump_.take(1)) ++turns[chunk.lease()];
  }
  EXPECT_EQ(turns.size(), 3U);
}

}  // namespace
}  // namespace fallow::agent
