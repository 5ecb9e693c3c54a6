// What the commands that reach into a running lease share: the tunnel, and the signals that a
// person sends meanwhile.
//
// Owner: one command, on one thread.
#pragma once

#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cli/context.h"
#include "client/tunnel.h"
#include "tunnel/endpoint.h"

namespace fallow::cli {

// As ssh says that the way was lost.
inline constexpr int kWayLostCode = 255;
// The other side is given so long for what is still on its way when a command ends.
inline constexpr int kFlushMs = 2'000;

class Reach {
 public:
  // Blocks until the way in is open. Null: it was said why not, and `exit_code` fits that.
  static std::unique_ptr<Reach> open(const Context& context, std::uint64_t lease, int& exit_code);
  // The same for who tells of errors itself; kCancelled soon after `cancelled` has become true.
  static client::ApiResult<std::unique_ptr<Reach>> connect(
      const Context& context, std::uint64_t lease, const std::atomic<bool>* cancelled = nullptr);

  tunnel::Endpoint& endpoint() { return endpoint_; }
  tunnel::Mux& mux() { return endpoint_.mux(); }
  // Says on the error output why the tunnel ended, and answers `exit_code`.
  int ended(const Context& context, int exit_code) const;

 private:
  explicit Reach(std::unique_ptr<client::Tunnel> tunnel);

  const std::unique_ptr<client::Tunnel> tunnel_;
  tunnel::Endpoint endpoint_;
};

// The signals of a terminal and of whoever ends programs, as something to poll; SIGPIPE is ignored.
// For as long as it lives. Made when the tunnel is open: who is still being connected is ended as
// any program (the tunnel's own thread hears no signals).
class HeardSignals {
 public:
  HeardSignals();
  ~HeardSignals();
  HeardSignals(const HeardSignals&) = delete;
  HeardSignals& operator=(const HeardSignals&) = delete;

  // `hear` gets the number of each.
  void listen(tunnel::Endpoint& endpoint, std::function<void(int)> hear);

 private:
  sigset_t before_{};
  struct sigaction pipe_before_ {};
  tunnel::SharedDescriptor descriptor_;
};

}  // namespace fallow::cli
