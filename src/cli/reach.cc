#include "cli/reach.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

#include "cli/command.h"

namespace fallow::cli {

std::unique_ptr<Reach> Reach::open(const Context& context, std::uint64_t lease, int& exit_code) {
  auto reach = connect(context, lease);
  if (reach) return std::move(*reach);
  exit_code = report(context, reach.error());
  return nullptr;
}

client::ApiResult<std::unique_ptr<Reach>> Reach::connect(const Context& context,
                                                         std::uint64_t lease,
                                                         const std::atomic<bool>* cancelled) {
  const auto config = context.config();
  if (!config) return tl::unexpected(client::local_error(config.error()));
  auto tunnel = client::Tunnel::open(*config, LeaseId(lease), cancelled);
  if (!tunnel) return tl::unexpected(std::move(tunnel).error());
  return std::unique_ptr<Reach>(new Reach(std::move(*tunnel)));
}

Reach::Reach(std::unique_ptr<client::Tunnel> tunnel)
    : tunnel_(std::move(tunnel)),
      endpoint_(tunnel_->take_local().release(), tunnel::Side::kRenter) {}

int Reach::ended(const Context& context, int exit_code) const {
  const std::string why = endpoint_.end().empty() ? tunnel_->end() : endpoint_.end();
  report(context,
         Error{ErrorCode::kFailed, "the way into the lease was lost: " + printable(why) +
                                       "; `fallow leases --open` says whether it still runs"});
  return exit_code;
}

HeardSignals::HeardSignals() {
  sigset_t heard;
  ::sigemptyset(&heard);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) ::sigaddset(&heard, signal);
  ::pthread_sigmask(SIG_BLOCK, &heard, &before_);
  // A reader that goes is an error of write(2), so that the terminal is given back as it was.
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignored, &pipe_before_);
  descriptor_ = tunnel::own(::signalfd(-1, &heard, SFD_CLOEXEC));
}

HeardSignals::~HeardSignals() {
  ::sigaction(SIGPIPE, &pipe_before_, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void HeardSignals::listen(tunnel::Endpoint& endpoint, std::function<void(int)> hear) {
  endpoint.watch(descriptor_, POLLIN, [descriptor = descriptor_, hear = std::move(hear)] {
    signalfd_siginfo info{};
    while (::read(descriptor->get(), &info, sizeof(info)) == sizeof(info)) {
      hear(static_cast<int>(info.ssi_signo));
    }
    return true;
  });
}

}  // namespace fallow::cli
