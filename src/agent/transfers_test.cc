#include "agent/transfers.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <filesystem>
#include <fstream>
#include <functional>

namespace fallow::agent {
namespace {

class ScriptedStore final : public FolderStore {
 public:
  Status fetch(const std::string&, const std::string& folder, std::uint64_t,
               const std::string& token, const std::atomic<bool>& cancelled) override {
    token_ = token;
    return on_fetch(folder, cancelled);
  }
  Result<std::string> put(const std::string&, std::uint64_t, const std::string&,
                          const std::atomic<bool>&) override {
    return on_put();
  }
  std::function<Status(const std::string&, const std::atomic<bool>&)> on_fetch;
  std::function<Result<std::string>()> on_put;
  std::string token_;
};

class TransfersTest : public testing::Test {
 protected:
  RuntimeEvent next() {
    while (true) {
      for (RuntimeEvent& event : transfers_.take().events) return std::move(event);
      pollfd ready{transfers_.event_fd(), POLLIN, 0};
      EXPECT_EQ(::poll(&ready, 1, 20'000), 1);
    }
  }
  ScriptedStore store_;
  Transfers transfers_{store_, nullptr, 2};
};

TEST_F(TransfersTest, WaitsForASessionAndTriesAgainInAnEmptyFolder) {
  std::string folder = testing::TempDir() + "fallow_transfer_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  int tries = 0;
  store_.on_fetch = [&tries](const std::string& into, const std::atomic<bool>&) -> Status {
    EXPECT_TRUE(std::filesystem::is_empty(into));
    std::ofstream(into + "/part") << "x";
    if (++tries < 3) return fail(ErrorCode::kUnreachable, "gone");
    return {};
  };
  transfers_.fetch(LeaseId(1), {"m", folder, 1000, "", {}});
  EXPECT_TRUE(transfers_.is_busy(LeaseId(1)));
  transfers_.set_token("t");
  EXPECT_TRUE(std::holds_alternative<Prepared>(next()));
  EXPECT_EQ(tries, 3);
  EXPECT_EQ(store_.token_, "t");
  EXPECT_FALSE(transfers_.is_busy(LeaseId(1)));
  std::filesystem::remove_all(folder);
}

TEST_F(TransfersTest, WhatCannotHelpIsNotTriedAgain) {
  transfers_.set_token("t");
  for (const auto& [code, reason] :
       std::vector<std::pair<ErrorCode, v1::EndReason>>{{ErrorCode::kNotFound, v1::INPUT_INVALID},
                                                        {ErrorCode::kCorrupt, v1::INPUT_INVALID},
                                                        {ErrorCode::kTooLarge, v1::DISK_LIMIT}}) {
    store_.on_fetch = [wrong = code](const std::string&, const std::atomic<bool>&) -> Status {
      return fail(wrong, "no");
    };
    transfers_.fetch(LeaseId(1), {"m", "/nonexistent", 1000, "", {}});
    const RuntimeEvent event = next();
    ASSERT_TRUE(std::holds_alternative<PrepareFailed>(event));
    EXPECT_EQ(std::get<PrepareFailed>(event).reason, reason);
  }
  store_.on_put = []() -> Result<std::string> { return fail(ErrorCode::kTooLarge, "much"); };
  transfers_.put(LeaseId(1), "/nonexistent", 1000);
  EXPECT_EQ(std::get<CollectFailed>(next()).reason, v1::DISK_LIMIT);
  store_.on_put = []() -> Result<std::string> { return std::string("digest"); };
  transfers_.put(LeaseId(1), "/nonexistent", 1000);
  EXPECT_EQ(std::get<Collected>(next()).output_manifest, "digest");
}

TEST_F(TransfersTest, CanBeCancelledWhileItWaitsAndWhileItRuns) {
  transfers_.fetch(LeaseId(1), {"m", "/nonexistent", 1000, "", {}});  // there is no session
  transfers_.cancel(LeaseId(1));
  EXPECT_TRUE(std::holds_alternative<PrepareFailed>(next()));
  transfers_.set_token("t");
  std::atomic<bool> began = false;
  store_.on_fetch = [&began](const std::string&, const std::atomic<bool>& cancelled) -> Status {
    began = true;
    while (!cancelled) std::this_thread::yield();
    return fail(ErrorCode::kTimedOut, "cancelled");
  };
  transfers_.fetch(LeaseId(2), {"m", "/nonexistent", 1000, "", {}});
  while (!began) std::this_thread::yield();
  transfers_.cancel(LeaseId(2));
  EXPECT_TRUE(std::holds_alternative<PrepareFailed>(next()));
  transfers_.cancel(LeaseId(3));  // of nobody
}

}  // namespace
}  // namespace fallow::agent
