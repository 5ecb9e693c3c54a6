#include "runtime/init/command.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "runtime/init/first_process.h"

namespace fallow::init {
namespace {

constexpr int kCannotRunCode = 126;
constexpr int kInheritedMax = 1024;

struct Ends {
  tunnel::SharedDescriptor ours;
  tunnel::SharedDescriptor theirs;
};

bool make_pipe(Ends& ends, bool we_read) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return false;
  ends.ours = tunnel::own(we_read ? pipe[0] : pipe[1]);
  ends.theirs = std::make_shared<tunnel::Descriptor>(we_read ? pipe[1] : pipe[0]);
  return true;
}

bool make_terminal(Ends& ends, const tunnel::WindowSize& size) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0) return false;
  ends.ours = tunnel::own(master);
  std::array<char, 64> name{};
  if (::grantpt(master) != 0 || ::unlockpt(master) != 0 ||
      ::ptsname_r(master, name.data(), name.size()) != 0) {
    return false;
  }
  const int slave = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return false;
  ends.theirs = std::make_shared<tunnel::Descriptor>(slave);
  winsize window{};
  window.ws_row = static_cast<unsigned short>(size.rows);
  window.ws_col = static_cast<unsigned short>(size.columns);
  ::ioctl(slave, TIOCSWINSZ, &window);
  return true;
}

// Becomes the command. `standard` are its input, output and error output.
[[noreturn]] void become(const tunnel::ExecRequest& request, const std::array<int, 3>& standard) {
  ::setsid();
  if (request.has_terminal) ::ioctl(standard[0], TIOCSCTTY, 0);
  for (int fd = 0; fd < 3; ++fd) ::dup2(standard[static_cast<std::size_t>(fd)], fd);
  for (int fd = 3; fd < kInheritedMax; ++fd) ::close(fd);
  for (const auto& [name, value] : request.environment) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  if (std::getenv("HOME") == nullptr) ::setenv("HOME", "/work", 1);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::vector<std::string> words = request.command;
  std::string program;
  if (words.empty()) {
    program = ::access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
    ::setenv("SHELL", program.c_str(), 1);
    // A leading dash: a login shell.
    words = {"-" + program.substr(program.rfind('/') + 1)};
  } else {
    program = words[0];
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(program.c_str(), argv.data());
  const int error = errno;
  std::fprintf(stderr, "fallow: %s: %s\n", program.c_str(), std::strerror(error));
  ::_exit(error == ENOENT ? kNotFoundCode : kCannotRunCode);
}

}  // namespace

bool Command::start(tunnel::Endpoint& endpoint, std::uint32_t stream,
                    const tunnel::ExecRequest& request, std::string& failure) {
  stream_ = stream;
  Ends in;
  Ends out;
  Ends err;
  const bool made = request.has_terminal
                        ? make_terminal(in, request.size)
                        : make_pipe(in, false) && make_pipe(out, true) && make_pipe(err, true);
  if (!made) {
    failure = std::string(request.has_terminal ? "the sandbox gives no terminal: "
                                               : "the sandbox gives no pipe: ") +
              std::strerror(errno);
    return false;
  }
  const std::array<int, 3> standard =
      request.has_terminal
          ? std::array<int, 3>{in.theirs->get(), in.theirs->get(), in.theirs->get()}
          : std::array<int, 3>{in.theirs->get(), out.theirs->get(), err.theirs->get()};
  pid_ = ::fork();
  if (pid_ < 0) {
    failure = std::string("no process can be started in the sandbox: ") + std::strerror(errno);
    return false;
  }
  if (pid_ == 0) become(request, standard);
  const auto at_end = [this, &endpoint] { source_ended(endpoint); };
  if (request.has_terminal) {
    terminal_ = in.ours;
    sources_open_ = 1;
    endpoint.add_source(stream, tunnel::kOut, in.ours, at_end);
    endpoint.add_sink(stream, 0, in.ours, tunnel::AtEnd::kTypeEnd);
  } else {
    sources_open_ = 2;
    endpoint.add_source(stream, tunnel::kOut, out.ours, at_end);
    endpoint.add_source(stream, tunnel::kErr, err.ours, at_end);
    endpoint.add_sink(stream, 0, in.ours, tunnel::AtEnd::kClose);
  }
  return true;
}

void Command::resize(const tunnel::WindowSize& size) const {
  if (!terminal_) return;
  winsize window{};
  window.ws_row = static_cast<unsigned short>(size.rows);
  window.ws_col = static_cast<unsigned short>(size.columns);
  ::ioctl(terminal_->get(), TIOCSWINSZ, &window);
}

void Command::signal(int number) const {
  if (is_over_ || pid_ <= 0 || number <= 0 || number >= NSIG) return;
  // Before it leads a group of its own there is none.
  if (::kill(-pid_, number) != 0) ::kill(pid_, number);
}

void Command::hang_up() const {
  signal(SIGHUP);
  signal(SIGCONT);
}

void Command::ended(tunnel::Endpoint& endpoint, int status) {
  is_over_ = true;
  code_ = static_cast<std::uint32_t>(WIFEXITED(status) ? WEXITSTATUS(status)
                                                       : kSignalBase + WTERMSIG(status));
  // What it left running in the background may hold its output open for ever.
  endpoint.finish_sources(stream_);
  if (sources_open_ == 0) say_end(endpoint);
}

void Command::source_ended(tunnel::Endpoint& endpoint) {
  --sources_open_;
  if (sources_open_ == 0 && is_over_) say_end(endpoint);
}

void Command::say_end(tunnel::Endpoint& endpoint) const {
  endpoint.mux().send_note(stream_, tunnel::encode_note(tunnel::ExitNote{code_, {}}));
  endpoint.mux().end(stream_);
}

}  // namespace fallow::init
