#include "client/tunnel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <functional>
#include <future>
#include <mutex>
#include <string_view>
#include <utility>

#include "client/attempts.h"
#include "client/endpoint.h"
#include "client/refusal.h"
#include "client/tunnel_carry.h"
#include "net/io_pool.h"

namespace fallow::client {
namespace {

constexpr Duration kOpenTimeout = seconds(30);
// As many are open as may be: that ends when one is closed, not by waiting.
constexpr std::string_view kTunnelsMax = "tunnels_max";

using Connected = Result<std::shared_ptr<net::WebSocket>>;

// One attempt to connect. It outlives who gives up waiting for it.
struct Dial {
  net::Response refused{0, {}, {}};  // the answer, if it was no WebSocket
  std::promise<Connected> connected;
};

net::Task<void> dial_tunnel(std::shared_ptr<Dial> dial, net::Url url,
                            std::shared_ptr<const net::TlsClient> tls, net::Headers headers) {
  Connected connected =
      co_await net::connect_websocket(std::move(url), std::move(tls), std::move(headers),
                                      net::bulk_socket_options(), kOpenTimeout, &dial->refused);
  dial->connected.set_value(std::move(connected));
}

}  // namespace

struct Tunnel::Impl {
  Fd local;
  mutable std::mutex mutex;
  std::string end;  // under the mutex
  net::IoPool pool{1};

  static net::Task<void> run(Impl* self, std::shared_ptr<net::WebSocket> socket, Fd inner) {
    std::function<void(const Error&)> tell = [self](const Error& why) {
      const std::lock_guard lock(self->mutex);
      self->end = why.message;
    };
    co_await carry_tunnel(std::move(socket), std::move(inner), "done", std::move(tell));
  }
};

Tunnel::Tunnel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Tunnel::~Tunnel() { impl_->pool.stop(); }

ApiResult<std::unique_ptr<Tunnel>> Tunnel::open(const Config& market, LeaseId lease,
                                                const std::atomic<bool>* cancelled) {
  const auto endpoint = endpoint_of(market);
  if (!endpoint) return tl::unexpected(local_error(endpoint.error()));
  auto impl = std::make_unique<Impl>();
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return tl::unexpected(local_error(file_error("make", "a pair of sockets", errno)));
  }
  impl->local = Fd(ends[0]);
  Fd inner(ends[1]);

  net::Url url = endpoint->url;
  url.target = "/v1/leases/" + std::to_string(lease.value) + "/tunnel";
  net::Headers headers;
  if (!market.api_key.empty()) headers.set("Authorization", "Bearer " + market.api_key);
  if (!market.team.empty()) headers.set("Fallow-Team", market.team);
  const net::Executor executor = impl->pool.next();
  const auto is_cancelled = [cancelled] { return cancelled != nullptr && *cancelled; };
  const ApiError ended{ApiError::Kind::kCancelled, "cancelled", {}};
  ApiResult<std::shared_ptr<net::WebSocket>> socket = nullptr;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    if (attempt > 0) back_off(attempt - 1, cancelled);
    if (is_cancelled()) return tl::unexpected(ended);
    const auto dial = std::make_shared<Dial>();
    auto answer = dial->connected.get_future();
    net::spawn(executor, dial_tunnel(dial, url, endpoint->tls, headers));
    while (answer.wait_for(kCancelLook) != std::future_status::ready) {
      // What is still being dialled goes with the threads.
      if (is_cancelled()) return tl::unexpected(ended);
    }
    Connected connected = answer.get();
    if (connected) {
      socket = std::move(*connected);
      break;
    }
    if (dial->refused.status == 0) {
      return tl::unexpected(ApiError{ApiError::Kind::kUnreachable, connected.error().message, {}});
    }
    socket = tl::unexpected(refusal(dial->refused));
    if (!may_come_later(dial->refused.status) || socket.error().problem.code() == kTunnelsMax)
      break;
  }
  if (!socket) return tl::unexpected(std::move(socket).error());
  net::spawn(executor, Impl::run(impl.get(), std::move(*socket), std::move(inner)));
  return std::unique_ptr<Tunnel>(new Tunnel(std::move(impl)));
}

Fd Tunnel::take_local() { return std::move(impl_->local); }

std::string Tunnel::end() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->end;
}

}  // namespace fallow::client
