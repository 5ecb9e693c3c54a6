#include "runtime/disk_of.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fallow::runtime {
namespace {

namespace fs = std::filesystem;

// As the kernel shows a disk of two parts and one that is mapped (LVM, LUKS).
TEST(DiskOf, APartIsItsDisk) {
  std::string root = testing::TempDir() + "fallow_disk_XXXXXX";
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  const std::string disk = root + "/sys/devices/pci/block/sda";
  fs::create_directories(disk + "/sda2");
  fs::create_directories(root + "/sys/devices/virtual/block/dm-0");
  fs::create_directories(root + "/sys/dev/block");
  std::ofstream(disk + "/dev") << "8:0\n";
  std::ofstream(disk + "/sda2/partition") << "2\n";
  std::ofstream(disk + "/sda2/dev") << "8:2\n";
  fs::create_directory_symlink("../../devices/pci/block/sda", root + "/sys/dev/block/8:0");
  fs::create_directory_symlink("../../devices/pci/block/sda/sda2", root + "/sys/dev/block/8:2");
  fs::create_directory_symlink("../../devices/virtual/block/dm-0", root + "/sys/dev/block/253:0");
  EXPECT_EQ(whole_disk(8, 0, root).value(), "8:0");
  EXPECT_EQ(whole_disk(8, 2, root).value(), "8:0");
  EXPECT_EQ(whole_disk(253, 0, root).value(), "253:0");
  const auto none = whole_disk(0, 42, root);  // the number of a btrfs
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  fs::remove_all(root);
}

TEST(DiskOf, MemoryIsNoDisk) {
  const auto none = disk_of("/proc");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace fallow::runtime
