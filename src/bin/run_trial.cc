#include "bin/run_trial.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <string_view>
#include <system_error>

#include "agent/program.h"
#include "base/file.h"
#include "base/sanitizers.h"
#include "bin/market_host.h"
#include "log/folder_snapshots.h"
#include "log/sqlite_log_reader.h"
#include "sim/policy_trial.h"

namespace fallow::bin {
namespace {

// A sanitizer's shadow of all memory counts as the program's own: under one it goes unbounded.
constexpr bool kBoundsMemory = !kHasSanitizer;

// The program bounds itself to ten minutes; this only catches one that hangs.
constexpr Duration kTrialMax = minutes(12);
constexpr std::size_t kTrialBytesMax = std::size_t{1} << 20;
constexpr std::string_view kErrorBegins = "fallow: ";

[[noreturn]] void out_of_memory() {
  constexpr std::string_view kWords =
      "fallow: the trial needs more memory than it may have: allow it more with --memory-gb\n";
  (void)!::write(STDERR_FILENO, kWords.data(), kWords.size());
  ::_exit(1);
}

// From now on this process is the one to give way, to the scheduler and when memory runs out.
Status yield_and_bound(std::uint32_t memory_gb_max) {
  (void)::setpriority(PRIO_PROCESS, 0, 19);
  if (const auto score = open_file("/proc/self/oom_score_adj", O_WRONLY)) {
    (void)write_all(*score, "1000", "oom_score_adj");
  }
  const rlimit limit{rlim_t{memory_gb_max} << 30, rlim_t{memory_gb_max} << 30};
  if (kBoundsMemory && ::setrlimit(RLIMIT_DATA, &limit) != 0) {
    return fail(ErrorCode::kDenied,
                "this process may not bound its own memory ({}), so no trial is begun: let it call "
                "setrlimit",
                std::generic_category().message(errno));
  }
  std::set_new_handler(out_of_memory);
  return {};
}

std::string last_words(std::string_view said) {
  while (said.ends_with('\n')) said.remove_suffix(1);
  const std::size_t line = said.rfind('\n');
  if (line != said.npos) said.remove_prefix(line + 1);
  if (said.starts_with(kErrorBegins)) said.remove_prefix(kErrorBegins.size());
  return std::string(said);
}

}  // namespace

Result<v1::PolicyTrialView> run_trial(const std::string& data, const v1::Policy& policy,
                                      const std::function<bool()>& go_on) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(policy, &json, options).ok()) {
    return fail(ErrorCode::kInvalid, "the rules cannot be written down");
  }
  FALLOW_ASSIGN(const Fd file, memory_file("policy", json));
  agent::ProgramRun run;
  run.limit = kTrialMax;
  run.bytes_max = kTrialBytesMax;
  run.given = &file;
  run.go_on = go_on;
  FALLOW_ASSIGN(const agent::ProgramOutput output,
                agent::run_program({"/proc/self/exe", "--json", "market", "policy", "--dry-run",
                                    "--data", data, "--file", "/proc/self/fd/3"},
                                   run));
  if (output.exit_code != 0) {
    return fail(ErrorCode::kFailed, "the trial ended with exit code {}: {}", output.exit_code,
                last_words(output.err));
  }
  v1::PolicyTrialView view;
  if (!google::protobuf::util::JsonStringToMessage(output.out, &view).ok()) {
    return fail(ErrorCode::kFailed, "the trial's answer cannot be read");
  }
  return view;
}

Result<v1::PolicyTrialView> MarketHost::try_policy(const cli::TrialArguments& arguments) {
  FALLOW_TRY(yield_and_bound(arguments.memory_gb_max));
  FALLOW_ASSIGN(const auto reader, log::SqliteLogReader::open(arguments.data + "/log"));
  const auto snapshots = log::FolderSnapshots::open_to_read(arguments.data + "/snapshots");
  const Time until = clock_->monotonic() + minutes(arguments.minutes_max);
  sim::PolicyTrial trial;
  trial.change = arguments.change;
  trial.span = Duration(static_cast<std::int64_t>(arguments.hours * 3'600e6));
  trial.go_on = [this, until] { return clock_->monotonic() < until; };
  auto done = sim::try_policy(*reader, snapshots.get(), {}, trial);
  if (!done && done.error().code == ErrorCode::kTimedOut) {
    return fail(ErrorCode::kTimedOut,
                "{}, for it took {} minutes: try fewer --hours, or allow more --minutes",
                done.error().message, arguments.minutes_max);
  }
  return done;
}

}  // namespace fallow::bin
