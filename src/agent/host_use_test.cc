#include "agent/host_use.h"

#include <gtest/gtest.h>

#include "agent/owner_fixture_test.h"

namespace fallow::agent {
namespace {

class HostUseTest : public OwnerTreeTest {};

TEST_F(HostUseTest, CountsHardwareAlone) {
  put("proc/stat", "cpu  100 0 50 9000 70 5 5 0 0 0\ncpu0 100 0 50 9000 70 5 5 0 0 0\n");
  put("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:    8388608 kB\n");
  put("proc/diskstats",
      "   7       0 loop0 10 0 9999 0 0 0 0 0 0 0 0\n"
      "   8       0 sda 100 1 2000 30 40 5 600 70 0 0 0\n"
      "   8       1 sda1 100 1 2000 30 40 5 600 70 0 0 0\n"
      " 259       0 nvme0n1 1 0 8 0 1 0 16 0 0 0 0 0 0 0 0 0 0\n"
      " 253       0 dm-0 1 0 9999 0 1 0 9999 0 0 0 0\n");
  put("proc/net/dev",
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
      "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n"
      "  eth0:1000 7 0 0 0 0 0 3 200 5 0 0 0 0 0 0\n"
      " wlan0: 50 7 0 0 0 0 0 3 7 5 0 0 0 0 0 0\n"
      "veth17: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n");
  for (const char* one : {"block/sda", "block/nvme0n1", "class/net/eth0", "class/net/wlan0"}) {
    put(std::string("sys/") + one + "/device/vendor", "x\n");
  }
  put("sys/block/loop0/size", "1\n");
  const WorkloadUse use = host_use(root_);
  ASSERT_TRUE(use.processor);
  EXPECT_GT(use.processor->value, 0);
  EXPECT_EQ(use.memory_bytes, std::uint64_t{8} << 30);
  EXPECT_EQ(use.disk_read_bytes, 2'008U * 512);
  EXPECT_EQ(use.disk_written_bytes, 616U * 512);
  EXPECT_EQ(use.network_in_bytes, 1'050U);
  EXPECT_EQ(use.network_out_bytes, 207U);
}

TEST_F(HostUseTest, LeavesOutWhatTheMachineDoesNotTell) {
  put("proc/meminfo", "MemTotal: 16 kB\n");
  put("proc/diskstats", "   8       0 sda 100\nnonsense\n");
  put("proc/net/dev", "  eth0: 1 2\nnonsense\n:\n");
  put("sys/block/sda/device/vendor", "x\n");
  put("sys/class/net/eth0/device/vendor", "x\n");
  for (int turn = 0; turn < 2; ++turn) {
    const WorkloadUse use = host_use(root_);
    EXPECT_FALSE(use.processor || use.memory_bytes || use.disk_read_bytes || use.network_in_bytes);
    drop("proc");
  }
}

}  // namespace
}  // namespace fallow::agent
