#include "runtime/bubblewrap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "runtime/driver_files.h"
#include "runtime/host_root.h"
#include "runtime/sandbox_init.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kStatusBytesMax = 64 << 10;
// The numbers under which bubblewrap finds what it is given.
constexpr int kArgumentsFd = 3;
constexpr int kStatusFd = 4;
constexpr int kSeccompFd = 5;

// The number after `key` in bubblewrap's status lines.
std::optional<std::uint64_t> status_number(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  std::size_t begin = text.find(':', at + key.size());
  if (begin == std::string_view::npos) return std::nullopt;
  begin = text.find_first_not_of(' ', begin + 1);
  if (begin == std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + begin, text.data() + text.size(), number);
  // A number at the very end may still go on.
  if (error != std::errc() || end == text.data() + text.size()) return std::nullopt;
  return number;
}

void append(std::vector<std::string>& to, std::initializer_list<std::string_view> arguments) {
  for (const std::string_view argument : arguments) to.emplace_back(argument);
}

void mask(std::vector<std::string>& to) {
  for (const std::string_view path : kMasked) {
    struct stat info {};
    if (::stat(std::string(path).c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      append(to, {"--tmpfs", path, "--remount-ro", path});
    } else {
      append(to, {"--ro-bind", "/dev/null", path});
    }
  }
}

}  // namespace

