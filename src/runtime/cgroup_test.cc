#include "runtime/cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "runtime/disk_of.h"

namespace fallow::runtime {
namespace {

// The parent goes when another agent of this machine, which shares it, is removed.
TEST(Cgroup, AParentThatIsGoneIsMadeAnew) {
  const auto parents = find_cgroup_parents();
  if (parents.empty()) GTEST_SKIP() << "no control groups can be made here";
  const std::string above = parents[0] + "/test-" + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(above.c_str(), 0755), 0);
  const std::string parent = above + "/fallow";
  const Cgroup group({parent}, "7-1", {.processes_max = 5});
  EXPECT_FALSE(group.oci_path().empty());
  EXPECT_TRUE(std::filesystem::exists(parent + "/7-1/cgroup.procs"));
  for (const std::string& folder : {parent + "/7-1", parent, above}) ::rmdir(folder.c_str());
  EXPECT_FALSE(std::filesystem::exists(above));
}

class DiskPaceTest : public testing::Test {
 protected:
  void SetUp() override {
    parents_ = find_cgroup_parents();
    const auto disk = disk_of(testing::TempDir());
    if (!disk) GTEST_SKIP() << "no disk can be slowed down here: " << disk.error().message;
    pace_ = {*disk, 1'000'000, 50};
    const std::string why = why_no_disk_pace(parents_, pace_, "test-" + std::to_string(::getpid()));
    if (!why.empty()) GTEST_SKIP() << "no disk can be slowed down here: " << why;
    name_ = "disk-test-" + std::to_string(::getpid());
  }
  void TearDown() override {
    if (!name_.empty()) remove_cgroups(parents_, name_);
  }
  // What the kernel says of the group that has this file.
  std::string told(const std::string& leaf) const {
    for (const std::string& parent : parents_) {
      const auto text = read_file(parent + "/" + name_ + "/" + leaf, 4096);
      if (text) return *text;
    }
    return "";
  }

  std::vector<std::string> parents_;
  DiskPace pace_;
  std::string name_;
};

TEST_F(DiskPaceTest, IsWhatTheKernelWasTold) {
  const Cgroup group(parents_, name_, {.disk = pace_});
  EXPECT_TRUE(group.limits_disk());
  if (slows_all_writes(parents_)) {
    EXPECT_EQ(told("io.max"), pace_.disk + " rbps=1000000 wbps=1000000 riops=50 wiops=50\n");
    return;
  }
  for (const char* leaf : {"read_bps", "write_bps"}) {
    EXPECT_EQ(told(std::string("blkio.throttle.") + leaf + "_device"), pace_.disk + " 1000000\n");
  }
  for (const char* leaf : {"read_iops", "write_iops"}) {
    EXPECT_EQ(told(std::string("blkio.throttle.") + leaf + "_device"), pace_.disk + " 50\n");
  }
}

TEST_F(DiskPaceTest, NobodyHasAGroupForNothing) {
  const Cgroup group(parents_, name_, {.processes_max = 5});
  EXPECT_FALSE(group.limits_disk());
  EXPECT_EQ(told("blkio.throttle.read_bps_device"), "");
}

// Three seconds' worth of writes; the kernel lets the first through at once.
TEST_F(DiskPaceTest, WhatIsInsideWritesNoFaster) {
  constexpr std::size_t kBytes = 1'048'576;
  constexpr int kNoDirect = 77;
  const Cgroup group(parents_, name_, {.disk = {pace_.disk, 1'000'000, 0}});
  const std::string path = testing::TempDir() + name_;
  void* const block = std::aligned_alloc(4096, kBytes);
  ASSERT_NE(block, nullptr);
  std::fill_n(static_cast<char*>(block), kBytes, 'x');
  const auto began = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    if (!group.join()) ::_exit(1);
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_DIRECT, 0600);
    if (file < 0) ::_exit(kNoDirect);
    for (int i = 0; i < 3; ++i) {
      if (::write(file, block, kBytes) != static_cast<ssize_t>(kBytes)) ::_exit(kNoDirect);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  const auto took = std::chrono::steady_clock::now() - began;
  std::free(block);
  std::filesystem::remove(path);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoDirect) GTEST_SKIP() << "this file system knows no direct writes";
  ASSERT_EQ(WEXITSTATUS(status), 0);
  EXPECT_GT(took, std::chrono::seconds(1));
}

}  // namespace
}  // namespace fallow::runtime
