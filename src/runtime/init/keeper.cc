#include "runtime/init/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/init/first_process.h"
#include "runtime/init/guest_talk.h"
#include "tunnel/endpoint.h"
#include "tunnel/request.h"

namespace fallow::init {
namespace {

using tunnel::MuxEvent;

long long now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<long long>(now.tv_sec) * 1'000 + now.tv_nsec / 1'000'000;
}

[[noreturn]] void become_emulator(char** emulator, int port, const sigset_t& signals) {
  ::sigprocmask(SIG_SETMASK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  // What it has to say is no output of the workload.
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  if (port == kTalkFd) {
    ::fcntl(port, F_SETFD, 0);
  } else {
    ::dup2(port, kTalkFd);
  }
  for (int fd = kTalkFd + 1; fd < 16; ++fd) ::close(fd);
  ::execv(emulator[0], emulator);
  std::fprintf(stderr, "%s: %s\n", emulator[0], std::strerror(errno));
  ::_exit(kNotFoundCode);
}

class Keeper {
 public:
  Keeper(int port, int word, int signals)
      : endpoint_(port, tunnel::Side::kRenter), word_(word), signals_(tunnel::own(signals)) {}
  int serve(int boot_ms_max);

 private:
  void hear(const MuxEvent& event);
  void say(char letter) const { (void)!::write(word_, &letter, 1); }
  bool let_in();
  void hear_signals();

  tunnel::Endpoint endpoint_;
  const int word_;
  const tunnel::SharedDescriptor signals_;
  std::vector<std::weak_ptr<tunnel::Descriptor>> guests_;  // who reached in, for as long as they do
  std::uint32_t run_ = 0;
  bool begun_ = false;
  bool over_ = false;
  int code_ = kSignalBase + SIGKILL;  // of a machine that ends without a word
};

int Keeper::serve(int boot_ms_max) {
  run_ = endpoint_.mux().open(kRunRequest);
  endpoint_.on_event([this](const MuxEvent& event) { hear(event); });
  endpoint_.add_sink(run_, tunnel::kOut, tunnel::borrow(STDOUT_FILENO), tunnel::AtEnd::kClose);
  endpoint_.add_sink(run_, tunnel::kErr, tunnel::borrow(STDERR_FILENO), tunnel::AtEnd::kClose);
  endpoint_.watch(tunnel::borrow(STDIN_FILENO), POLLIN, [this] { return let_in(); });
  endpoint_.watch(signals_, POLLIN, [this] {
    hear_signals();
    return true;
  });
  const long long until = now_ms() + boot_ms_max;
  while (!over_) {
    const long long left = std::max(until - now_ms(), 0LL);
    if (!endpoint_.turn(begun_ ? -1 : static_cast<int>(left))) break;
    if (begun_ || now_ms() < until) continue;
    std::fprintf(stderr, "the virtual machine was not up within %d s\n", boot_ms_max / 1'000);
    return kBrokenCode;
  }
  if (!begun_) {
    std::fprintf(stderr, "the virtual machine ended before it was up\n");
    return kBrokenCode;
  }
  // The supervisor reads the workload's output to its end. Who reached in may read no more, and
  // the lease does not wait for that.
  for (const auto& one : guests_) {
    if (const auto guest = one.lock()) ::shutdown(guest->get(), SHUT_RDWR);
  }
  endpoint_.drain();
  return code_;
}

void Keeper::hear(const MuxEvent& event) {
  if (event.kind == MuxEvent::Kind::kReady) {
    begun_ = true;
    say(kBegunWord);
    return;
  }
  if (event.stream != run_) return;
  tunnel::Note note;
  if (event.kind == MuxEvent::Kind::kNote && tunnel::decode_note(event.bytes, note)) {
    const auto* exit = std::get_if<tunnel::ExitNote>(&note);
    if (exit == nullptr) return;
    code_ = static_cast<int>(exit->code & 0xFFU);
    if (exit->reason == kOutOfMemory) say(kOutOfMemoryWord);
  }
  over_ |= event.kind == MuxEvent::Kind::kEnded || event.kind == MuxEvent::Kind::kReset;
}

bool Keeper::let_in() {
  int connection = -1;
  const bool goes_on = take_connection(STDIN_FILENO, connection);
  if (connection < 0) return goes_on;
  const tunnel::SharedDescriptor guest = tunnel::own(connection);
  const std::uint32_t stream = endpoint_.mux().open(kDoorRequest);
  // As many as there may be: who comes now sees the connection end.
  if (stream == 0) return goes_on;
  std::erase_if(guests_, [](const auto& one) { return one.expired(); });
  guests_.push_back(guest);
  endpoint_.add_source(stream, 0, guest);
  endpoint_.add_sink(stream, 0, guest, tunnel::AtEnd::kShutdown);
  return goes_on;
}

void Keeper::hear_signals() {
  signalfd_siginfo info{};
  while (::read(signals_->get(), &info, sizeof(info)) > 0) {
    if (info.ssi_signo != SIGTERM) continue;
    endpoint_.mux().send_note(run_, tunnel::encode_note(tunnel::SignalNote{SIGTERM}));
  }
  // The emulator's end is seen by its end of the port.
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

}  // namespace

int keep_machine(int word, int boot_ms_max, char** emulator) {
  ::prctl(PR_SET_DUMPABLE, 0);
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  sigset_t heard;
  ::sigemptyset(&heard);
  for (const int signal : {SIGCHLD, SIGTERM}) ::sigaddset(&heard, signal);
  const int signals = ::signalfd(-1, &heard, SFD_CLOEXEC);
  ::fcntl(word, F_SETFD, FD_CLOEXEC);
  int port[2];
  if (signals < 0 || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, port) != 0) {
    return kBrokenCode;
  }
  ::sigemptyset(&before);
  const pid_t child = ::fork();
  if (child < 0) return kBrokenCode;
  if (child == 0) become_emulator(emulator, port[1], before);
  ::close(port[1]);
  return Keeper(port[0], word, signals).serve(boot_ms_max);
}

}  // namespace fallow::init
