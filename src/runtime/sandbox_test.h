// What the tests of sandboxes share: a runtime on a folder of its own, and a workload's whole life.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "runtime/launch_file.h"
#include "runtime/processes.h"
#include "runtime/sandbox_runtime.h"
#include "runtime/supervisor.h"

namespace fallow::runtime {

using agent::AdoptState;
using agent::ExitCause;
using agent::Exited;
using agent::LaunchSpec;
using agent::Started;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// For its lifetime the calling thread, and what it starts, has mounts of its own.
class OwnMounts {
 public:
  OwnMounts() : folder_(std::filesystem::current_path()) {
    auto before = open_file("/proc/thread-self/ns/mnt", O_RDONLY);
    if (!before || ::unshare(CLONE_NEWNS) != 0) return;
    before_ = std::move(*before);
    made_ = ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }
  ~OwnMounts() {
    if (!before_) return;
    // A thread that was joined shares our working folder until the kernel is done with it, and so
    // long nobody may join other mounts.
    int joined = -1;
    for (int tries = 0; joined != 0 && tries < 2'000; ++tries) {
      joined = ::setns(before_.get(), CLONE_NEWNS);
      if (joined != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(joined, 0);
    std::filesystem::current_path(folder_);
  }
  OwnMounts(const OwnMounts&) = delete;
  OwnMounts& operator=(const OwnMounts&) = delete;
  bool made() const { return made_; }

 private:
  const std::filesystem::path folder_;
  Fd before_;
  bool made_ = false;
};

// Each test for each kind of sandbox; those that do not work on this machine are said to be
// skipped.
class SandboxTest : public testing::TestWithParam<v1::Isolation> {
 protected:
  void SetUp() override {
    for (std::string& group : cgroups_left()) others_.insert(std::move(group));
    std::string pattern = testing::TempDir() + "fallow_runtime_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    open();
    if (!runtime_) {
      GTEST_SKIP() << "this kind of sandbox cannot be made here, so nothing of it is tested: "
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
    SandboxOptions options{
        folder_ + "/leases", {"/proc/self/exe", kSupervisorMode}, tools_, GetParam()};
    options.driver = driver_;
    options.meminfo = meminfo_;
    options.prover = prover_;
    auto opened = SandboxRuntime::open(std::move(options));
    if (opened) {
      runtime_ = std::move(*opened);
    } else {
      error_ = opened.error().message;
    }
  }

  // In every hierarchy, also in those that only an OCI runtime enters. Those of other agents on
  // this machine are none of ours.
  std::vector<std::string> cgroups_left() {
    std::vector<std::string> left;
    find_cgroups("/sys/fs/cgroup", left);
    return left;
  }

  void find_cgroups(const std::filesystem::path& folder, std::vector<std::string>& found) {
    // Groups of others come and go meanwhile.
    std::error_code error;
    std::filesystem::directory_iterator entry(folder, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      std::error_code gone;
      if (entry->is_symlink(gone) || !entry->is_directory(gone)) continue;
      const std::string name = entry->path().filename();
      if (folder.filename() != "fallow") {
        find_cgroups(entry->path(), found);
      } else if ((name.starts_with("7-") || name.starts_with("8-")) &&
                 !others_.contains(entry->path()) && !is_of_another(name)) {
        found.push_back(entry->path());
      }
    }
  }

  // "7-4242" is watched over by process 4242. One that lives and is no child of ours is of another
  // program, which came after the test had begun.
  static bool is_of_another(const std::string& group) {
    const std::string supervisor = group.substr(group.find('-') + 1);
    const auto status = read_file("/proc/" + supervisor + "/status", 64 << 10);
    return status &&
           status->find("\nPPid:\t" + std::to_string(::getpid()) + "\n") == std::string::npos;
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
    for (int i = 0; i < 6000 && out(lease).find(text) == std::string::npos; ++i) ::usleep(10'000);
    ASSERT_THAT(out(lease), testing::HasSubstr(text));
  }
  pid_t supervisor_of(std::uint64_t lease = 7) {
    const auto text = read_file(folder_ + "/leases/" + std::to_string(lease) + "/pid", 64);
    pid_t pid = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), pid);
    return pid;
  }

  std::string folder_;
  std::string error_;
  SandboxTools tools_;
  DriverPaths driver_;
  std::string meminfo_ = kMeminfo;
  std::string prover_;
  std::set<std::string> others_;  // groups that were there before
  std::unique_ptr<SandboxRuntime> runtime_;
  std::vector<agent::RuntimeEvent> events_;
};

inline std::string kind_of(const testing::TestParamInfo<v1::Isolation>& tested) {
  return isolation_name(tested.param);
}

}  // namespace fallow::runtime
