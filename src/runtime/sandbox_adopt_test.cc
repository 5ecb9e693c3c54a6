#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "runtime/cgroup.h"
#include "runtime/egress.h"
#include "runtime/sandbox_test.h"
#include "runtime/trash.h"

namespace fallow::runtime {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_P(SandboxTest, ATrialOfTheDiskThatDiedLeavesNoGroup) {
  if (runtime_->cgroup_parents().empty()) GTEST_SKIP() << "no control groups can be made here";
  const std::string group =
      runtime_->cgroup_parents()[0] + "/" + disk_trial_name(egress_owner(folder_ + "/leases"));
  runtime_.reset();
  ASSERT_EQ(::mkdir(group.c_str(), 0755), 0);
  open();
  EXPECT_FALSE(std::filesystem::exists(group));
}

TEST_P(SandboxTest, LeavesNoProcessBehind) {
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

TEST_P(SandboxTest, OutlivesTheAgentAndIsTakenOver) {
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

TEST_P(SandboxTest, AnEndBetweenTwoAgentsIsTold) {
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

TEST_P(SandboxTest, WhatNeverBeganAndWhatIsLostAreToldApart) {
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

TEST_P(SandboxTest, AKilledSupervisorTakesItsWorkloadAlong) {
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

TEST_P(SandboxTest, AStoppedSupervisorIsKilledByWishesThatAreRepeated) {
  start(shell("echo ready; sleep 4246"));
  wait_for_output("ready");
  ASSERT_EQ(::kill(supervisor_of(), SIGSTOP), 0);
  for (int i = 0; i < 4; ++i) runtime_->kill(LeaseId(7));
  EXPECT_FALSE(next<Exited>(milliseconds(200))) << "one that only takes its time is left alone";
  runtime_->kill(LeaseId(7));
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->cause, ExitCause::kLost);
}

// An agent that has no descriptor left for a watch must not say "lost" of what runs on.
TEST_P(SandboxTest, WhatCannotBeFollowedIsEndedBeforeItIsCalledLost) {
  start(shell("echo ready; sleep 4248"));
  wait_for_output("ready");
  const pid_t supervisor = supervisor_of();
  runtime_.reset();
  open();
  // The lock and the control file take one each; the watch for its end has none left.
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit few = limit;
  few.rlim_cur = 256;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<Fd> taken;
  while (auto one = open_file("/dev/null", O_RDONLY)) taken.push_back(std::move(*one));
  ASSERT_GT(taken.size(), 2U);
  taken.resize(taken.size() - 2);
  const agent::Adopted adopted = runtime_->adopt(LeaseId(7));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(adopted.state, AdoptState::kLost);
  // Its parent is this process, which has to reap it.
  int status = 0;
  EXPECT_EQ(::waitpid(supervisor, &status, 0), supervisor);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

TEST_P(SandboxTest, WhatTheSupervisorStartsDoesNotHoldItsLock) {
  start(shell("echo ready; sleep 60"));
  ASSERT_NO_FATAL_FAILURE(wait_for_output("ready"));
  const auto info = read_file("/proc/" + std::to_string(supervisor_of()) + "/fdinfo/3", 4096);
  ASSERT_TRUE(info) << info.error().message;
  constexpr std::string_view kKey = "flags:";
  const std::size_t at = info->find(kKey);
  ASSERT_NE(at, std::string::npos) << *info;
  EXPECT_NE(std::stoul(info->substr(at + kKey.size()), nullptr, 8) & O_CLOEXEC, 0U) << *info;
}

TEST(Trash, EndsWhatADeadSupervisorLeftInItsGroups) {
  const std::vector<std::string> parents = find_cgroup_parents();
  if (parents.empty()) GTEST_SKIP() << "no control groups can be made here";
  std::string folder = testing::TempDir() + "fallow_trash_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const pid_t supervisor = ::fork();
  if (supervisor == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(supervisor, nullptr, 0), supervisor);
  const std::string name = cgroup_name(LeaseId(9), supervisor);
  const Cgroup cgroup(parents, name, {});
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd reading(ends[0]);
  const Fd writing(ends[1]);
  const pid_t left = ::fork();
  if (left == 0) {
    const bool joined = cgroup.join() && ::write(writing.get(), "j", 1) == 1;
    while (joined) ::pause();
    ::_exit(1);
  }
  char joined = 0;
  pollfd ready{reading.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 30'000), 1);
  ASSERT_EQ(::read(reading.get(), &joined, 1), 1);

  std::filesystem::create_directory(folder + "/9.0");
  ASSERT_TRUE(replace_file(folder + "/9.0/pid", std::to_string(supervisor)));
  { const Trash trash(folder, parents, ""); }
  int status = 0;
  for (int i = 0; i < 500 && ::waitpid(left, &status, WNOHANG) == 0; ++i) ::usleep(10'000);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  for (const std::string& parent : parents) {
    EXPECT_FALSE(std::filesystem::exists(parent + "/" + name)) << parent;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  if (!WIFSIGNALED(status)) {
    ::kill(left, SIGKILL);
    ::waitpid(left, nullptr, 0);
    remove_cgroups(parents, name);
  }
  remove_tree(folder);
}

TEST_P(SandboxTest, ForgettingKillsAndRemovesEverything) {
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

}  // namespace
}  // namespace fallow::runtime
