#include "runtime/room_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

namespace fallow::runtime {
namespace {

class RoomWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_room_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    folder_ = open_file(path_, O_RDONLY | O_DIRECTORY).value();
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  std::string meminfo() const { return path_ + "/meminfo"; }
  void set_left(std::uint64_t mib) {
    const std::string text = "MemTotal: 1048576 kB\nMemAvailable: " + std::to_string(mib << 10);
    ASSERT_TRUE(replace_file(meminfo(), text + " kB\n"));
  }

  std::string path_;
  Fd folder_;
};

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kNoDiskHasIt = std::numeric_limits<std::uint64_t>::max() / 4;

TEST_F(RoomWatchTest, MemoryIsGivenBackFirstAndThenAllGo) {
  RoomWatch watch(meminfo(), 100 * kMebibyte, 0);
  EXPECT_TRUE(watch.is_needed());
  set_left(100);
  EXPECT_TRUE(watch.check(folder_));
  EXPECT_EQ(watch.look(folder_), std::nullopt);
  EXPECT_FALSE(watch.lacks_memory());
  set_left(99);
  const Status refused = watch.check(folder_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("too little memory"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(watch.look(folder_), std::nullopt);
  EXPECT_TRUE(watch.lacks_memory());
  EXPECT_FALSE(watch.lacks_disk());
  set_left(49);
  EXPECT_EQ(watch.look(folder_), agent::ExitCause::kHostOutOfMemory);
  set_left(200);
  EXPECT_EQ(watch.look(folder_), std::nullopt);
  EXPECT_FALSE(watch.lacks_memory()) << "it is over";
}

TEST_F(RoomWatchTest, SoIsTheDisk) {
  RoomWatch watch(meminfo(), 0, kNoDiskHasIt);
  const Status refused = watch.check(folder_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("too little disk"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(watch.look(folder_), agent::ExitCause::kHostDiskFull);
  EXPECT_TRUE(watch.lacks_disk());
}

TEST_F(RoomWatchTest, WhatIsNotWatchedOrNotKnownLacksNothing) {
  set_left(0);
  RoomWatch none(meminfo(), 0, 0);
  EXPECT_FALSE(none.is_needed());
  EXPECT_TRUE(none.check(folder_));
  EXPECT_EQ(none.look(folder_), std::nullopt);
  RoomWatch blind("/no/such/file", kMebibyte, kNoDiskHasIt);
  EXPECT_TRUE(blind.check(Fd()));
  EXPECT_EQ(blind.look(Fd()), std::nullopt);
  EXPECT_FALSE(blind.lacks_memory() || blind.lacks_disk());
}

}  // namespace
}  // namespace fallow::runtime
