#include "net/exchange.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "base/check.h"
#include "net/http_connection.h"

namespace fallow::net {
namespace {

using State = HttpParser::State;

// The rest of a request body that nobody wanted is read and dropped up to this size, to keep the
// connection; beyond it closing is cheaper.
constexpr std::uint64_t kDrainedBytesMax = 256 * 1024;
constexpr std::size_t kReservedBytesMax = 1024 * 1024;
// Bodies up to this size travel in one write with their head.
constexpr std::size_t kAnswerJoinedBytesMax = 16 * 1024;
// A client that sends this much ahead while it waits for an answer is not watched any more.
constexpr std::size_t kAheadBytesMax = 64 * 1024;

// "Sun, 06 Nov 1994 08:49:37 GMT", made once a second and thread.
const std::string& date_now() {
  thread_local std::time_t made_at = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != made_at) {
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::array<char, 40> buffer{};
    const std::size_t size =
        std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    text.assign(buffer.data(), size);
    made_at = now;
  }
  return text;
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

Exchange::Exchange(HttpConnection& connection, Request request)
    : connection_(connection),
      request_(std::move(request)),
      keep_alive_(request_.keep_alive && !request_.is_http_1_0) {}

std::string Exchange::peer_address() const { return connection_.stream_->peer_address(); }

const Executor& Exchange::executor() const { return connection_.stream_->executor(); }

bool Exchange::is_stopping() const { return connection_.lane_.stopping; }

tl::unexpected<Error> Exchange::refuse_body(int status, std::string message, ErrorCode code) {
  keep_alive_ = false;
  body_failure_ = HttpFailure{status, message};
  return tl::unexpected(Error{code, std::move(message)});
}

Task<Result<std::string>> Exchange::read_body_some() {
  HttpParser& parser = connection_.parser_;
  const Pace& pace = connection_.stream_->pace();
  for (;;) {
    if (parser.state() == State::kFailed) {
      co_return refuse_body(parser.failure().status, parser.failure().message, ErrorCode::kInvalid);
    }
    if (parser.body_bytes() > 0) {
      std::string bytes = parser.take_body();
      body_received_ += bytes.size();
      co_return bytes;
    }
    if (parser.state() == State::kDone) co_return std::string();
    if (request_.expects_continue && !std::exchange(continue_sent_, true)) {
      const Status asked = co_await write_raw("HTTP/1.1 100 Continue\r\n\r\n");
      if (!asked) co_return tl::unexpected(asked.error());
    }
    // Only the time spent waiting here counts against the client: the handler's own does not.
    const auto start = std::chrono::steady_clock::now();
    const auto earned = std::chrono::microseconds(pace.grace.value - body_waited_us_) +
                        std::chrono::seconds(body_received_ /
                                             std::max<std::uint64_t>(pace.bytes_per_second_min, 1));
    const Deadline deadline = std::min(deadline_after(pace.stall_max), start + earned);
    const auto chunk = co_await connection_.stream_->read_chunk(deadline);
    body_waited_us_ += std::chrono::duration_cast<std::chrono::microseconds>(
                           std::chrono::steady_clock::now() - start)
                           .count();
    if (chunk) {
      parser.feed(*chunk);
    } else if (chunk.error().code == ErrorCode::kTimedOut) {
      co_return refuse_body(408, "the request's body did not arrive in time", ErrorCode::kTimedOut);
    } else {
      broken_ = true;
      co_return tl::unexpected(chunk.error());
    }
  }
}

Task<Result<std::string>> Exchange::read_body(std::size_t bytes_max) {
  const std::string too_large =
      fmt::format("the request's body is larger than {} bytes", bytes_max);
  if (request_.content_length.value_or(0) > bytes_max) {
    co_return refuse_body(413, too_large, ErrorCode::kTooLarge);
  }
  std::string body;
  body.reserve(static_cast<std::size_t>(
      std::min<std::uint64_t>(request_.content_length.value_or(0), kReservedBytesMax)));
  for (;;) {
    Result<std::string> piece = co_await read_body_some();
    if (!piece) co_return piece;
    if (piece->empty()) co_return body;
    if (piece->size() > bytes_max - body.size()) {
      co_return refuse_body(413, too_large, ErrorCode::kTooLarge);
    }
    body += *piece;
  }
}

Task<Status> Exchange::write_raw(std::string_view bytes) {
  if (broken_) {
    co_return fail(ErrorCode::kClosed, "the connection with {} is over", peer_address());
  }
  Status written = co_await connection_.stream_->write_all(bytes);
  if (!written) broken_ = true;
  co_return written;
}

// True when what is left of the request's body is worth reading to keep the connection.
bool Exchange::can_drain() const {
  if (connection_.parser_.state() == State::kDone) return true;
  if (connection_.parser_.state() == State::kFailed || body_failure_) return false;
  if (request_.expects_continue && !continue_sent_) return false;
  return request_.content_length.value_or(body_received_) - body_received_ <= kDrainedBytesMax;
}

Task<Status> Exchange::send_head(Response& response, bool with_body) {
  FALLOW_CHECK(!head_sent_, "a request is answered twice");
  head_sent_ = true;
  if (!can_drain() || is_stopping()) keep_alive_ = false;
  response.headers.set("Date", date_now());
  if (!keep_alive_) response.headers.set("Connection", "close");
  std::string bytes = write_response_head(response.status, response.headers);
  if (!with_body) co_return co_await write_raw(bytes);
  if (response.body.size() <= kAnswerJoinedBytesMax) {
    bytes += response.body;
    co_return co_await write_raw(bytes);
  }
  const Status head = co_await write_raw(bytes);
  if (!head) co_return head;
  co_return co_await write_raw(response.body);
}

Task<Status> Exchange::respond(Response response) {
  finished_ = true;
  const bool has_body = may_have_body(response.status);
  if (has_body) response.headers.set("Content-Length", std::to_string(response.body.size()));
  co_return co_await send_head(response, has_body && request_.method != "HEAD");
}

Task<Status> Exchange::respond_problem(int status, std::string detail) {
  Response response = problem_response(status, detail);
  co_return co_await respond(std::move(response));
}

Task<Status> Exchange::start(int status, Headers headers, std::optional<std::uint64_t> length) {
  Response head;
  head.status = status;
  head.headers = std::move(headers);
  length_left_ = length;
  if (length) {
    head.headers.set("Content-Length", std::to_string(*length));
  } else if (request_.is_http_1_0) {
    keep_alive_ = false;  // the end of the connection is the end of the body
  } else {
    chunked_ = true;
    head.headers.set("Transfer-Encoding", "chunked");
  }
  co_return co_await send_head(head, false);
}

Task<Status> Exchange::write(std::string_view bytes) {
  FALLOW_CHECK(head_sent_ && !finished_, "write() belongs between start() and finish()");
  if (bytes.empty()) co_return Status();
  if (length_left_) {
    FALLOW_CHECK(bytes.size() <= *length_left_, "an answer is longer than was stated");
    *length_left_ -= bytes.size();
  }
  if (request_.method == "HEAD") co_return Status();
  if (!chunked_) co_return co_await write_raw(bytes);
  const std::string chunk = fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
  co_return co_await write_raw(chunk);
}

Task<Status> Exchange::finish() {
  FALLOW_CHECK(head_sent_ && !finished_, "finish() belongs once after start()");
  finished_ = true;
  if (length_left_.value_or(0) > 0 && request_.method != "HEAD") {
    broken_ = true;  // the client must not take the part for the whole
    connection_.stream_->cancel();
    co_return fail(ErrorCode::kFailed, "an answer ended {} bytes short", *length_left_);
  }
  if (!chunked_ || request_.method == "HEAD") co_return Status();
  co_return co_await write_raw("0\r\n\r\n");
}

Task<Status> Exchange::start_sse() {
  Headers headers{{"Content-Type", "text/event-stream"},
                  {"Cache-Control", "no-store"},
                  {"X-Content-Type-Options", "nosniff"}};
  co_return co_await start(200, std::move(headers), std::nullopt);
}

void Exchange::watch_peer(const Notifier& notifier) {
  const HttpParser& parser = connection_.parser_;
  if (parser.pending_bytes() + parser.body_bytes() > kAheadBytesMax) return;
  connection_.stream_->on_readable([this, notifier] {
    const auto ahead = connection_.stream_->read_available();
    if (!ahead) {
      peer_gone_ = true;
      notifier.notify();
      return;
    }
    if (!ahead->empty()) connection_.parser_.feed(*ahead);
    watch_peer(notifier);
  });
}

Task<Exchange::Wake> Exchange::wait(const Notifier& notifier, Duration timeout) {
  if (is_stopping()) co_return Wake::kStopping;
  if (broken_ || peer_gone_) co_return Wake::kPeerGone;
  watch_peer(notifier);
  connection_.waiting_ = notifier;
  const bool notified = co_await notifier.wait(timeout);
  connection_.waiting_.reset();
  connection_.stream_->on_readable(nullptr);
  if (is_stopping()) co_return Wake::kStopping;
  if (peer_gone_) co_return Wake::kPeerGone;
  co_return notified ? Wake::kNotified : Wake::kTimeout;
}

std::optional<Response> Exchange::upgrade_refusal() const {
  const Headers& asked = request_.headers;
  const std::string* key = asked.find("Sec-WebSocket-Key");
  const std::string* version = asked.find("Sec-WebSocket-Version");
  if (request_.method != "GET" || !asked.has_token("Upgrade", "websocket") ||
      !asked.has_token("Connection", "Upgrade") || request_.is_http_1_0) {
    Response refusal = problem_response(426, "this address speaks WebSocket only");
    refusal.headers.add("Upgrade", "websocket");
    return refusal;
  }
  if (version == nullptr || *version != "13") {
    Response refusal = problem_response(426, "only version 13 of WebSocket is spoken here");
    refusal.headers.add("Sec-WebSocket-Version", "13");
    return refusal;
  }
  if (key == nullptr || !is_valid_websocket_key(*key) || request_.has_body()) {
    return problem_response(400, "the WebSocket handshake is malformed");
  }
  return std::nullopt;
}

Task<Result<std::shared_ptr<WebSocket>>> Exchange::upgrade(WebSocketOptions options,
                                                           Headers headers) {
  std::optional<Response> refusal = upgrade_refusal();
  if (!refusal) {
    head_sent_ = finished_ = upgraded_ = true;
    headers.set("Upgrade", "websocket");
    headers.set("Connection", "Upgrade");
    headers.set("Sec-WebSocket-Accept",
                websocket_accept(*request_.headers.find("Sec-WebSocket-Key")));
    const std::string head = write_response_head(101, headers);
    const Status switched = co_await write_raw(head);
    if (!switched) co_return tl::unexpected(switched.error());
    auto socket = WebSocket::adopt(connection_.stream_, WebSocketRole::kServer, options,
                                   connection_.parser_.take_pending());
    connection_.websocket_ = socket;
    request_.headers = {};  // what an idle agent's connection would keep for its whole life
    if (is_stopping()) socket->close(CloseCode::kGoingAway, "the server is shutting down");
    co_return socket;
  }
  const std::string reason = refusal->body;
  const Status answered = co_await respond(std::move(*refusal));
  if (!answered) co_return tl::unexpected(answered.error());
  co_return fail(ErrorCode::kInvalid, "{} asked for no proper WebSocket: {}", peer_address(),
                 reason);
}

Task<bool> Exchange::complete() {
  if (upgraded_ || broken_) co_return false;
  if (!head_sent_) {
    const HttpFailure failure = body_failure_.value_or(
        HttpFailure{500, "the server could not answer; the operator's log says why"});
    co_await respond_problem(failure.status, failure.message);
  }
  if (!finished_) {
    broken_ = true;
    connection_.stream_->cancel();
  }
  if (broken_ || !keep_alive_) co_return false;
  const std::uint64_t received_before = body_received_;
  for (;;) {
    const auto piece = co_await read_body_some();
    if (!piece || body_received_ - received_before > kDrainedBytesMax) co_return false;
    if (piece->empty()) co_return true;
  }
}

}  // namespace fallow::net
