#include "runtime/bubblewrap.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/file.h"
#include "runtime/launch_file.h"
#include "runtime/processes.h"
#include "runtime/supervisor.h"

namespace fallow::runtime {
namespace {

using agent::AdoptState;
using agent::ExitCause;
using agent::Exited;
using agent::LaunchSpec;
using agent::Started;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class BubblewrapTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_runtime_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    open();
    if (!runtime_) {
      GTEST_SKIP() << "no sandbox can be made on this machine, so nothing of it can be tested: "
                   << error_;
    }
  }
  void TearDown() override {
    if (runtime_) {
      for (const LeaseId lease : runtime_->list()) runtime_->forget(lease);
    }
    runtime_.reset();
    // A supervisor that still lives would be the next test's riddle.
    EXPECT_THAT(cgroups_left(), testing::IsEmpty());
    remove_tree(folder_);
  }

  void open() {
    auto opened =
        BubblewrapRuntime::open({folder_ + "/leases", {"/proc/self/exe", kSupervisorMode}});
    if (opened) {
      runtime_ = std::move(*opened);
      parents_ = runtime_->cgroup_parents();
      if (others_.empty()) {
        for (std::string& group : cgroups_left()) others_.insert(std::move(group));
      }
    } else {
      error_ = opened.error().message;
    }
  }

  // Those of other agents on this machine are none of ours.
  std::vector<std::string> cgroups_left() {
    std::vector<std::string> left;
    for (const std::string& parent : parents_) {
      for (const auto& entry : std::filesystem::directory_iterator(parent)) {
        if (entry.is_directory() && !others_.contains(entry.path())) left.push_back(entry.path());
      }
    }
    return left;
  }

  static LaunchSpec spec_of(std::vector<std::string> command, std::uint64_t lease = 7) {
    LaunchSpec spec;
    spec.lease = LeaseId(lease);
    spec.command = std::move(command);
    spec.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}};
    spec.memory_bytes_max = 512 * kMiB;
    spec.disk_bytes_max = 64 * kMiB;
    spec.fence_at = boot_time() + minutes(5);
    return spec;
  }
  static LaunchSpec shell(const std::string& script, std::uint64_t lease = 7) {
    return spec_of({"/bin/sh", "-c", script}, lease);
  }

  void start(const LaunchSpec& spec) {
    parents_ = runtime_->cgroup_parents();
    const auto prepared = runtime_->prepare(spec.lease);
    ASSERT_TRUE(prepared) << prepared.error().message;
    const Status started = runtime_->start(spec);
    ASSERT_TRUE(started) << started.error().message;
  }

  // Waits for the next event of the kind; others are kept away.
  template <class Event>
  std::optional<Event> next(Duration limit = seconds(30)) {
    const Time until = boot_time() + limit;
    while (true) {
      for (auto it = events_.begin(); it != events_.end(); ++it) {
        if (const auto* event = std::get_if<Event>(&*it)) {
          const Event found = *event;
          events_.erase(it);
          return found;
        }
      }
      const Duration left = until - boot_time();
      if (left.value <= 0) return std::nullopt;
      pollfd ready{runtime_->event_fd(), POLLIN, 0};
      ::poll(&ready, 1, static_cast<int>(left.value / 1000) + 1);
      for (auto& event : runtime_->take_events().events) events_.push_back(std::move(event));
    }
  }

  Exited run(const LaunchSpec& spec) {
    start(spec);
    const auto exited = next<Exited>();
    EXPECT_TRUE(exited);
    return exited.value_or(Exited{});
  }

  std::string out(std::uint64_t lease = 7) {
    return read_file(runtime_->folders(LeaseId(lease)).stdout_log, 80 * kMiB).value_or("");
  }
  std::string err(std::uint64_t lease = 7) {
    return read_file(runtime_->folders(LeaseId(lease)).stderr_log, 80 * kMiB).value_or("");
  }
  void wait_for_output(const std::string& text, std::uint64_t lease = 7) {
    for (int i = 0; i < 1000 && out(lease).find(text) == std::string::npos; ++i) ::usleep(10'000);
    ASSERT_THAT(out(lease), HasSubstr(text));
  }
  pid_t supervisor_of(std::uint64_t lease = 7) {
    const auto text = read_file(folder_ + "/leases/" + std::to_string(lease) + "/pid", 64);
    pid_t pid = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), pid);
    return pid;
  }

  std::string folder_;
  std::string error_;
  std::vector<std::string> parents_;
  std::set<std::string> others_;  // groups that were there before
  std::unique_ptr<BubblewrapRuntime> runtime_;
  std::vector<agent::RuntimeEvent> events_;
};

