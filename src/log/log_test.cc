// What every Log promises, held against each implementation.
#include "log/log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>

#include "base/env.h"
#include "log/memory_log.h"
#include "log/sqlite_log.h"
#include "log/verify.h"

namespace fallow::log {
namespace {

using Batch = std::vector<std::string>;

Result<Appended> append(Log& log, const Batch& batch, Time now) {
  const std::vector<std::string_view> views(batch.begin(), batch.end());
  return log.append(views, now);
}

// What an implementation gives back, flattened.
Batch payloads_from(LogReader& log, LogIndex from, std::size_t bytes_max) {
  Batch all;
  for (;;) {
    const auto page = log.read(from, bytes_max);
    EXPECT_TRUE(page) << page.error().message;
    if (!page || page->empty()) return all;
    for (const Entry& entry : *page) {
      for (std::size_t i = 0; i < entry.size(); ++i) {
        if (entry.index(i) >= from) all.emplace_back(entry.payload(i));
      }
    }
    from = page->back().last() + LogIndex(1);
  }
}

class LogTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_log_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    if (GetParam() == "memory") {
      log_ = std::make_unique<MemoryLog>();
    } else {
      auto opened = SqliteLog::open(folder_);
      ASSERT_TRUE(opened) << opened.error().message;
      log_ = std::move(*opened);
    }
  }
  void TearDown() override {
    log_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string folder_;
  std::unique_ptr<Log> log_;
};

TEST_P(LogTest, BeginsEmpty) {
  EXPECT_EQ(log_->head().value(), genesis_head());
  EXPECT_EQ(log_->head_at(LogIndex(0)).value(), genesis_head());
  EXPECT_TRUE(log_->read(LogIndex(1), 1000)->empty());
  EXPECT_TRUE(log_->read(LogIndex(~std::uint64_t{0}), 1000)->empty());
  EXPECT_EQ(log_->head_at(LogIndex(1)).error().code, ErrorCode::kNotFound);
}

TEST_P(LogTest, NumbersCommandsWithoutGapsAndNeverGoesBackInTime) {
  const auto first = append(*log_, {"a", "b", "c"}, Time{100});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->first, LogIndex(1));
  EXPECT_EQ(first->last, LogIndex(3));
  EXPECT_EQ(first->time, Time{100});
  const auto second = append(*log_, {"d"}, Time{40});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->first, LogIndex(4));
  EXPECT_EQ(second->time, Time{100});
  EXPECT_EQ(append(*log_, {"e"}, Time{101})->time, Time{101});
  EXPECT_EQ(log_->head()->last, LogIndex(5));
  EXPECT_EQ(log_->head_at(LogIndex(4))->chain, second->chain);
  EXPECT_EQ(log_->head_at(LogIndex(4))->time, Time{100});
  EXPECT_EQ(log_->head_at(LogIndex(2)).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(log_->head_at(LogIndex(6)).error().code, ErrorCode::kNotFound);
}

TEST_P(LogTest, ReadsWholeEntriesFromTheOneThatHoldsTheIndex) {
  ASSERT_TRUE(append(*log_, {"a", "b", "c"}, Time{1}));
  ASSERT_TRUE(append(*log_, {"d", "e"}, Time{2}));
  ASSERT_TRUE(append(*log_, {"f"}, Time{3}));
  for (const std::uint64_t from : {1U, 2U, 3U})
    EXPECT_EQ(log_->read(LogIndex(from), 1)->size(), 1U) << from;
  EXPECT_EQ(log_->read(LogIndex(2), 0)->at(0).first(), LogIndex(1));
  EXPECT_EQ(log_->read(LogIndex(4), 1000)->at(0).first(), LogIndex(4));
  EXPECT_EQ(log_->read(LogIndex(5), 1000)->size(), 2U);
  EXPECT_EQ(log_->read(LogIndex(1), 16)->size(), 2U);  // 15 bytes, then 10: enough
  EXPECT_EQ(log_->read(LogIndex(6), 1000)->at(0).payload(0), "f");
  EXPECT_TRUE(log_->read(LogIndex(7), 1000)->empty());
  EXPECT_EQ(payloads_from(*log_, LogIndex(3), 1), (Batch{"c", "d", "e", "f"}));
}

TEST_P(LogTest, ARefusedBatchLeavesNothingBehind) {
  ASSERT_TRUE(append(*log_, {"a"}, Time{1}));
  const Head before = log_->head().value();
  EXPECT_EQ(append(*log_, {}, Time{2}).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(append(*log_, Batch(kEntryCommandsMax + 1), Time{2}).error().code,
            ErrorCode::kTooLarge);
  EXPECT_EQ(log_->head().value(), before);
  EXPECT_EQ(append(*log_, {"b"}, Time{3})->first, LogIndex(2));
}

TEST_P(LogTest, GivesBackRandomBatchesUnchanged) {
  const auto random = seeded_random(7);
  Batch all;
  for (int i = 0; i < 200; ++i) {
    Batch batch(1 + random->below(40));
    for (std::string& payload : batch) {
      payload.resize(random->below(i % 50 == 0 ? 40'000 : 300));
      random->fill(std::span(reinterpret_cast<std::uint8_t*>(payload.data()), payload.size()));
    }
    const auto appended = append(*log_, batch, Time{i});
    ASSERT_TRUE(appended) << appended.error().message;
    EXPECT_EQ(appended->first.value, all.size() + 1);
    all.insert(all.end(), batch.begin(), batch.end());
    log_->tend();
  }
  EXPECT_EQ(payloads_from(*log_, LogIndex(1), 10'000), all);
  EXPECT_EQ(verify(*log_).value(), log_->head().value());
}

// Two servers that took the same batches must agree on the digest, whatever they store them in.
TEST_P(LogTest, TheChainIsTheSameInEveryImplementation) {
  MemoryLog other;
  for (const Batch& batch : {Batch{"a", ""}, Batch{"b"}, Batch(100, "c")}) {
    EXPECT_EQ(append(*log_, batch, Time{5})->chain, append(other, batch, Time{5})->chain);
  }
  EXPECT_EQ(log_->head().value(), other.head().value());
}

INSTANTIATE_TEST_SUITE_P(All, LogTest, testing::Values("memory", "sqlite"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace fallow::log
