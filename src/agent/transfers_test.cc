#include "agent/transfers.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <deque>
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
  Result<Stored> put(const std::string&, std::uint64_t, Pace pace, const std::string& token,
                     const std::atomic<bool>&) override {
    token_ = token;
    paces_.push_back(pace);
    FALLOW_ASSIGN(std::string manifest, on_put());
    return Stored{std::move(manifest), 1, 0, 0};
  }
  Result<Stored> save(const std::string& folder, std::uint64_t, Duration time_max,
                      const std::string&, const std::atomic<bool>& cancelled) override {
    time_max_ = time_max;
    return on_save(folder, cancelled);
  }
  Status restore(const std::string&, const std::string& folder, std::uint64_t, const std::string&,
                 const std::atomic<bool>& cancelled) override {
    return on_restore(folder, cancelled);
  }
  std::function<Status(const std::string&, const std::atomic<bool>&)> on_fetch;
  std::function<Result<std::string>()> on_put;
  std::function<Result<Stored>(const std::string&, const std::atomic<bool>&)> on_save;
  std::function<Status(const std::string&, const std::atomic<bool>&)> on_restore;
  std::string token_;
  std::vector<Pace> paces_;                      // of puts, one thread at a time
  std::atomic<Duration> time_max_ = Duration();  // of the last saving
};

// Images that come when the test says so.
class ScriptedImages final : public Images {
 public:
  std::string why_not() const override { return ""; }
  Result<std::string> fetch(LeaseId, const ImageWish&, const std::atomic<bool>& cancelled,
                            const ImageProgress&) override {
    ++pulling;
    while (!may_come && !cancelled) std::this_thread::yield();
    return std::string("digest");
  }
  Result<ImageFacts> of(LeaseId) const override { return fail(ErrorCode::kNotFound, "none"); }
  void release(LeaseId) override {}
  std::vector<LeaseId> leases() const override { return {}; }

  std::atomic<int> pulling = 0;  // that ever began
  std::atomic<bool> may_come = false;
};