TEST_F(BubblewrapTest, RunsACommandAndKeepsWhatItSays) {
  const Exited exited = run(shell("echo hello; echo trouble >&2; pwd; echo kept > /out/result"));
  EXPECT_EQ(exited.cause, ExitCause::kExited);
  EXPECT_EQ(exited.exit_code, 0);
  EXPECT_EQ(exited.signal, 0);
  EXPECT_EQ(out(), "hello\n/work\n");
  EXPECT_EQ(err(), "trouble\n");
  EXPECT_EQ(read_file(runtime_->folders(LeaseId(7)).out + "/result", 100).value(), "kept\n");
  const auto started = next<Started>(seconds(0));
  ASSERT_TRUE(started);
  EXPECT_LE(started->at, exited.at);
  EXPECT_LT(boot_time() - exited.at, seconds(10));
}

TEST_F(BubblewrapTest, SeesExitCodesAndSignals) {
  Exited exited = run(shell("exit 3"));
  EXPECT_EQ(exited.exit_code, 3);
  EXPECT_EQ(exited.signal, 0);
  exited = run(shell("kill -SEGV $$"));
  EXPECT_EQ(exited.signal, SIGSEGV);
  EXPECT_EQ(exited.cause, ExitCause::kExited);
  exited = run(spec_of({"no-such-program"}));
  EXPECT_EQ(exited.cause, ExitCause::kExited);
  EXPECT_EQ(exited.exit_code, 127);
  EXPECT_THAT(exited.detail, HasSubstr("no-such-program"));
}

TEST_F(BubblewrapTest, NothingOfTheAgentsEnvironmentReachesIt) {
  ASSERT_EQ(::setenv("FALLOW_API_KEY", "fk_secret", 1), 0);
  LaunchSpec spec = shell("cat /proc/self/environ | tr '\\0' '\\n'; ls /proc/self/fd");
  spec.environment.emplace_back("MINE", "a b\nc");
  run(spec);
  EXPECT_THAT(out(), HasSubstr("MINE=a b\nc\n"));
  EXPECT_THAT(out(), Not(HasSubstr("secret")));
  EXPECT_THAT(out(), Not(HasSubstr("FALLOW")));
  EXPECT_THAT(out(), Not(HasSubstr("HOME=")));
  // No descriptor but 0, 1, 2 and the one by which `ls` reads.
  EXPECT_TRUE(out().ends_with("0\n1\n2\n3\n")) << out();
  ::unsetenv("FALLOW_API_KEY");
}

