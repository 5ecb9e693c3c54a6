// When keys were used: to the minute, over restarts, and no longer than the keys.
#include "server/key_uses.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace fallow::server {
namespace {

class KeyUsesTest : public testing::Test {
 protected:
  KeyUsesTest() {
    std::string folder = testing::TempDir() + "fallow-key-uses-XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~KeyUsesTest() override {
    uses_.reset();
    std::filesystem::remove_all(folder_);
  }
  void SetUp() override { open(); }
  void open() {
    uses_.reset();
    auto opened = KeyUses::open(folder_ + "/keys.db");
    ASSERT_TRUE(opened) << opened.error().message;
    uses_ = std::move(*opened);
  }
  static Digest hash(int number) { return digest_of(std::to_string(number)); }
  static std::string id(int number) { return to_hex(hash(number)).substr(0, 16); }
  Time used(int number) {
    const auto times = uses_->last_used({id(number)});
    return times ? times->front() : Time{-1};
  }
  void revoke(int number) {
    core::Events events;
    events.emplace_back().mutable_key_revoked()->set_key(id(number));
    engine::Applied applied;
    applied.events = events;
    engine::Batch batch;
    batch.commands = {&applied, 1};
    uses_->on_batch(batch, core::Machine());
  }

  std::string folder_;
  std::unique_ptr<KeyUses> uses_;
};

TEST_F(KeyUsesTest, TheLastOneCountsAlsoAfterARestart) {
  EXPECT_EQ(used(1), Time());
  uses_->note(hash(1), Time{1'000});
  uses_->note(hash(1), Time{2'000});
  EXPECT_EQ(used(1), Time{2'000});
  open();
  EXPECT_EQ(used(1), Time{2'000});
  uses_->note(hash(1), Time{3'000});
  EXPECT_EQ(used(1), Time{3'000});
  EXPECT_EQ(used(2), Time());
  ASSERT_TRUE(uses_->flush());
  EXPECT_EQ(used(1), Time{3'000});
}

TEST_F(KeyUsesTest, ARevokedKeyIsForgotten) {
  uses_->note(hash(1), Time{1'000});
  uses_->note(hash(2), Time{2'000});
  ASSERT_TRUE(uses_->flush());
  revoke(1);
  open();
  EXPECT_EQ(used(1), Time());
  EXPECT_EQ(used(2), Time{2'000});
}

TEST_F(KeyUsesTest, WhatIsNoIdWasNeverUsed) {
  const auto times = uses_->last_used({"", "nonsense", id(1) + "00"});
  ASSERT_TRUE(times);
  EXPECT_EQ(*times, std::vector<Time>(3));
}

}  // namespace
}  // namespace fallow::server
