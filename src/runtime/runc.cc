#include "runtime/runc.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/number.h"
#include "runtime/oci_bundle.h"
#include "runtime/sandbox_init.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kRuncFileBytesMax = 64 << 10;
constexpr std::size_t kRuncReasonBytesMax = 400;
constexpr int kTieFd = 3;
constexpr int kShellSignalBase = 128;
constexpr std::string_view kId = "workload";

// Linux 5.12 and up, where the call is allowed; elsewhere runc would start nothing that asks for
// it.
bool kernel_sets_mounts_below() {
  return ::syscall(SYS_mount_setattr, -1, "", 0, nullptr, 0) != 0 && errno == EINVAL;
}

}  // namespace

Status RuncSandbox::start() {
  if (cgroup_.oci_path().empty()) {
    return fail(ErrorCode::kFailed, "runc needs control groups, and the agent may make none here");
  }
  FALLOW_TRY(check_process_limit());
  OciOptions options{std::to_string(kTieFd), cgroup_.oci_path()};
  options.read_only_below = kernel_sets_mounts_below();
  options.network_path = network_path();
  FALLOW_ASSIGN(bundle_, make_oci_bundle(launch_, folders_, options));
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return tl::unexpected(file_error("make", "a pipe", errno));
  }
  const Fd inner_end(ends[0]);
  tie_ = Fd(ends[1]);
  Start start;
  start.words = {launch_.tool, "--root",         folders_.stage + "/state",
                 "--log",      bundle_ + "/log", "run",
                 "--detach",   "--bundle",       bundle_,
                 "--pid-file", bundle_ + "/pid", "--preserve-fds",
                 "1",          std::string(kId)};
  start.kept = {{inner_end.get(), kTieFd}};
  // runc itself stays outside; it puts the workload into the groups before that begins.
  start.joins_cgroup = false;
  return run(std::move(start));
}

void RuncSandbox::child_ended(pid_t pid, int status) {
  if (pid == tool_) {
    tool_ = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      take_init();
    } else {
      over_ = true;
    }
    return;
  }
  if (!begun_) {
    ended_[pid] = status;
  } else if (pid == init_) {
    status_ = status;
    over_ = true;
  }
}

void RuncSandbox::take_init() {
  const auto text = read_file(bundle_ + "/pid", kRuncFileBytesMax);
  const pid_t pid = text ? parse_number<pid_t>(*text).value_or(0) : 0;
  const auto found = ended_.find(pid);
  if (found != ended_.end()) {
    begun_ = true;
    status_ = found->second;
  } else if (pid > 0) {
    set_init(pid);
  }
  over_ = pid <= 0 || status_.has_value();
}

void RuncSandbox::kill() {
  NamespaceSandbox::kill();
  // Also what is not in the groups yet.
  tie_.reset();
}

SandboxEnd RuncSandbox::end(std::string_view err_head) const {
  SandboxEnd end;
  if (!begun_) {
    end.start_error = oci_error(bundle_ + "/log");
    if (end.start_error.empty()) end.start_error = err_head.substr(0, err_head.find('\n'));
    return end;
  }
  if (!status_ || WIFSIGNALED(*status_)) return end;
  end.exit_code = WEXITSTATUS(*status_);
  if (*end.exit_code == kNotFoundCode) end.command_error = init_error(err_head);
  return end;
}

std::string oci_error(const std::string& log_path) {
  const auto text = read_file(log_path, kRuncFileBytesMax);
  if (!text || text->empty()) return "";
  // time="..." level=error msg="..."
  constexpr std::string_view kKey = "msg=\"";
  const std::size_t at = text->rfind(kKey);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + kKey.size();
  std::string reason = text->substr(begin, text->find('\n', begin) - begin);
  if (reason.ends_with('"')) reason.pop_back();
  return reason.substr(0, kRuncReasonBytesMax);
}

}  // namespace fallow::runtime
