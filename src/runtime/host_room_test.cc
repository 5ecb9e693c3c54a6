#include "runtime/host_room.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace fallow::runtime {
namespace {

TEST(HostRoom, IsReadFromTheKernel) {
  const auto memory = memory_bytes_left();
  ASSERT_TRUE(memory);
  EXPECT_GT(*memory, std::uint64_t{1} << 20);
  EXPECT_LE(*memory, memory_bytes_of_host());
  EXPECT_FALSE(memory_bytes_left("/no/such/file"));
  const auto here = open_file(".", O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(here);
  const auto disk = disk_room(*here);
  ASSERT_TRUE(disk);
  EXPECT_GT(disk->bytes, 0U);
  EXPECT_LE(disk->left, disk->bytes);
  EXPECT_FALSE(disk_room(Fd()));
}

}  // namespace
}  // namespace fallow::runtime
