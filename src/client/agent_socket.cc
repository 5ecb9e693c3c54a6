#include "client/agent_socket.h"

#include <mutex>
#include <utility>

#include "client/endpoint.h"
#include "net/io_pool.h"
#include "net/task.h"
#include "net/websocket.h"

namespace fallow::client {
namespace {

constexpr Duration kConnectTimeout = seconds(10);

}  // namespace

struct AgentSocket::Impl {
  Endpoint endpoint;
  net::WebSocketOptions options;
  std::mutex mutex;
  std::shared_ptr<net::WebSocket> socket;  // null: not open
  bool leaving = false;                    // close() came while connecting
  net::IoPool pool{1};                     // last: its end destroys what still waits

  std::shared_ptr<net::WebSocket> current() {
    const std::lock_guard lock(mutex);
    return socket;
  }

  // False when close() came meanwhile.
  bool keep(const std::shared_ptr<net::WebSocket>& opened) {
    const std::lock_guard lock(mutex);
    if (leaving) return false;
    socket = opened;
    return true;
  }

  static net::Task<void> speak(Impl* self, AgentSocketEvents events) {
    net::Url url = self->endpoint.url;
    url.target = "/v1/agent";
    auto connected = co_await net::connect_websocket(url, self->endpoint.tls, {}, self->options,
                                                     kConnectTimeout);
    if (!connected) {
      events.closed(std::move(connected.error()));
      co_return;
    }
    const std::shared_ptr<net::WebSocket> socket = std::move(*connected);
    if (!self->keep(socket)) {
      socket->cancel();
      events.closed(Error{ErrorCode::kClosed, "the connection was given up"});
      co_return;
    }
    events.opened();
    Error why;
    for (;;) {
      auto message = co_await socket->receive();
      if (!message) {
        why = std::move(message.error());
        break;
      }
      events.received(std::move(message->data));
    }
    {
      const std::lock_guard lock(self->mutex);
      self->socket = nullptr;
    }
    events.closed(std::move(why));
  }
};

AgentSocket::AgentSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AgentSocket::~AgentSocket() {
  impl_->pool.stop();
  // A socket dies by its thread's loop, which is still there now, and is not when Impl's other
  // members go.
  impl_->socket = nullptr;
}

Result<std::unique_ptr<AgentSocket>> AgentSocket::make(const Config& config,
                                                       AgentSocketLimits limits) {
  auto impl = std::make_unique<Impl>();
  FALLOW_ASSIGN(impl->endpoint, endpoint_of(config));
  impl->options.message_bytes_max = limits.message_bytes_max;
  impl->options.send_queue_messages_max = limits.send_queue_messages_max;
  impl->options.send_queue_bytes_max = limits.send_queue_bytes_max;
  return std::unique_ptr<AgentSocket>(new AgentSocket(std::move(impl)));
}

void AgentSocket::open(AgentSocketEvents events) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->leaving = false;
  }
  net::spawn(impl_->pool.next(), Impl::speak(impl_.get(), std::move(events)));
}

Status AgentSocket::send(std::string_view bytes) {
  const auto socket = impl_->current();
  if (!socket) return fail(ErrorCode::kClosed, "there is no connection to the market");
  if (!socket->try_send(bytes)) {
    return fail(ErrorCode::kBusy, "the connection to the market takes no more for now");
  }
  return {};
}

void AgentSocket::close() {
  std::shared_ptr<net::WebSocket> socket;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->leaving = true;
    socket = impl_->socket;
  }
  if (socket) socket->close(net::CloseCode::kNormal, "leaving");
}

}  // namespace fallow::client