class TransfersTest : public testing::Test {
 protected:
  RuntimeEvent next() {
    while (true) {
      for (RuntimeEvent& event : transfers_.take().events) events_.push_back(std::move(event));
      if (!events_.empty()) {
        RuntimeEvent event = std::move(events_.front());
        events_.pop_front();
        return event;
      }
      pollfd ready{transfers_.event_fd(), POLLIN, 0};
      EXPECT_EQ(::poll(&ready, 1, 20'000), 1);
    }
  }
  static std::string make_folder() {
    std::string folder = testing::TempDir() + "fallow_transfer_XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    return folder;
  }
  std::deque<RuntimeEvent> events_;
  ScriptedStore store_;
  Transfers transfers_{store_, nullptr, 2};
};

TEST_F(TransfersTest, WaitsForASessionAndTriesAgainWithWhatHasCome) {
  const std::string folder = make_folder();
  int tries = 0;
  store_.on_fetch = [&tries](const std::string& into, const std::atomic<bool>&) -> Status {
    std::ofstream(into + "/part" + std::to_string(tries)) << "x";
    if (++tries < 3) return fail(ErrorCode::kUnreachable, "gone");
    EXPECT_TRUE(std::filesystem::exists(into + "/part0"));
    EXPECT_TRUE(std::filesystem::exists(into + "/part1"));
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

TEST_F(TransfersTest, AFullStoreIsAskedAgain) {
  transfers_.set_token("t");
  int tries = 0;
  store_.on_put = [&tries]() -> Result<std::string> {
    if (++tries < 3) return fail(ErrorCode::kFull, "no room");
    return std::string("digest");
  };
  transfers_.put(LeaseId(1), "/nonexistent", 1000);
  EXPECT_EQ(std::get<Collected>(next()).output_manifest, "digest");
  EXPECT_EQ(tries, 3);
  // Given up because the lease is, say: it is no fault of the node's.
  store_.on_put = [&]() -> Result<std::string> {
    transfers_.cancel(LeaseId(1));
    return fail(ErrorCode::kFull, "no room");
  };
  transfers_.put(LeaseId(1), "/nonexistent", 1000);
  EXPECT_EQ(std::get<CollectFailed>(next()).reason, v1::STORE_FULL);
}

// A market that began anew knows no session of before, and cannot be told of an end either.
TEST_F(TransfersTest, AnOutputWaitsForTheNextSessionAndItsToken) {
  transfers_.set_token("old");
  std::atomic<bool> was_refused = false;
  store_.on_put = [this, &was_refused]() -> Result<std::string> {
    if (store_.token_ == "new") return std::string("digest");
    transfers_.set_token("");
    was_refused = true;
    return fail(ErrorCode::kFailed, "no such session is known");
  };
  transfers_.put(LeaseId(1), "/nonexistent", 1000);
  while (!was_refused) std::this_thread::yield();
  pollfd ended{transfers_.event_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 500), 0);
  EXPECT_TRUE(transfers_.is_busy(LeaseId(1)));
  transfers_.set_token("new");
  EXPECT_EQ(std::get<Collected>(next()).output_manifest, "digest");
  EXPECT_EQ(store_.paces_.size(), 2U);
}

// A slow uplink is its node's, and a try that broke off gives it no more time.
TEST_F(TransfersTest, AnOutputThatComesTooSlowlyIsLostByTheNode) {
  transfers_.set_token("t");
  store_.on_put = [this]() -> Result<std::string> {
    if (store_.paces_.size() < 2) return fail(ErrorCode::kUnreachable, "broken off");
    return fail(ErrorCode::kTimedOut, "the transfer took too long");
  };
  transfers_.put(LeaseId(1), "/nonexistent", 1000);
  const auto failed = std::get<CollectFailed>(next());
  EXPECT_EQ(failed.reason, v1::HOST_LOST);
  EXPECT_NE(failed.detail.find("took too long"), std::string::npos) << failed.detail;
  ASSERT_EQ(store_.paces_.size(), 2U);
  EXPECT_EQ(store_.paces_[0].bytes_per_s, Transfers::kPutBytesPerS);
  EXPECT_LE(store_.paces_[0].spare, Transfers::kPutSpare);
  EXPECT_GT(store_.paces_[0].spare, Transfers::kPutSpare - seconds(30));
  EXPECT_LT(store_.paces_[1].spare, store_.paces_[0].spare);
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

TEST_F(TransfersTest, ACheckpointIsReadOnlyWhenItsFolderChanged) {
  transfers_.set_token("t");
  const std::string folder = make_folder();
  int saves = 0;
  store_.on_save = [&saves](const std::string&, const std::atomic<bool>&) {
    ++saves;
    return FolderStore::Stored{"m" + std::to_string(saves), 1, 10, 5};
  };
  const auto save = [&] {
    transfers_.save(LeaseId(1), folder, 1000, false);
    return std::get<Saved>(next()).manifest;
  };
  std::ofstream(folder + "/state") << "one";
  EXPECT_EQ(save(), "m1");
  EXPECT_EQ(save(), "") << "nothing is new";
  EXPECT_EQ(saves, 1);
  std::ofstream(folder + "/.state") << "its owner is at work";
  EXPECT_EQ(save(), "");
  std::filesystem::rename(folder + "/.state", folder + "/state");
  EXPECT_EQ(save(), "m2");
  transfers_.forget(LeaseId(1));
  EXPECT_EQ(save(), "m3");
  std::filesystem::remove_all(folder);
  EXPECT_EQ(save(), "") << "a workload of an earlier agent has no such folder";
}

TEST_F(TransfersTest, ASavingThatTheWorkloadDisturbedIsTriedAgain) {
  transfers_.set_token("t");
  const std::string folder = make_folder();
  int tries = 0;
  store_.on_save = [&](const std::string&,
                       const std::atomic<bool>&) -> Result<FolderStore::Stored> {
    if (++tries < 3) return fail(tries == 1 ? ErrorCode::kBusy : ErrorCode::kFailed, "it changed");
    return FolderStore::Stored{"m", 1, 10, 5};
  };
  transfers_.save(LeaseId(1), folder, 1000, true);
  const auto saved = std::get<Saved>(next());
  EXPECT_EQ(saved.manifest, "m");
  EXPECT_TRUE(saved.is_last);
  EXPECT_EQ(tries, 3);
  // Too large stays too large.
  store_.on_save = [](const std::string&, const std::atomic<bool>&) -> Result<FolderStore::Stored> {
    return fail(ErrorCode::kTooLarge, "much");
  };
  transfers_.save(LeaseId(2), folder, 1000, false);
  EXPECT_EQ(std::get<Saved>(next()).manifest, "");
  std::filesystem::remove_all(folder);
}

TEST_F(TransfersTest, ALeasesTransfersFollowOneAnother) {
  transfers_.set_token("t");
  const std::string folder = make_folder();
  std::atomic<int> running = 0;
  std::atomic<bool> began = false;
  store_.on_save = [&](const std::string&,
                       const std::atomic<bool>& cancelled) -> Result<FolderStore::Stored> {
    EXPECT_EQ(++running, 1);
    if (!began.exchange(true)) {
      while (!cancelled) std::this_thread::yield();
    }
    --running;
    if (cancelled) return fail(ErrorCode::kTimedOut, "cancelled");
    return FolderStore::Stored{"last", 1, 0, 0};
  };
  store_.on_put = [&running]() -> Result<std::string> {
    EXPECT_EQ(running, 0);
    return std::string("out");
  };
  transfers_.save(LeaseId(1), folder, 1000, false);
  while (!began) std::this_thread::yield();
  transfers_.cancel(LeaseId(1));
  transfers_.save(LeaseId(1), folder, 1000, true);
  transfers_.put(LeaseId(1), folder, 1000);
  EXPECT_EQ(std::get<Saved>(next()).manifest, "");
  const auto last = std::get<Saved>(next());
  EXPECT_TRUE(last.is_last);
  EXPECT_EQ(last.manifest, "last");
  EXPECT_EQ(std::get<Collected>(next()).output_manifest, "out");
  EXPECT_FALSE(transfers_.is_busy(LeaseId(1)));
  std::filesystem::remove_all(folder);
}

// The market waits for the end of a lease, and not for long.
TEST_F(TransfersTest, TheLastSavingHasLittleTime) {
  transfers_.set_token("t");
  const std::string folder = make_folder();
  store_.on_save = [](const std::string&, const std::atomic<bool>&) {
    return FolderStore::Stored{"m", 1, 0, 0};
  };
  transfers_.save(LeaseId(1), folder, 1000, false);
  EXPECT_EQ(std::get<Saved>(next()).manifest, "m");
  EXPECT_EQ(store_.time_max_.load(), Transfers::kSavingMax);
  transfers_.save(LeaseId(2), folder, 1000, true);
  EXPECT_EQ(std::get<Saved>(next()).manifest, "m");
  EXPECT_LE(store_.time_max_.load(), Transfers::kSaveTriesMax);
  EXPECT_GT(store_.time_max_.load(), Transfers::kSaveTriesMax - seconds(10));
  std::filesystem::remove_all(folder);
}

TEST_F(TransfersTest, SlowSavingsLeaveAThreadToStartsAndEnds) {
  transfers_.set_token("t");
  const std::string folder = make_folder();
  std::atomic<int> saving = 0;
  std::atomic<bool> may_end = false;
  store_.on_save = [&](const std::string&, const std::atomic<bool>&) {
    ++saving;
    while (!may_end) std::this_thread::yield();
    return FolderStore::Stored{"m", 1, 0, 0};
  };
  store_.on_fetch = [](const std::string&, const std::atomic<bool>&) -> Status { return {}; };
  for (const std::uint64_t lease : {1U, 2U, 3U})
    transfers_.save(LeaseId(lease), folder, 1000, false);
  while (saving == 0) std::this_thread::yield();
  transfers_.fetch(LeaseId(4), {"m", folder, 1000, "", {}});
  EXPECT_TRUE(std::holds_alternative<Prepared>(next()));
  EXPECT_EQ(saving, 1);
  // What waits is ended at once when it is not wanted any more, and a last one does not wait.
  transfers_.cancel(LeaseId(2));
  EXPECT_EQ(std::get<Saved>(next()).lease, LeaseId(2));
  transfers_.save(LeaseId(5), folder, 1000, true);
  while (saving == 1) std::this_thread::yield();
  may_end = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(std::get<Saved>(next()).manifest, "m");
  EXPECT_EQ(saving, 3);
  std::filesystem::remove_all(folder);
}

TEST_F(TransfersTest, SlowImagesLeaveAThreadToOutputsAndToSavings) {
  const std::string folder = make_folder();
  ScriptedImages images;
  std::atomic<bool> is_saving = false;
  std::atomic<bool> may_end = false;
  store_.on_save = [&](const std::string&, const std::atomic<bool>&) {
    is_saving = true;
    while (!may_end) std::this_thread::yield();
    return FolderStore::Stored{"m", 1, 0, 0};
  };
  store_.on_put = []() -> Result<std::string> { return std::string("out"); };
  Transfers transfers(store_, &images, 4);
  const auto wait_for = [&transfers] {
    std::vector<RuntimeEvent> events;
    while (events.empty()) {
      pollfd ready{transfers.event_fd(), POLLIN, 0};
      EXPECT_EQ(::poll(&ready, 1, 20'000), 1);
      events = transfers.take().events;
    }
    return events;
  };
  transfers.set_token("t");
  Transfers::Needs needs;
  needs.image = "oci:tool";
  for (std::uint64_t lease = 1; lease <= 5; ++lease) transfers.fetch(LeaseId(lease), needs);
  while (images.pulling == 0) std::this_thread::yield();
  transfers.save(LeaseId(6), folder, 1000, false);
  while (!is_saving) std::this_thread::yield();
  transfers.put(LeaseId(7), "/nonexistent", 1000);
  const auto first = wait_for();
  ASSERT_EQ(first.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Collected>(first[0]));
  EXPECT_EQ(images.pulling, 1) << "of four threads two are for savings, and one is for ends";
  may_end = images.may_come = true;
  std::size_t ended = 0;
  while (ended < 6) ended += wait_for().size();
  EXPECT_EQ(images.pulling, 5);
  std::filesystem::remove_all(folder);
}

TEST_F(TransfersTest, ACheckpointThatIsAtFaultIsLeftOut) {
  transfers_.set_token("t");
  const std::string folder = make_folder();
  store_.on_restore = [](const std::string& into, const std::atomic<bool>&) -> Status {
    std::ofstream(into + "/half") << "x";
    return fail(ErrorCode::kCorrupt, "not its bytes");
  };
  Transfers::Needs needs;
  needs.checkpoint = std::string(32, 'c');
  needs.checkpoint_folder = folder;
  transfers_.fetch(LeaseId(1), needs);
  EXPECT_TRUE(std::holds_alternative<Prepared>(next()));
  EXPECT_TRUE(std::filesystem::is_empty(folder)) << "nothing half is left";
  std::atomic<int> tries = 0;
  store_.on_restore = [&tries](const std::string&, const std::atomic<bool>&) -> Status {
    if (++tries == 1) return fail(ErrorCode::kUnreachable, "gone");
    return {};
  };
  transfers_.fetch(LeaseId(1), needs);
  EXPECT_TRUE(std::holds_alternative<Prepared>(next()));
  EXPECT_EQ(tries, 2);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fallow::agent
