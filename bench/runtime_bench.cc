// runtime_bench: what a workload's start and end cost for each kind of sandbox, from start() to the
// news of its exit, beside the bare tool with the same configuration, in turns.
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/file.h"
#include "bench_report.h"
#include "runtime/bubblewrap.h"
#include "runtime/oci_bundle.h"
#include "runtime/processes.h"
#include "runtime/sandbox_files.h"
#include "runtime/sandbox_init.h"
#include "runtime/sandbox_runtime.h"
#include "runtime/supervisor.h"

namespace fallow::bench {
namespace {

using runtime::Level;
using runtime::SandboxRuntime;

constexpr int kRuns = 21;
constexpr std::uint32_t kUid = 0x70020000;
constexpr std::uint64_t kLease = 7;
// The build names the program that agents carry: CMakeLists.txt.
const std::vector<std::string> kSupervisor = {FALLOW_SUPERVISOR, runtime::kSupervisorMode};

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

agent::LaunchSpec spec() {
  agent::LaunchSpec spec;
  spec.lease = LeaseId(kLease);
  spec.command = {"true"};
  spec.environment = {{"PATH", "/usr/bin:/bin"}};
  spec.memory_bytes_max = std::uint64_t{512} << 20;
  spec.disk_bytes_max = std::uint64_t{64} << 20;
  spec.fence_at = runtime::boot_time() + minutes(5);
  return spec;
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "runtime_bench: %s\n", why.c_str());
  std::exit(1);
}

double ours_ms(SandboxRuntime& sandboxes) {
  if (!sandboxes.prepare(LeaseId(kLease))) give_up("the folders cannot be made");
  const double began = now_ms();
  if (const Status started = sandboxes.start(spec()); !started) give_up(started.error().message);
  while (true) {
    pollfd ready{sandboxes.event_fd(), POLLIN, 0};
    ::poll(&ready, 1, 30'000);
    for (const agent::RuntimeEvent& event : sandboxes.take_events().events) {
      const auto* exited = std::get_if<agent::Exited>(&event);
      if (exited == nullptr) continue;
      const double took = now_ms() - began;
      if (exited->exit_code != 0) give_up(exited->detail);
      sandboxes.forget(LeaseId(kLease));
      return took;
    }
  }
}

double bare_ms(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  const std::array<char*, 2> envp{path.data(), nullptr};
  const double began = now_ms();
  pid_t pid = -1;
  int status = -1;
  if (::posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), envp.data()) != 0) {
    give_up(words[0] + " cannot be run");
  }
  ::waitpid(pid, &status, 0);
  const double took = now_ms() - began;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) give_up(words[0] + " failed");
  return took;
}

// The bare tool's whole command line, for the same kind of sandbox in the same folders.
std::vector<std::string> bare_words(const Level& level, const std::string& folder) {
  runtime::LaunchFile launch;
  launch.spec = spec();
  launch.uid = kUid;
  runtime::PrivateFolders folders{.work = folder + "/work",
                                  .out = folder + "/out",
                                  .tmp = folder + "/tmp",
                                  .checkpoint = folder + "/checkpoint",
                                  .etc = folder + "/etc",
                                  .stage = folder + "/stage",
                                  .init = folder + "/init",
                                  .root = {}};
  if (level.isolation == v1::BUBBLEWRAP) {
    std::vector<std::string> words = runtime::BubblewrapSandbox::arguments(launch, folders);
    words.insert(words.begin(), level.tool);
    words.insert(words.end(), {"--", std::string(runtime::kInitPath), "-", "true"});
    return words;
  }
  const bool is_runc = level.isolation == v1::RUNC;
  const auto bundle =
      runtime::make_oci_bundle(launch, folders, {"-", is_runc ? "/fallow-bench" : "", is_runc});
  if (!bundle) give_up(bundle.error().message);
  std::vector<std::string> words = {level.tool, "--root=" + folder + "/state"};
  if (!is_runc) {
    words.insert(words.end(), {"--platform=systrap", "--network=none", "--ignore-cgroups",
                               "--overlay2=none", "--oci-seccomp"});
  }
  words.insert(words.end(), {"run", "--bundle=" + *bundle, "fallow-bench"});
  return words;
}

void measure(const Level& level, const std::string& folder, Report& report) {
  const std::string name = runtime::isolation_name(level.isolation);
  if (!level.works) {
    report.add(name + ": skipped, " + level.why, 0, "");
    return;
  }
  const std::string bare_folder = folder + "/bare-" + name;
  for (const std::string& path :
       {bare_folder, bare_folder + "/work", bare_folder + "/out", bare_folder + "/tmp",
        bare_folder + "/checkpoint", bare_folder + "/stage"}) {
    (void)runtime::make_open_folder(path).has_value();
  }
  (void)runtime::make_open_folder(bare_folder + "/etc").has_value();
  for (const char* file : {"passwd", "group", "hosts", "nsswitch.conf"}) {
    (void)runtime::write_open_file(bare_folder + "/etc/" + file, "").has_value();
  }
  (void)replace_file(bare_folder + "/init", runtime::sandbox_init(), 0755).has_value();
  auto opened =
      SandboxRuntime::open({folder + "/leases-" + name, kSupervisor, {}, level.isolation});
  if (!opened) give_up(opened.error().message);
  const std::vector<std::string> words = bare_words(level, bare_folder);
  std::vector<double> ours;
  std::vector<double> bare;
  std::vector<double> over;
  ours_ms(**opened);
  bare_ms(words);  // both warm
  for (int i = 0; i < kRuns; ++i) {
    ours.push_back(ours_ms(**opened));
    bare.push_back(bare_ms(words));
    over.push_back(ours.back() - bare.back());
  }
  report.add(name + ": start to exit of `true`, median", quantile(ours, 0.5), "ms",
             fmt::format("of {}; p95 {:.1f}", kRuns, quantile(ours, 0.95)));
  report.add(name + ": the bare tool, median", quantile(bare, 0.5), "ms",
             fmt::format("p95 {:.1f}", quantile(bare, 0.95)));
  report.add(name + ": overhead, median of the differences", quantile(over, 0.5), "ms",
             "target: under 20 ms");
}

}  // namespace
}  // namespace fallow::bench

int main(int argc, char** argv) {
  using namespace fallow;
  const bool json = argc > 1 && std::strcmp(argv[1], "--json") == 0;
  std::string folder = "/tmp/fallow-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  ::chmod(folder.c_str(), 0755);
  const auto files = runtime::write_sandbox_files(folder);
  if (!files) return 1;
  const auto levels =
      runtime::try_levels({}, bench::kSupervisor, folder, *files, runtime::find_cgroup_parents());
  bench::Report report;
  for (const runtime::Level& level : levels ? *levels : std::vector<runtime::Level>()) {
    bench::measure(level, folder, report);
  }
  runtime::remove_tree(folder);
  report.print(json);
  return 0;
}
