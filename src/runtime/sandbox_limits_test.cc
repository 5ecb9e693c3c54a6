#include <sys/mount.h>

#include <algorithm>
#include <csignal>

#include "runtime/sandbox_test.h"

namespace fallow::runtime {
namespace {

using testing::HasSubstr;

TEST_P(SandboxTest, AForkBombEndsWithItsLease) {
  start(shell("echo ready; bomb() { bomb | bomb & }; bomb; sleep 60"));
  wait_for_output("ready");
  ::usleep(300'000);
  const Time asked = boot_time();
  runtime_->kill(LeaseId(7));
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->signal, SIGKILL);
  EXPECT_EQ(exited->cause, ExitCause::kExited);
  EXPECT_LT(boot_time() - asked, seconds(15));
}

TEST_P(SandboxTest, AMemoryHogEndsOutOfMemory) {
  LaunchSpec spec =
      spec_of({"python3", "-c", "x = bytearray(400 << 20); import time; time.sleep(20)"});
  spec.memory_bytes_max = 128 * kMiB;
  const Exited exited = run(spec);
  EXPECT_EQ(exited.cause, ExitCause::kOutOfMemory) << exited.detail << err();
  EXPECT_NE(exited.exit_code, 0);
  EXPECT_THAT(exited.detail, HasSubstr("memory"));
}

TEST_P(SandboxTest, FilesInSharedMemoryCountAsMemory) {
  LaunchSpec spec = shell(
      "dd if=/dev/zero of=/dev/shm/x bs=1M count=100 2>/dev/null; "
      "python3 -c 'x = bytearray(90 << 20); import time; time.sleep(20)'; exit $?");
  spec.memory_bytes_max = 128 * kMiB;
  EXPECT_EQ(run(spec).cause, ExitCause::kOutOfMemory);
}

TEST_P(SandboxTest, ADiskFillerEndsAtItsLimit) {
  // One large file, many files, and a program that sees the error and ends by itself.
  for (const char* script :
       {"dd if=/dev/zero of=/work/x bs=1M count=1000 2>/dev/null",
        "i=0; while :; do dd if=/dev/zero of=/tmp/x$i bs=1M count=8 2>/dev/null; i=$((i+1)); done",
        "python3 -c \"open('/out/x','wb').write(bytes(100 << 20))\""}) {
    LaunchSpec spec = shell(script);
    spec.disk_bytes_max = 32 * kMiB;
    const Exited exited = run(spec);
    EXPECT_EQ(exited.cause, ExitCause::kDiskFull) << script;
    EXPECT_THAT(exited.detail, HasSubstr("disk"));
  }
}

// A machine whose memory the test says, for SandboxTest::meminfo_.
class SaidMemory {
 public:
  explicit SaidMemory(std::string path) : path_(std::move(path)) {}
  void say_left(std::uint64_t bytes) const {
    ASSERT_TRUE(replace_file(path_, "MemAvailable: " + std::to_string(bytes >> 10) + " kB\n"));
  }

 private:
  const std::string path_;
};

// What asked for nothing gives way before it takes what others were promised.
TEST_P(SandboxTest, WhatAskedForNothingLeavesRoomToOthers) {
  runtime_.reset();
  // As a supervisor finds it: it sees nothing of /tmp any more but from its own folder on.
  meminfo_ = "../../meminfo";
  const SaidMemory memory(folder_ + "/meminfo");
  memory.say_left(800 * kMiB);
  open();
  ASSERT_TRUE(runtime_) << error_;
  LaunchSpec hog = spec_of(
      {"python3", "-c",
       "import time; x = bytearray(300 << 20); print('ready', flush=True); time.sleep(60)"});
  LaunchSpec small = shell("echo ready; sleep 60", 8);
  hog.memory_room_bytes_min = small.memory_room_bytes_min = 200 * kMiB;
  start(hog);
  start(small);
  wait_for_output("ready");
  wait_for_output("ready", 8);
  // The end of the one gives the room back, that of the other would not.
  memory.say_left(120 * kMiB);
  auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->lease, LeaseId(7));
  EXPECT_EQ(exited->cause, ExitCause::kHostOutOfMemory);
  EXPECT_FALSE(next<Exited>(seconds(1)));
  memory.say_left(80 * kMiB);
  exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->lease, LeaseId(8));
  EXPECT_EQ(exited->cause, ExitCause::kHostOutOfMemory);
}

