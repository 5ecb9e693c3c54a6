#include "runtime/workload_use.h"

#include <filesystem>
#include <fstream>

#include "runtime/cgroup.h"
#include "runtime/sandbox_test.h"

namespace fallow::runtime {
namespace {

class WorkloadUseTest : public testing::Test {
 protected:
  WorkloadUseTest() {
    std::string pattern = testing::TempDir() + "fallow_use_XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  ~WorkloadUseTest() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  // user, system, and both of reaped children in ticks of 10 ms.
  void put_process(int pid, int user, int system, int user_reaped, int system_reaped, int pages) {
    const std::string folder = "proc/" + std::to_string(pid) + "/";
    std::string line = std::to_string(pid) + " (a (bad) name) S 1 1 1 0 -1 4194560 1 2 3 4 ";
    for (const int ticks : {user, system, user_reaped, system_reaped}) {
      line += std::to_string(ticks) + " ";
    }
    put(folder + "stat", line + "20 0 1 0 100 1000000 " + std::to_string(pages) + " 18446744073\n");
    put(folder + "io",
        "rchar: 9\nwchar: 9\nsyscr: 1\nsyscw: 1\nread_bytes: 1000\n"
        "write_bytes: 2000\ncancelled_write_bytes: 0\n");
  }

  std::string root_;
};

TEST_F(WorkloadUseTest, OfAGroupOfVersion2) {
  put("g/cgroup.procs", "7\n");
  put("g/cpu.stat", "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n");
  put("g/memory.current", "10000000\n");
  put("g/memory.stat", "anon 5000000\ninactive_file 4000000\nactive_file 1\n");
  put("g/io.stat",
      "8:0 rbytes=100 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n"
      "8:16 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n");
  const agent::WorkloadUse use = workload_use({root_ + "/g"}, 1, root_);
  EXPECT_EQ(use.processor, milliseconds(2'500));
  EXPECT_EQ(use.memory_bytes, 6'000'000U);
  EXPECT_EQ(use.disk_read_bytes, 101U);
  EXPECT_EQ(use.disk_written_bytes, 22U);
  EXPECT_FALSE(use.network_in_bytes);
}

// As where processor time and disks have hierarchies of their own that no workload enters.
TEST_F(WorkloadUseTest, OfAGroupOfVersion1AndItsProcesses) {
  put("m/cgroup.procs", "70\n71\n72\n");
  put("m/memory.usage_in_bytes", "10000000\n");
  put("m/memory.stat", "cache 1\ninactive_file 1\ntotal_inactive_file 1000000\n");
  put_process(70, 100, 50, 30, 20, 9);
  put_process(71, 10, 0, 0, 0, 9);  // 72 is gone already
  const agent::WorkloadUse use = workload_use({root_ + "/m"}, 1, root_);
  EXPECT_EQ(use.processor, milliseconds(2'100));
  EXPECT_EQ(use.memory_bytes, 9'000'000U);
  EXPECT_EQ(use.disk_read_bytes, 2'000U);
  EXPECT_EQ(use.disk_written_bytes, 4'000U);
  put("a/cgroup.procs", "70\n");
  put("a/cpuacct.usage", "5000000000\n");
  EXPECT_EQ(workload_use({root_ + "/m", root_ + "/a"}, 1, root_).processor, seconds(5));
}

TEST_F(WorkloadUseTest, WithoutGroupsOfWhatDescendsFromTheSupervisor) {
  put("proc/50/task/50/children", "70 ");
  put("proc/70/task/70/children", "");
  put("proc/70/task/77/children", "71 72 ");
  put_process(50, 900, 0, 0, 0, 900);
  put_process(70, 1, 2, 3, 4, 10);
  put_process(71, 5, 0, 0, 0, 5);
  const agent::WorkloadUse use = workload_use({}, 50, root_);
  EXPECT_EQ(use.processor, milliseconds(150));
  EXPECT_EQ(use.memory_bytes, 15U * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  EXPECT_FALSE(workload_use({}, 99, root_).processor) << "nobody is there";
}

TEST_F(WorkloadUseTest, TheHostsEndOfANetworkIsTheOtherEnd) {
  put("sys/class/net/fw-x/statistics/rx_bytes", "100\n");
  put("sys/class/net/fw-x/statistics/tx_bytes", "7000\n");
  agent::WorkloadUse use;
  add_network_use("fw-x", use, root_);
  EXPECT_EQ(use.network_in_bytes, 7'000U);
  EXPECT_EQ(use.network_out_bytes, 100U);
  add_network_use("fw-y", use, root_);
  EXPECT_FALSE(use.network_in_bytes);
}

TEST_F(WorkloadUseTest, WhoseMemoryRanShort) {
  put("v2/memory.events", "low 0\nhigh 0\nmax 9\noom 0\noom_kill 0\n");
  EXPECT_EQ(out_of_memory_in(root_ + "/v2"), OutOfMemory::kNo);
  put("v2/memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\n");
  EXPECT_EQ(out_of_memory_in(root_ + "/v2"), OutOfMemory::kOwnLimit);
  put("v2/memory.events", "low 0\nhigh 0\nmax 9\noom 0\noom_kill 1\n");
  EXPECT_EQ(out_of_memory_in(root_ + "/v2"), OutOfMemory::kOfHost);
  put("v1/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  put("v1/memory.limit_in_bytes", "134217728\n");
  put("v1/memory.max_usage_in_bytes", "134217728\n");
  EXPECT_EQ(out_of_memory_in(root_ + "/v1"), OutOfMemory::kOwnLimit);
  put("v1/memory.max_usage_in_bytes", "100663296\n");
  EXPECT_EQ(out_of_memory_in(root_ + "/v1"), OutOfMemory::kOfHost);
}

TEST_P(SandboxTest, WhatAWorkloadUsesIsSeen) {
  EXPECT_FALSE(runtime_->use(LeaseId(7)).processor);
  start(spec_of({"python3", "-c",
                 "import time; x = bytearray(b'1') * (100 << 20); print('ready', flush=True)\n"
                 "while True: pass"}));
  wait_for_output("ready");
  agent::WorkloadUse use;
  for (int i = 0; i < 1'000; ++i) {
    use = runtime_->use(LeaseId(7));
    if (use.processor && *use.processor > milliseconds(300)) break;
    ::usleep(10'000);
  }
  ASSERT_TRUE(use.processor);
  EXPECT_GT(*use.processor, milliseconds(300));
  ASSERT_TRUE(use.memory_bytes);
  EXPECT_GT(*use.memory_bytes, 100 * kMiB);
  EXPECT_LT(*use.memory_bytes, 512 * kMiB);
  runtime_->kill(LeaseId(7));
  ASSERT_TRUE(next<Exited>());
  EXPECT_FALSE(runtime_->use(LeaseId(7)).processor);
}

}  // namespace
}  // namespace fallow::runtime
