#include "net/http_connection.h"

#include <exception>
#include <utility>

namespace fallow::net {
namespace {

constexpr Duration kLingerMax = seconds(2);

}  // namespace

HttpConnection::HttpConnection(std::shared_ptr<HttpServerState> state, HttpLane& lane,
                               std::shared_ptr<Stream> stream)
    : state_(std::move(state)),
      lane_(lane),
      stream_(std::move(stream)),
      parser_(HttpParser::Role::kServer, state_->options.limits) {
  stream_->set_pace(state_->options.pace);
  const std::lock_guard lock(state_->mutex);
  ++state_->connection_count;
}

HttpConnection::~HttpConnection() {
  if (registered_) lane_.connections.erase(this);
  // The socket goes before the count: who waits for zero may then look at descriptors.
  stream_.reset();
  const std::lock_guard lock(state_->mutex);
  --state_->connection_count;
  state_->changed.notify_all();
}

Task<void> HttpConnection::run(std::unique_ptr<HttpConnection> self) {
  self->lane_.connections.insert(self.get());
  self->registered_ = true;
  if (self->lane_.stopping) co_return;
  if (self->state_->options.tls) {
    const Status secured = co_await self->stream_->handshake(
        *self->state_->options.tls, self->state_->options.handshake_timeout);
    if (!secured) co_return;
  }
  co_await self->serve_all();
}

Task<void> HttpConnection::serve_all() {
  for (;;) {
    const bool has_head = co_await read_head();
    if (!has_head) co_return;
    const bool reusable = co_await serve();
    if (!reusable) co_return;
    if (lane_.stopping) break;
    parser_.next();
  }
  co_await linger();
}

Task<bool> HttpConnection::read_head() {
  Deadline deadline = deadline_after(state_->options.idle_timeout);
  bool begun = false;
  while (parser_.state() == HttpParser::State::kHead) {
    if (!begun && parser_.has_begun()) {
      begun = true;
      deadline = deadline_after(state_->options.header_timeout);
    }
    idle_ = !begun;
    if (idle_ && lane_.stopping) co_return false;
    const auto chunk = co_await stream_->read_chunk(deadline);
    if (chunk) {
      idle_ = false;
      parser_.feed(*chunk);
      continue;
    }
    if (begun && chunk.error().code == ErrorCode::kTimedOut) {
      std::string reason = "the request's header did not arrive in time";
      co_await refuse(408, std::move(reason));
    }
    co_return false;
  }
  idle_ = false;
  if (parser_.state() != HttpParser::State::kFailed) co_return true;
  std::string reason = parser_.failure().message;
  co_await refuse(parser_.failure().status, std::move(reason));
  co_return false;
}

Task<void> HttpConnection::refuse(int status, std::string message) {
  Response response = problem_response(status, message);
  response.headers.add("Content-Length", std::to_string(response.body.size()));
  response.headers.add("Connection", "close");
  const std::string bytes = write_response_head(response.status, response.headers) + response.body;
  const Status written = co_await stream_->write_all(bytes);
  if (written) co_await linger();
}

Task<bool> HttpConnection::serve() {
  Request request = parser_.take_request();
  auto parts = parse_target(request.target);
  if (!parts) {
    std::string reason = std::move(parts).error().message;
    co_await refuse(400, std::move(reason));
    co_return false;
  }
  request.parts = std::move(*parts);
  Exchange exchange(*this, std::move(request));
  try {
    co_await state_->handler(exchange);
  } catch (const std::exception& e) {
    state_->log(fmt::format("the handler of {} {} threw: {}", exchange.request().method,
                            exchange.request().parts.path, e.what()));
  }
  stream_->on_readable(nullptr);
  const bool reusable = co_await exchange.complete();
  if (reusable) co_return true;
  if (!exchange.upgraded_ && !exchange.broken_) co_await linger();
  co_return false;
}

// Closing a socket while the client still sends resets it, and the reset can overtake the answer:
// so the client first gets the end, then a moment to read it.
Task<void> HttpConnection::linger() {
  co_await stream_->shutdown_write();
  const Deadline deadline = deadline_after(kLingerMax);
  for (;;) {
    if (std::chrono::steady_clock::now() >= deadline) co_return;
    const auto chunk = co_await stream_->read_chunk(deadline);
    if (!chunk) co_return;
  }
}

void HttpConnection::on_stop() {
  if (idle_) stream_->cancel();
  if (waiting_) waiting_->notify();
  if (const auto socket = websocket_.lock()) {
    socket->close(CloseCode::kGoingAway, "the server is shutting down");
  }
}

}  // namespace fallow::net
