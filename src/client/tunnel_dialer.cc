#include "client/tunnel_dialer.h"

#include <atomic>
#include <optional>
#include <utility>

#include "client/endpoint.h"
#include "client/tunnel_carry.h"
#include "net/io_pool.h"

namespace fallow::client {
namespace {

constexpr Duration kDialTimeout = seconds(10);

}  // namespace

struct TunnelDialer::Impl {
  Endpoint endpoint;
  std::atomic<std::size_t> open = 0;
  std::optional<net::IoPool> pool;  // last: its end destroys what still waits

  static net::Task<void> run(Impl* self, std::string token, Fd inside, std::string refusal,
                             std::function<void()> ended) {
    net::Url url = self->endpoint.url;
    url.target = "/v1/agent/tunnel";
    net::Headers headers;
    headers.set("Authorization", "Bearer " + token);
    auto connected = co_await net::connect_websocket(url, self->endpoint.tls, std::move(headers),
                                                     net::bulk_socket_options(), kDialTimeout);
    // Whoever asked for the tunnel is told by the market that nobody came.
    if (connected) {
      const std::shared_ptr<net::WebSocket> socket = std::move(*connected);
      if (inside) {
        co_await carry_tunnel(socket, std::move(inside), "the workload has ended", nullptr);
      } else {
        (void)!socket->try_send(refusal);
        socket->close(net::CloseCode::kNormal, "refused");
        for (;;) {
          const auto message = co_await socket->receive();
          if (!message) break;
        }
      }
    }
    self->open.fetch_sub(1);
    ended();
  }
};

TunnelDialer::TunnelDialer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

TunnelDialer::~TunnelDialer() {
  if (impl_->pool) impl_->pool->stop();
}

Result<std::unique_ptr<TunnelDialer>> TunnelDialer::make(const Config& market) {
  auto impl = std::make_unique<Impl>();
  FALLOW_ASSIGN(impl->endpoint, endpoint_of(market));
  return std::unique_ptr<TunnelDialer>(new TunnelDialer(std::move(impl)));
}

void TunnelDialer::dial(std::string token, Fd inside, std::string refusal,
                        std::function<void()> ended) {
  if (!impl_->pool) impl_->pool.emplace(1);
  impl_->open.fetch_add(1);
  net::spawn(impl_->pool->next(), Impl::run(impl_.get(), std::move(token), std::move(inside),
                                            std::move(refusal), std::move(ended)));
}

std::size_t TunnelDialer::open_count() const { return impl_->open.load(); }

}  // namespace fallow::client
