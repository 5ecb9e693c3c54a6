#include "net/http_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "net/http_connection.h"
#include "net/listener.h"
#include "net/timer.h"

namespace fallow::net {
namespace {

constexpr Duration kAcceptBackoff = milliseconds(100);
// While descriptors are short, one line of log in so many refusals (ten seconds' worth).
constexpr unsigned kRefusalsPerLine = 100;

void turn_away(int fd, bool is_tls) {
  if (!is_tls) {
    Response response = problem_response(503, "too many connections; try again later");
    response.headers.add("Content-Length", std::to_string(response.body.size()));
    response.headers.add("Retry-After", "1");
    response.headers.add("Connection", "close");
    const std::string bytes =
        write_response_head(response.status, response.headers) + response.body;
    // Best effort: the fresh socket's buffer has room, and nobody waits for it.
    (void)::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  ::close(fd);
}

Task<void> accept_all(std::shared_ptr<HttpServerState> state, std::shared_ptr<Listener> listener) {
  std::size_t turn = 0;
  unsigned refusals = 0;
  for (;;) {
    const auto accepted = co_await listener->accept();
    if (!accepted) {
      if (accepted.error().code == ErrorCode::kClosed) break;
      if (refusals++ % kRefusalsPerLine == 0) state->log(accepted.error().message);
      co_await sleep_for(kAcceptBackoff);
      continue;
    }
    refusals = 0;
    bool full = false;
    {
      const std::lock_guard lock(state->mutex);
      full = state->connection_count >= state->options.connections_max;
    }
    if (full) {
      turn_away(accepted->fd, state->options.tls != nullptr);
      continue;
    }
    HttpLane& lane = *state->lanes[turn++ % state->lanes.size()];
    auto stream = Stream::adopt(lane.executor, accepted->fd, accepted->peer);
    auto connection = std::make_unique<HttpConnection>(state, lane, std::move(stream));
    spawn(lane.executor, HttpConnection::run(std::move(connection)));
  }
  const std::lock_guard lock(state->mutex);
  state->accepting = false;
  state->changed.notify_all();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(IoPool& pool, HttpServerOptions options,
                                                      HttpHandler handler) {
  auto bound = Listener::bind(pool.executor(0), options.address, options.port);
  if (!bound) return tl::unexpected(std::move(bound).error());
  const std::shared_ptr<Listener> listener = std::move(*bound);
  auto state = std::make_shared<HttpServerState>();
  state->options = std::move(options);
  state->handler = std::move(handler);
  state->accepting = true;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    state->lanes.push_back(std::make_unique<HttpLane>());
    state->lanes.back()->executor = pool.executor(i);
  }
  std::unique_ptr<HttpServer> server(new HttpServer(pool, state, listener->port()));
  server->close_listener_ = [weak = std::weak_ptr<Listener>(listener)] {
    if (const auto open = weak.lock()) open->close();
  };
  spawn(pool.executor(0), accept_all(std::move(state), listener));
  return server;
}

HttpServer::HttpServer(IoPool& pool, std::shared_ptr<HttpServerState> state, std::uint16_t port)
    : pool_(pool), state_(std::move(state)), port_(port) {}

HttpServer::~HttpServer() { stop(Duration(0)); }

std::size_t HttpServer::connection_count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->connection_count;
}

bool HttpServer::wait_until_empty(Duration timeout) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::microseconds(timeout.value), [this] {
    return state_->connection_count == 0 && !state_->accepting;
  });
}

bool HttpServer::stop(Duration grace) {
  if (stopped_) return true;
  stopped_ = true;
  post(pool_.executor(0), close_listener_);
  for (const auto& owned : state_->lanes) {
    post(owned->executor, [state = state_, lane = owned.get()] {
      lane->stopping = true;
      for (HttpConnection* connection : lane->connections) connection->on_stop();
    });
  }
  if (wait_until_empty(grace)) return true;
  for (const auto& owned : state_->lanes) {
    post(owned->executor, [state = state_, lane = owned.get()] {
      for (HttpConnection* connection : lane->connections) connection->cancel();
    });
  }
  wait_until_empty(kHandlerExitMax);
  return false;
}

}  // namespace fallow::net