TEST_F(BubblewrapTest, IsNobodyWithoutRightsOnAReadOnlyHost) {
  run(shell(
      "id -u; id -un; touch /usr/x /etc/x /x /dev/x 2>/dev/null && echo wrote; "
      "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; "
      "unshare -U true 2>/dev/null && echo nested; hostname; ls -A /; ls /home /root /var 2>&1;"
      "echo 1 > /proc/sys/kernel/printk; mount -t tmpfs x /work && echo mounted"));
  EXPECT_TRUE(out().starts_with("65534\nworker\n")) << out();
  EXPECT_THAT(out(), Not(HasSubstr("wrote")));
  EXPECT_THAT(out(), Not(HasSubstr("nested")));
  EXPECT_THAT(out(), Not(HasSubstr("mounted")));
  EXPECT_THAT(out(), HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(out(), HasSubstr("CapBnd:\t0000000000000000"));
  EXPECT_THAT(out(), HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(out(), HasSubstr("fallow\n"));
  EXPECT_THAT(out(), Not(HasSubstr("home\n")));
  EXPECT_THAT(err(), Not(HasSubstr("65534: worker")));
}

TEST_F(BubblewrapTest, SeesNoNetworkUnlessAsked) {
  run(shell("cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '"));
  EXPECT_EQ(out(), "lo\n");
  LaunchSpec spec = shell("readlink /proc/self/ns/net");
  spec.network = true;
  run(spec);
  std::array<char, 64> own{};
  const ssize_t size = ::readlink("/proc/self/ns/net", own.data(), own.size());
  EXPECT_EQ(out(), std::string(own.data(), static_cast<std::size_t>(size)) + "\n");
}

TEST_F(BubblewrapTest, SeesNeitherOtherLeasesNorOtherProcesses) {
  start(shell("echo mine > /work/belongs-to-8; echo ready; sleep 60", 8));
  wait_for_output("ready", 8);
  run(shell(
      "ls /work /out /tmp; find / -name belongs-to-8 2>/dev/null; ls -d /proc/[0-9]* | wc -l; "
      "kill -9 -1; echo on"));
  EXPECT_THAT(out(), Not(HasSubstr("belongs-to-8")));
  EXPECT_THAT(out(), HasSubstr("on\n"));
  EXPECT_FALSE(next<Exited>(milliseconds(50))) << "the other lease was hit";
  runtime_->kill(LeaseId(8));
  ASSERT_TRUE(next<Exited>());
}

TEST_F(BubblewrapTest, AForkBombEndsWithItsLease) {
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

TEST_F(BubblewrapTest, AMemoryHogEndsOutOfMemory) {
  LaunchSpec spec = spec_of({"python3", "-c", "x = bytearray(400 << 20); print(len(x))"});
  spec.memory_bytes_max = 128 * kMiB;
  const Exited exited = run(spec);
  EXPECT_EQ(exited.cause, ExitCause::kOutOfMemory) << exited.detail << err();
  EXPECT_NE(exited.exit_code, 0);
  EXPECT_THAT(exited.detail, HasSubstr("memory"));
}

TEST_F(BubblewrapTest, FilesInSharedMemoryCountAsMemory) {
  LaunchSpec spec = shell(
      "dd if=/dev/zero of=/dev/shm/x bs=1M count=100 2>/dev/null; "
      "python3 -c 'x = bytearray(90 << 20)'; exit $?");
  spec.memory_bytes_max = 128 * kMiB;
  EXPECT_EQ(run(spec).cause, ExitCause::kOutOfMemory);
}

TEST_F(BubblewrapTest, ADiskFillerEndsAtItsLimit) {
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

TEST_F(BubblewrapTest, APoliteEndIsAskedForAndMayBeIgnored) {
  start(shell("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"));
  wait_for_output("ready");
  runtime_->stop(LeaseId(7));
  auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->exit_code, 5);
  EXPECT_THAT(out(), HasSubstr("bye"));

  start(shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"));
  wait_for_output("ready");
  runtime_->stop(LeaseId(7));
  EXPECT_FALSE(next<Exited>(milliseconds(300)));
  runtime_->kill(LeaseId(7));
  exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->signal, SIGKILL);
}

TEST_F(BubblewrapTest, ASuspendedWorkloadStandsStillAndCanBeEnded) {
  start(shell("i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done"));
  wait_for_output("3\n");
  runtime_->suspend(LeaseId(7));
  ::usleep(200'000);
  const std::string before = out();
  ::usleep(300'000);
  EXPECT_EQ(out(), before);
  runtime_->resume(LeaseId(7));
  for (int i = 0; i < 500 && out() == before; ++i) ::usleep(10'000);
  EXPECT_GT(out().size(), before.size());

  runtime_->suspend(LeaseId(7));
  ::usleep(100'000);
  runtime_->stop(LeaseId(7));
  auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->signal, SIGTERM);

  start(shell("echo ready; sleep 60"));
  wait_for_output("ready");
  runtime_->suspend(LeaseId(7));
  ::usleep(100'000);
  runtime_->kill(LeaseId(7));
  ASSERT_TRUE(next<Exited>());
}

TEST_F(BubblewrapTest, LeavesNoProcessBehind) {
  run(shell("setsid sleep 4242 >/dev/null 2>&1 & (sleep 4243 &) ; exit 0"));
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto line = read_file(entry.path().string() + "/cmdline", 4096);
    if (!line) continue;
    EXPECT_THAT(*line, Not(HasSubstr("424"
                                     "2")));
    EXPECT_THAT(*line, Not(HasSubstr("424"
                                     "3")));
  }
}

TEST_F(BubblewrapTest, OutputIsBounded) {
  run(shell("head -c 70000000 /dev/zero; echo end >&2"));
  EXPECT_GT(out().size(), kLogBytesMax);
  EXPECT_LT(out().size(), kLogBytesMax + 100);
  EXPECT_THAT(out().substr(kLogBytesMax), HasSubstr("dropped"));
  EXPECT_EQ(err(), "end\n");
}

TEST_F(BubblewrapTest, OutlivesTheAgentAndIsTakenOver) {
  start(shell("echo ready; while [ ! -e /tmp/go ]; do sleep 0.02; done; echo done; exit 4"));
  ASSERT_TRUE(next<Started>());
  wait_for_output("ready");
  const pid_t supervisor = supervisor_of();

  runtime_.reset();
  open();
  ASSERT_THAT(runtime_->list(), testing::ElementsAre(LeaseId(7)));
  const agent::Adopted adopted = runtime_->adopt(LeaseId(7));
  EXPECT_EQ(adopted.state, AdoptState::kTaken);
  EXPECT_GT(adopted.fence_at, boot_time());
  EXPECT_EQ(supervisor_of(), supervisor);
  const auto started = next<Started>();
  ASSERT_TRUE(started) << "told again to the new agent";
  EXPECT_FALSE(next<Exited>(milliseconds(50)));

  // A second start of the same lease is refused while it lives.
  EXPECT_FALSE(runtime_->start(shell("echo twice")));

  ASSERT_TRUE(replace_file(folder_ + "/leases/7/tmp/go", "", 0644));
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->exit_code, 4);
  EXPECT_EQ(out(), "ready\ndone\n");
}

TEST_F(BubblewrapTest, AnEndBetweenTwoAgentsIsTold) {
  start(shell("sleep 0.2; exit 9"));
  ASSERT_TRUE(next<Started>());
  runtime_.reset();
  ::usleep(600'000);
  open();
  EXPECT_EQ(runtime_->adopt(LeaseId(7)).state, AdoptState::kTaken);
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->exit_code, 9);
  EXPECT_LT(exited->at, boot_time() - milliseconds(100)) << "when it happened, not when it is told";
}

TEST_F(BubblewrapTest, WhatNeverBeganAndWhatIsLostAreToldApart) {
  ASSERT_TRUE(runtime_->prepare(LeaseId(7)));
  EXPECT_EQ(runtime_->adopt(LeaseId(7)).state, AdoptState::kNotStarted);
  EXPECT_EQ(runtime_->adopt(LeaseId(99)).state, AdoptState::kNotStarted);

  start(shell("echo ready; sleep 60"));
  wait_for_output("ready");
  ASSERT_EQ(::kill(supervisor_of(), SIGKILL), 0);
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->cause, ExitCause::kLost);
  runtime_.reset();
  open();
  EXPECT_EQ(runtime_->adopt(LeaseId(7)).state, AdoptState::kLost);
}

TEST_F(BubblewrapTest, AKilledSupervisorTakesItsWorkloadAlong) {
  start(shell("echo ready; sleep 4244"));
  wait_for_output("ready");
  ASSERT_EQ(::kill(supervisor_of(), SIGKILL), 0);
  ASSERT_TRUE(next<Exited>());
  bool lives = true;
  for (int i = 0; i < 200 && lives; ++i) {
    lives = false;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const auto line = read_file(entry.path().string() + "/cmdline", 4096);
      lives = lives || (line && line->find("424"
                                           "4") != std::string::npos);
    }
    if (lives) ::usleep(10'000);
  }
  EXPECT_FALSE(lives);
}

TEST_F(BubblewrapTest, EndsByItselfWhenTheFencePasses) {
  LaunchSpec spec = shell("echo ready; sleep 60");
  spec.fence_at = boot_time() + milliseconds(600);
  start(spec);
  wait_for_output("ready");
  // Moved on once, then nobody speaks any more.
  const Time fence_at = boot_time() + milliseconds(900);
  runtime_->set_fence(LeaseId(7), fence_at);
  runtime_.reset();
  ::usleep(1'500'000);
  open();
  EXPECT_EQ(runtime_->adopt(LeaseId(7)).state, AdoptState::kTaken);
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->cause, ExitCause::kFenced);
  EXPECT_GE(exited->at, fence_at);
  EXPECT_LT(exited->at, fence_at + milliseconds(400));
}

TEST_F(BubblewrapTest, AFenceInThePastLetsNothingRun) {
  LaunchSpec spec = shell("echo ran > /out/x");
  spec.fence_at = boot_time() - seconds(1);
  EXPECT_EQ(run(spec).cause, ExitCause::kFenced);
}

TEST_F(BubblewrapTest, ForgettingKillsAndRemovesEverything) {
  start(
      shell("mkdir -p a/b/c; chmod 0 a/b; mkfifo f; ln -s / l; "
            "d=0; while [ $d -lt 300 ]; do mkdir -p 12345678901234567890 && "
            "cd 12345678901234567890; d=$((d+1)); done; echo ready; sleep 60"));
  wait_for_output("ready");
  runtime_->forget(LeaseId(7));
  EXPECT_THAT(runtime_->list(), testing::IsEmpty());
  runtime_.reset();  // waits for the removal
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/leases/trash"));
  EXPECT_TRUE(std::filesystem::exists("/usr/bin"));
  open();
}

TEST_F(BubblewrapTest, InputsAreWritableAndOwned) {
  const auto folders = runtime_->prepare(LeaseId(7));
  ASSERT_TRUE(folders);
  ASSERT_TRUE(replace_file(folders->work + "/in.txt", "given"));
  parents_ = runtime_->cgroup_parents();
  ASSERT_TRUE(runtime_->start(shell("cat in.txt; echo more >> in.txt; cat in.txt")));
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->exit_code, 0) << err();
  EXPECT_EQ(out(), "givengivenmore\n");
}

TEST_F(BubblewrapTest, DevicesArePassedInOnlyWhenGiven) {
  LaunchSpec spec = shell("ls /dev; ls -l /dev/kmsg 2>&1");
  run(spec);
  EXPECT_THAT(out(), HasSubstr("null\n"));
  EXPECT_THAT(out(), HasSubstr("No such file"));
  spec.device_files = {"/dev/kmsg", "/dev/not-there"};
  run(spec);
  EXPECT_THAT(out(), HasSubstr("\nkmsg\n"));
}

TEST_F(BubblewrapTest, PoclWorksInside) {
  if (::access("/usr/bin/clinfo", X_OK) != 0) {
    GTEST_SKIP() << "clinfo is not installed, so no OpenCL program is at hand";
  }
  LaunchSpec spec = spec_of({"clinfo", "-l"});
  spec.environment.emplace_back("POCL_CACHE_DIR", "/tmp/pocl");
  spec.environment.emplace_back("HOME", "/work");
  const Exited exited = run(spec);
  EXPECT_EQ(exited.exit_code, 0) << err();
  EXPECT_THAT(out(), HasSubstr("Device #0")) << err();
}

TEST(LaunchFile, ComesBackAndNoticesEveryCut) {
  LaunchFile launch;
  launch.spec.lease = LeaseId(42);
  launch.spec.command = {"a", "", "b c"};
  launch.spec.environment = {{"N", std::string("v\0w", 3)}};
  launch.spec.device_files = {"/dev/x"};
  launch.spec.disk_bytes_max = 5;
  launch.spec.network = true;
  launch.uid = 9;
  launch.cgroup_parents = {"/p"};
  const std::string bytes = encode_launch(launch);
  const auto back = decode_launch(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode_launch(*back), bytes);
  EXPECT_EQ(back->spec.environment[0].second.size(), 3U);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_launch(bytes.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_launch(bytes + "x"));

  const ExitFile file{Time{5}, ExitCause::kDiskFull, 1, 2, "why"};
  const auto exit_back = decode_exit(encode_exit(file));
  ASSERT_TRUE(exit_back);
  EXPECT_EQ(exit_back->detail, "why");
  EXPECT_EQ(exit_back->cause, ExitCause::kDiskFull);
  EXPECT_FALSE(decode_exit("FALLOWEXIT1\nx"));
  EXPECT_FALSE(decode_time("1234567"));
}

}  // namespace
}  // namespace fallow::runtime

// The tests' own program is also the supervisor's, as the agent's is.
int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], fallow::runtime::kSupervisorMode) == 0) {
    return fallow::runtime::supervisor_main(argc - 2, argv + 2);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
