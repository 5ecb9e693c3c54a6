#include "server/log_store.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace fallow::server {
namespace {

class LogStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "log_store_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    reopen(100);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void reopen(std::uint64_t stream_bytes_max) {
    auto store = LogStore::open(folder_, {stream_bytes_max});
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }

  std::uint64_t append(std::uint64_t offset, std::string data, bool last = false) {
    v1::LogChunk chunk;
    chunk.set_lease(4096);
    chunk.set_stream(v1::STDOUT);
    chunk.set_offset(offset);
    chunk.set_data(std::move(data));
    chunk.set_last(last);
    return store_->append(chunk);
  }

  LogReader::Piece read(std::uint64_t offset, std::size_t bytes_max = 1'000) {
    auto piece = store_->read(LeaseId(4096), v1::STDOUT, offset, bytes_max);
    EXPECT_TRUE(piece);
    return piece ? *piece : LogReader::Piece{};
  }

  std::string folder_;
  std::unique_ptr<LogStore> store_;
};

TEST_F(LogStoreTest, WhatComesTwiceChangesNothingAndAGapIsNeverWritten) {
  EXPECT_EQ(append(0, "hello "), 6U);
  EXPECT_EQ(append(0, "hello "), 6U);
  EXPECT_EQ(append(3, "lo world"), 11U);  // half of it is known
  EXPECT_EQ(append(20, "far away"), 11U);
  EXPECT_EQ(read(0).data, "hello world");
  EXPECT_EQ(read(6).data, "world");
  EXPECT_FALSE(read(0).complete);
}

TEST_F(LogStoreTest, TheEndIsKnownAfterARestart) {
  append(0, "all", true);
  reopen(100);
  EXPECT_TRUE(read(0).complete);
  EXPECT_EQ(read(0, 2).data, "al");
  EXPECT_FALSE(read(0, 2).complete);
  EXPECT_TRUE(read(3).complete);
}

TEST_F(LogStoreTest, OutputWithoutEndIsCutOffAndSaysSo) {
  for (std::uint64_t at = 0; at < 1'000; at += 50)
    EXPECT_EQ(append(at, std::string(50, 'x')), at + 50);
  const std::string text = read(0).data;
  EXPECT_EQ(text.substr(0, 100), std::string(100, 'x'));
  EXPECT_NE(text.find("cut off"), std::string::npos);
  EXPECT_LT(text.size(), 200U);
}

TEST_F(LogStoreTest, AnOffsetAtTheEndOfTheNumbersIsNoWay) {
  EXPECT_EQ(append(~std::uint64_t{0}, "x"), 0U);
  EXPECT_EQ(read(0).data, "");
}

TEST_F(LogStoreTest, WatchersHearUntilTheyLeave) {
  int heard = 0;
  auto watch = store_->watch(LeaseId(4096), [&] { ++heard; });
  append(0, "a");
  EXPECT_EQ(heard, 1);
  auto other = store_->watch(LeaseId(8192), [&] { heard += 100; });
  append(1, "b");
  EXPECT_EQ(heard, 2);
  watch.reset();
  append(2, "c");
  EXPECT_EQ(heard, 2);
}

}  // namespace
}  // namespace fallow::server
