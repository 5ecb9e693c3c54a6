#include "agent/notice.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace fallow::agent {
namespace {

namespace fs = std::filesystem;

class NoticeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_notice_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    folder_ = root_ + "/checkpoint";
    fs::create_directory(folder_);
    ASSERT_TRUE(replace_file(root_ + "/outside", "untouched", 0644));
  }
  void TearDown() override {
    EXPECT_EQ(read_file(root_ + "/outside", 100).value(), "untouched");
    fs::remove_all(root_);
  }
  std::string root_, folder_;
};

TEST_F(NoticeTest, SaysWhyAndHowLong) {
  for (const std::int64_t grace_s : {30, 10}) {
    ASSERT_TRUE(write_notice(folder_, v1::OWNER_RETURNED, seconds(grace_s)));
    EXPECT_EQ(read_file(folder_ + "/.notice", 100).value(),
              fmt::format("{{\"reason\":\"OWNER_RETURNED\",\"seconds\":{}}}\n", grace_s));
  }
  EXPECT_FALSE(fs::exists(folder_ + "/.notice.new"));
}

TEST_F(NoticeTest, FollowsNoLinkAndGivesUpOnWhatIsInTheWay) {
  fs::create_symlink(root_ + "/outside", folder_ + "/.notice");
  fs::create_symlink(root_ + "/outside", folder_ + "/.notice.new");
  ASSERT_TRUE(write_notice(folder_, v1::PREEMPTED, seconds(1)));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(folder_ + "/.notice")));
  fs::remove(folder_ + "/.notice");
  fs::create_directory(folder_ + "/.notice");
  EXPECT_FALSE(write_notice(folder_, v1::PREEMPTED, seconds(1)));
  fs::create_directory(folder_ + "/.notice.new");
  EXPECT_FALSE(write_notice(folder_, v1::PREEMPTED, seconds(1)));
  fs::remove_all(folder_);
  fs::create_symlink(root_, folder_);
  EXPECT_FALSE(write_notice(folder_, v1::PREEMPTED, seconds(1)));
  EXPECT_FALSE(fs::exists(root_ + "/.notice"));
}

}  // namespace
}  // namespace fallow::agent