TEST_P(SandboxTest, WhatAskedForNoDiskLeavesRoomToOthers) {
  runtime_.reset();
  const OwnMounts mounts;
  const std::string leases = folder_ + "/leases";
  if (!mounts.made() ||
      ::mount("small", leases.c_str(), "tmpfs", MS_NOSUID, "size=128m,mode=0700") != 0) {
    GTEST_SKIP() << "only root may mount a small disk";
  }
  open();
  ASSERT_TRUE(runtime_) << error_;
  LaunchSpec hog = shell("dd if=/dev/zero of=/work/x bs=1M count=100 2>/dev/null; sleep 60");
  LaunchSpec small = shell("echo ready; sleep 60", 8);
  hog.disk_bytes_max = small.disk_bytes_max = 0;
  hog.disk_room_bytes_min = small.disk_room_bytes_min = 36 * kMiB;
  start(small);
  wait_for_output("ready", 8);
  const Exited exited = run(hog);
  EXPECT_EQ(exited.lease, LeaseId(7));
  EXPECT_EQ(exited.cause, ExitCause::kHostDiskFull) << exited.detail;
  EXPECT_FALSE(next<Exited>(seconds(1))) << "its end would have given nothing back";
  runtime_->kill(LeaseId(8));
  EXPECT_TRUE(next<Exited>());
  for (const LeaseId lease : runtime_->list()) runtime_->forget(lease);
  runtime_.reset();
}

// An owner who uses the machine, or a lease that asked, is not what the renter is to blame for.
TEST_P(SandboxTest, WhatAskedForNothingDoesNotBeginWhereNothingIsLeft) {
  constexpr std::uint64_t kMoreThanThereIs = std::uint64_t{1} << 60;
  LaunchSpec spec = shell("echo ran");
  spec.memory_room_bytes_min = kMoreThanThereIs;
  Exited exited = run(spec);
  EXPECT_EQ(exited.cause, ExitCause::kStartFailed);
  EXPECT_THAT(exited.detail, HasSubstr("too little memory left"));
  spec.memory_room_bytes_min = 0;
  spec.disk_room_bytes_min = kMoreThanThereIs;
  exited = run(spec);
  EXPECT_EQ(exited.cause, ExitCause::kStartFailed);
  EXPECT_THAT(exited.detail, HasSubstr("too little disk left"));
  EXPECT_EQ(out(), "");
  spec = shell("exit 3");
  spec.memory_room_bytes_min = spec.disk_room_bytes_min = 1;
  exited = run(spec);
  EXPECT_EQ(exited.cause, ExitCause::kExited) << exited.detail;
  EXPECT_EQ(exited.exit_code, 3);
}

// It fails when its sandbox is already being made: nothing of that may be left when its end is
// told.
TEST_P(SandboxTest, AStartThatFailsHalfwayLeavesNoProcess) {
  const std::string mark = "60." + std::to_string(::getpid());
  const LaunchSpec spec = spec_of({"sleep", mark});
  ASSERT_TRUE(runtime_->prepare(spec.lease));
  // Where its output should go.
  ASSERT_TRUE(make_folder(folder_ + "/leases/7/stdout"));
  ASSERT_TRUE(runtime_->start(spec));
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->cause, ExitCause::kStartFailed);
  EXPECT_THAT(exited->detail, HasSubstr("stdout"));
  for (const std::string& pid : names_in("/proc")) {
    const auto command = read_file("/proc/" + pid + "/cmdline", 64 << 10);
    EXPECT_FALSE(command && command->find(mark) != std::string::npos) << pid;
  }
}

TEST_P(SandboxTest, OutputIsBounded) {
  run(shell("head -c 70000000 /dev/zero; echo end >&2"));
  EXPECT_GT(out().size(), kLogBytesMax);
  EXPECT_LT(out().size(), kLogBytesMax + 100);
  EXPECT_THAT(out().substr(kLogBytesMax), HasSubstr("dropped"));
  EXPECT_EQ(err(), "end\n");
}

TEST_P(SandboxTest, EndsByItselfWhenTheFencePasses) {
  LaunchSpec spec = shell("echo ready; sleep 60");
  spec.fence_at = boot_time() + seconds(4);
  start(spec);
  // Moved on for as long as it takes to begin, whatever the kind and the machine; then nobody
  // speaks any more.
  Time fence_at;
  for (int i = 0; i < 6'000 && (i == 0 || out().find("ready") == std::string::npos); ++i) {
    fence_at = boot_time() + seconds(4);
    runtime_->set_fence(LeaseId(7), fence_at);
    ::usleep(10'000);
  }
  ASSERT_THAT(out(), HasSubstr("ready"));
  EXPECT_GT(fence_at, spec.fence_at);
  runtime_.reset();
  const Duration left = fence_at + milliseconds(600) - boot_time();
  ::usleep(static_cast<useconds_t>(std::max<std::int64_t>(left.value, 0)));
  open();
  EXPECT_EQ(runtime_->adopt(LeaseId(7)).state, AdoptState::kTaken);
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->cause, ExitCause::kFenced);
  EXPECT_GE(exited->at, fence_at);
  EXPECT_LT(exited->at, fence_at + seconds(5));
}

TEST_P(SandboxTest, AFenceInThePastLetsNothingRun) {
  LaunchSpec spec = shell("echo ran > /out/x");
  spec.fence_at = boot_time() - seconds(1);
  EXPECT_EQ(run(spec).cause, ExitCause::kFenced);
  EXPECT_FALSE(next<Started>(seconds(0)));
  EXPECT_FALSE(std::filesystem::exists(runtime_->folders(LeaseId(7)).out + "/x"));
}

}  // namespace
}  // namespace fallow::runtime