void BubblewrapSandbox::add_namespaces(std::vector<std::string>& words, bool own_network) {
  const std::string inner = std::to_string(kInnerUid);
  append(words,
         {"--unshare-user", "--disable-userns", "--uid", inner, "--gid", inner, "--unshare-ipc",
          "--unshare-pid", "--as-pid-1", "--unshare-uts", "--unshare-cgroup-try", "--hostname",
          "fallow", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"});
  if (own_network) append(words, {"--unshare-net"});
}

void BubblewrapSandbox::add_kernel_files(std::vector<std::string>& words,
                                         const agent::LaunchSpec& spec) {
  append(words, {"--proc", "/proc", "--dev", "/dev"});
  mask(words);
  for (const std::string& device : spec.device_files) {
    append(words, {"--dev-bind-try", device, device});
  }
}

std::vector<std::string> BubblewrapSandbox::arguments(const LaunchFile& launch,
                                                      const PrivateFolders& folders) {
  const agent::LaunchSpec& spec = launch.spec;
  std::vector<std::string> words;
  // With a network it is entered before bubblewrap begins.
  add_namespaces(words, spec.network == v1::NETWORK_NONE);
  if (!folders.root.empty()) {
    append(words, {folders.root_writable ? "--bind" : "--ro-bind", folders.root, "/"});
  }
  const HostRoot root = host_root(spec);
  for (const auto& [path, target] : root.links) append(words, {"--symlink", target, path});
  for (const std::string& path : root.shown) append(words, {"--ro-bind", path, path});
  for (const auto& [name, text] : inner_etc()) {
    append(words, {"--ro-bind", folders.etc + "/" + name, "/etc/" + name});
  }
  if (spec.network != v1::NETWORK_NONE) {
    append(words, {"--ro-bind", folders.etc + "/resolv.conf", "/etc/resolv.conf"});
  }
  if (!launch.driver_files.empty()) {
    append(words, {"--tmpfs", kDriverFolder});
    for (const auto& [from, at] : launch.driver_files) append(words, {"--ro-bind", from, at});
    append(words, {"--remount-ro", kDriverFolder});
  }
  add_kernel_files(words, spec);
  append(words, {"--ro-bind", folders.init, kInitPath});
  if (!folders.prover.empty()) append(words, {"--ro-bind", folders.prover, kProverPath});
  append(words, {"--perms", "1777", "--size", std::to_string(shared_memory_bytes(spec)), "--tmpfs",
                 "/dev/shm"});
  append(words,
         {"--bind", folders.work, "/work", "--bind", folders.out, "/out", "--bind", folders.tmp,
          "/tmp", "--bind", folders.checkpoint, "/checkpoint", "--remount-ro", "/dev"});
  if (!folders.root_writable) append(words, {"--remount-ro", "/"});
  append(words, {"--chdir", "/work"});
  for (const auto& [name, value] : spec.environment) append(words, {"--setenv", name, value});
  return words;
}

Status BubblewrapSandbox::start() {
  std::vector<std::string> command = {std::string(kInitPath),
                                      init_tie("-", launch_.spec.is_prover)};
  command.insert(command.end(), launch_.spec.command.begin(), launch_.spec.command.end());
  return start_in(arguments(launch_, folders_), command, {}, true);
}

Status BubblewrapSandbox::start_in(std::vector<std::string> words,
                                   const std::vector<std::string>& command,
                                   const std::vector<std::pair<int, int>>& kept,
                                   bool limits_files) {
  std::array<int, 2> status{};
  if (::pipe2(status.data(), O_CLOEXEC) != 0) {
    return tl::unexpected(file_error("make", "a pipe", errno));
  }
  ::fcntl(status[0], F_SETFL, O_NONBLOCK);
  status_ = Fd(status[0]);
  const Fd status_end(status[1]);

  append(words,
         {"--json-status-fd", std::to_string(kStatusFd), "--seccomp", std::to_string(kSeccompFd)});
  std::string text;
  for (const std::string& word : words) text.append(word).push_back('\0');
  text.pop_back();
  FALLOW_ASSIGN(const Fd arguments_file, memory_file("arguments", text));
  if (launch_.filter.empty()) {
    return fail(ErrorCode::kFailed,
                "the filter of system calls cannot be read from {}; start the agent again",
                launch_.files.filter);
  }
  FALLOW_ASSIGN(const Fd seccomp, memory_file("seccomp", launch_.filter));

  // bubblewrap takes its options from the descriptor, but the command only from its own arguments.
  Start start;
  start.words = {launch_.tool, "--args", std::to_string(kArgumentsFd), "--"};
  start.words.insert(start.words.end(), command.begin(), command.end());
  start.kept = {{arguments_file.get(), kArgumentsFd},
                {status_end.get(), kStatusFd},
                {seccomp.get(), kSeccompFd}};
  start.kept.insert(start.kept.end(), kept.begin(), kept.end());
  start.enters_network = true;
  start.becomes_user = true;
  start.limits_files = limits_files;
  return run(std::move(start));
}

void BubblewrapSandbox::follow() {
  std::array<char, 4096> buffer{};
  ssize_t n = 0;
  while (status_ && (n = ::read(status_.get(), buffer.data(), buffer.size())) > 0) {
    if (said_.size() < kStatusBytesMax) said_.append(buffer.data(), static_cast<std::size_t>(n));
  }
  if (n == 0) status_.reset();
  if (init_ > 0) return;
  const auto pid = status_number(said_, "\"child-pid\"");
  const auto pid_namespace = status_number(said_, "\"pid-namespace\"");
  if (!pid || !pid_namespace) return;
  set_init(static_cast<pid_t>(*pid));
  // It may be gone already; bubblewrap knows.
  pid_namespace_ = *pid_namespace;
}

void BubblewrapSandbox::child_ended(pid_t pid, int) {
  if (pid != tool_) return;
  tool_ = -1;
  over_ = true;
  follow();
}

SandboxEnd BubblewrapSandbox::end(std::string_view err_head) const {
  SandboxEnd end;
  if (const auto code = status_number(said_, "\"exit-code\"")) {
    end.exit_code = static_cast<int>(*code);
    if (*end.exit_code == kNotFoundCode) end.command_error = init_error(err_head);
    return end;
  }
  // It ended without having run anything; what it said stands alone in the error output.
  end.start_error = err_head.substr(0, err_head.find('\n'));
  return end;
}

}  // namespace fallow::runtime
