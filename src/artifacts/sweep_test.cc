#include "artifacts/sweep.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "artifacts/folder.h"
#include "artifacts/test_store.h"

namespace fallow::artifacts {
namespace {

class SweepTest : public StoreFolderTest {
 protected:
  // Stores it, a long time ago.
  Digest old(std::string_view bytes) {
    const Digest digest = store_->put(bytes).value();
    store_long_ago(digest);
    return digest;
  }
  static std::string manifest_of(const std::vector<Digest>& files, std::string_view end = "") {
    std::vector<File> listed;
    for (const Digest& digest : files) {
      listed.push_back({fmt::format("file-{}{}", listed.size(), end), false, 1, digest});
    }
    return Manifest::make(std::move(listed), {}).value().text();
  }
  // Of a checkpoint.
  static std::string pieces_of(const std::vector<Digest>& files) {
    return manifest_of(files, "/00000000");
  }
  Digest hours_ago(std::string_view bytes) {
    const Digest digest = store_->put(bytes).value();
    set_long_ago(path_of(digest), static_cast<int>(file_clock_now().us / 1'000'000 - 7'200));
    return digest;
  }
  static SweepRules rules_of_a_week() {
    SweepRules week = rules();
    week.blobs_before = file_clock_now() - hours(24 * 7);
    return week;
  }
  static SweepRules rules() {
    return {file_clock_now() - minutes(1), file_clock_now() - minutes(1), nullptr};
  }
};

TEST_F(SweepTest, TakesWhatNobodyWantsAndKeepsWhatARootNames) {
  const Digest shared = old("of both");
  const Digest own = old("of the kept one");
  const Digest lost = old("of the other");
  const Digest kept = old(manifest_of({shared, own, digest_of("not here")}));
  const Digest unwanted = old(manifest_of({shared, lost}));
  const Digest plain = old("a root that is no manifest");
  const Digest fresh = store_->put("stored now").value();

  const auto swept = sweep(*store_, {kept, plain, digest_of("gone long ago")}, rules());
  ASSERT_TRUE(swept) << swept.error().message;
  EXPECT_EQ(swept->blobs, 2U);
  EXPECT_FALSE(store_->has(lost) || store_->has(unwanted));
  for (const Digest& digest : {shared, own, kept, plain, fresh}) EXPECT_TRUE(store_->has(digest));
  const std::uint64_t used = store_->bytes_used();
  reopen();
  EXPECT_EQ(store_->bytes_used(), used);
}

TEST_F(SweepTest, WhatWasLetGoGoesUnlessSomebodyWantsItOrHasJustAsked) {
  const Time an_hour_ago = file_clock_now() - hours(1);
  const Digest own = hours_ago("of the former alone");
  const Digest shared = hours_ago("of both");
  const Digest asked_for = store_->put("somebody is about to name it").value();
  const Digest former = hours_ago(pieces_of({own, shared, asked_for}));
  const Digest next = hours_ago(pieces_of({shared}));
  EXPECT_EQ(sweep(*store_, {next}, rules_of_a_week())->blobs, 0U);

  EXPECT_TRUE(let_go(*store_, former, an_hour_ago).value());
  EXPECT_EQ(sweep(*store_, {next}, rules_of_a_week())->blobs, 2U);
  EXPECT_FALSE(store_->has(own) || store_->has(former));
  for (const Digest& digest : {shared, asked_for, next}) EXPECT_TRUE(store_->has(digest));
  EXPECT_TRUE(let_go(*store_, former, an_hour_ago).value()) << "it is gone";
  ASSERT_TRUE(store_->touch(next));
  EXPECT_FALSE(let_go(*store_, next, an_hour_ago).value()) << "not yet";
  EXPECT_TRUE(let_go(*store_, shared, an_hour_ago).error().code == ErrorCode::kInvalid);
}

// A provider names them, and may name whatever it knows of.
TEST_F(SweepTest, OnlyPiecesAreLetGo) {
  const Time an_hour_ago = file_clock_now() - hours(1);
  const Digest file = hours_ago("of somebody's input");
  const Digest input = hours_ago(manifest_of({file}));
  EXPECT_EQ(let_go(*store_, input, an_hour_ago).error().code, ErrorCode::kInvalid);
  const Digest mixed = hours_ago(
      Manifest::make({{"a/00000000", false, 1, file}, {"b", false, 1, file}}, {}).value().text());
  EXPECT_EQ(let_go(*store_, mixed, an_hour_ago).error().code, ErrorCode::kInvalid);
  const Digest own = hours_ago("a piece");
  const Digest large = hours_ago(std::string(kPieceBytesMax + 1, 'l'));
  const Digest former = hours_ago(pieces_of({own, large, input}));
  EXPECT_TRUE(let_go(*store_, former, an_hour_ago).value());
  EXPECT_EQ(sweep(*store_, {}, rules_of_a_week())->blobs, 2U);
  EXPECT_FALSE(store_->has(own) || store_->has(former));
  for (const Digest& digest : {file, input, mixed, large}) EXPECT_TRUE(store_->has(digest));
}

TEST_F(SweepTest, WhatAFreshManifestNamesStays) {
  const Digest file = old("a file");
  const Digest manifest = old(manifest_of({file}));
  ASSERT_TRUE(store_->touch(manifest));  // as whoever submits an order does
  EXPECT_EQ(sweep(*store_, {}, rules())->blobs, 0U);
  EXPECT_TRUE(store_->has(file));
  store_long_ago(manifest);
  EXPECT_EQ(sweep(*store_, {}, rules())->blobs, 2U);
  EXPECT_FALSE(store_->touch(manifest));
}

TEST_F(SweepTest, ADamagedManifestNamesNothing) {
  const Digest file = old("a file");
  const Digest bad = old(std::string(Manifest::kFirstLine) + "no manifest after all\n");
  EXPECT_EQ(sweep(*store_, {bad}, rules())->blobs, 1U);
  EXPECT_TRUE(store_->has(bad));
  EXPECT_FALSE(store_->has(file));
}

TEST_F(SweepTest, UploadsHaveATimeOfTheirOwn) {
  ASSERT_TRUE(store_->begin({digest_of("under way"), 1}, 9));
  ASSERT_TRUE(store_->append({digest_of("under way"), 1}, 0, "under"));
  EXPECT_EQ(sweep(*store_, {}, rules())->uploads, 0U);
  SweepRules later = rules();
  later.uploads_before = file_clock_now() + minutes(1);
  EXPECT_EQ(sweep(*store_, {}, later)->uploads, 1U);
  EXPECT_EQ(store_->uploads(), 0U);
  EXPECT_EQ(store_->bytes_used(), 0U);
}

TEST_F(SweepTest, ACancelledSweepTakesNothing) {
  const Digest unwanted = old("unwanted");
  const std::atomic<bool> cancelled = true;
  SweepRules rules_now = rules();
  rules_now.cancelled = &cancelled;
  EXPECT_EQ(sweep(*store_, {}, rules_now)->blobs, 0U);
  EXPECT_TRUE(store_->has(unwanted));
}

// Killed at any moment, it has taken no file of a manifest that is still there.
TEST_F(SweepTest, KilledItLeavesWholeFolders) {
  constexpr int kFolders = 12;
  constexpr int kFiles = 5;
  std::size_t left_over = 0;
  for (int round = 0; round < 12; ++round) {
    std::vector<Digest> manifests;
    for (int folder = 0; folder < kFolders; ++folder) {
      std::vector<Digest> files;
      for (int file = 0; file < kFiles; ++file)
        files.push_back(old(fmt::format("{} {}", folder, file)));
      manifests.push_back(old(manifest_of(files)));
    }
    const pid_t child = fork();
    if (child == 0) {
      (void)sweep(*store_, {}, rules());
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(300 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    reopen();
    for (int folder = 0; folder < kFolders; ++folder) {
      for (int file = 0; file < kFiles; ++file) {
        const bool there = store_->has(digest_of(fmt::format("{} {}", folder, file)));
        left_over += there ? 1 : 0;
        EXPECT_TRUE(there || !store_->has(manifests[static_cast<std::size_t>(folder)]));
      }
    }
  }
  EXPECT_GT(left_over, 0U);  // some were killed in time
}

}  // namespace
}  // namespace fallow::artifacts
