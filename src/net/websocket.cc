#include "net/websocket.h"

#include <algorithm>
#include <utility>

#include "net/dial.h"
#include "net/http_parser.h"
#include "net/io_pool.h"

namespace fallow::net {
namespace {

using Kind = WebSocketEvent::Kind;

// Frames are joined up to this size, so that many small messages are one write.
constexpr std::size_t kJoinedBytesMax = 16 * 1024;
constexpr std::size_t kRefusalBytesMax = 16 * 1024;

}  // namespace

WebSocketOptions bulk_socket_options() {
  WebSocketOptions options;
  options.message_bytes_max = 256 * 1024;
  options.send_queue_messages_max = 64;
  options.send_queue_bytes_max = 1024 * 1024;
  return options;
}

std::shared_ptr<WebSocket> WebSocket::adopt(std::shared_ptr<Stream> stream, WebSocketRole role,
                                            WebSocketOptions options, std::string first_bytes) {
  // Timers and sockets are used on the executor's thread only, so they also die there: whoever
  // lets go last hands the object back to its thread.
  const Executor executor = stream->executor();
  std::shared_ptr<WebSocket> socket(
      new WebSocket(std::move(stream), role, options, std::move(first_bytes)),
      [executor](WebSocket* last) {
        post(executor, [owned = std::shared_ptr<WebSocket>(last)] {});
      });
  socket->start_keepalive(options.ping_interval);
  return socket;
}

WebSocket::WebSocket(std::shared_ptr<Stream> stream, WebSocketRole role, WebSocketOptions options,
                     std::string first_bytes)
    : stream_(std::move(stream)),
      role_(role),
      options_(options),
      decoder_(role, options.message_bytes_max),
      pending_(std::move(first_bytes)),
      keepalive_timer_(stream_->executor()) {}

std::size_t WebSocket::unsent() const {
  const std::lock_guard lock(mutex_);
  return unsent_count_;
}

bool WebSocket::has_room(std::size_t bytes) const {
  return unsent_count_ < options_.send_queue_messages_max &&
         bytes <= options_.send_queue_bytes_max &&
         unsent_bytes_ <= options_.send_queue_bytes_max - bytes;
}

void WebSocket::enqueue(std::uint8_t opcode, std::string_view payload) {
  const std::uint32_t mask = role_ == WebSocketRole::kClient ? websocket_mask() : 0;
  queue_.push_back(encode_frame(role_, opcode, payload, mask));
  ++unsent_count_;
  unsent_bytes_ += queue_.back().size();
  if (flushing_) return;
  flushing_ = true;
  spawn(stream_->executor(), flush(shared_from_this()));
}

bool WebSocket::try_send(std::string_view data, bool is_text) {
  const std::lock_guard lock(mutex_);
  if (closing_ || over_ || !has_room(data.size())) return false;
  enqueue(is_text ? kOpcodeText : kOpcodeBinary, data);
  return true;
}

Task<Status> WebSocket::send(std::string_view data, bool is_text) {
  const auto self = shared_from_this();
  for (;;) {
    std::optional<Notifier> written;
    {
      const std::lock_guard lock(mutex_);
      if (closing_ || over_) {
        co_return fail(ErrorCode::kClosed, "the WebSocket with {} is closed", peer_address());
      }
      if (data.size() > options_.send_queue_bytes_max) {
        co_return fail(ErrorCode::kTooLarge, "a message of {} bytes is larger than the queue",
                       data.size());
      }
      if (has_room(data.size())) {
        enqueue(is_text ? kOpcodeText : kOpcodeBinary, data);
        co_return Status();
      }
      if (!written_) written_.emplace(stream_->executor());
      written = written_;
    }
    // The writer either makes progress or ends the connection, and both notify.
    co_await written->wait(kForever);
  }
}

void WebSocket::notify_writers() const {
  if (written_) written_->notify();
  if (drained_) drained_->notify();
}

void WebSocket::close(CloseCode code, std::string_view reason) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_ || over_) return;
    closing_ = true;
    enqueue(kOpcodeClose, close_payload(code, reason));
  }
  post(stream_->executor(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->start_keepalive(self->options_.close_timeout);
  });
}

void WebSocket::cancel() { stream_->cancel(); }

Task<void> WebSocket::flush(std::shared_ptr<WebSocket> self) {
  for (;;) {
    std::vector<std::string> frames;
    {
      const std::lock_guard lock(self->mutex_);
      if (self->queue_.empty() || self->over_) {
        self->flushing_ = false;
        co_return;
      }
      frames.swap(self->queue_);
    }
    std::size_t at = 0;
    while (at < frames.size()) {
      std::string joined = std::move(frames[at]);
      std::size_t count = 1;
      while (at + count < frames.size() &&
             joined.size() + frames[at + count].size() <= kJoinedBytesMax) {
        joined += frames[at + count];
        ++count;
      }
      at += count;
      const Status written = co_await self->stream_->write_all(joined);
      const std::lock_guard lock(self->mutex_);
      self->unsent_count_ -= count;
      self->unsent_bytes_ -= joined.size();
      if (!written) {
        self->over_ = true;
        self->flushing_ = false;
        self->queue_.clear();
        self->stream_->cancel();
      }
      self->notify_writers();
      if (!written) co_return;
    }
  }
}

void WebSocket::start_keepalive(Duration delay) {
  keepalive_timer_.start(delay, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->keepalive();
  });
}

void WebSocket::keepalive() {
  const std::lock_guard lock(mutex_);
  if (over_) return;
  if (closing_ || (asked_ && !heard_)) {
    silent_ = true;
    over_ = true;
    stream_->cancel();
    notify_writers();
    return;
  }
  asked_ = !heard_;
  heard_ = false;
  if (asked_) enqueue(kOpcodePing, {});
  start_keepalive(asked_ ? options_.pong_timeout : options_.ping_interval);
}

Status WebSocket::handle(WebSocketEvent& event) {
  switch (event.kind) {
    case Kind::kPing: {
      const std::lock_guard lock(mutex_);
      // A peer that pings faster than it reads gets fewer answers.
      if (!closing_ && !over_ && has_room(event.data.size())) enqueue(kOpcodePong, event.data);
      return Status();
    }
    case Kind::kClose:
      peer_close_code_ = event.close_code;
      peer_close_reason_ = event.data;
      close(event.close_code, {});
      return fail(ErrorCode::kClosed, "{} closed the WebSocket with code {}{}{}", peer_address(),
                  static_cast<unsigned>(event.close_code), event.data.empty() ? "" : ": ",
                  event.data);
    case Kind::kError:
      close(event.close_code, event.data);
      return fail(
          event.close_code == CloseCode::kTooBig ? ErrorCode::kTooLarge : ErrorCode::kInvalid,
          "{} broke the WebSocket protocol: {}", peer_address(), event.data);
    default:
      return Status();
  }
}

// Lets the farewell reach the peer, then ends the connection.
Task<void> WebSocket::finish() {
  const Deadline deadline = deadline_after(options_.close_timeout);
  for (;;) {
    std::optional<Notifier> written;
    {
      const std::lock_guard lock(mutex_);
      if (unsent_count_ == 0 || over_) break;
      if (!drained_) drained_.emplace(stream_->executor());
      written = drained_;
    }
    const bool progressed = co_await written->wait(options_.close_timeout);
    if (!progressed) break;
  }
  co_await stream_->shutdown_write();
  // What still comes is thrown away: closing a socket with unread bytes would reset it, and the
  // farewell could be lost. A peer that broke the protocol may still be sending.
  for (;;) {
    const auto chunk = co_await stream_->read_chunk(deadline);
    if (!chunk) break;
  }
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    notify_writers();
  }
  keepalive_timer_.cancel();
  stream_->cancel();
}

Task<Result<WebSocketMessage>> WebSocket::receive() {
  const auto self = shared_from_this();
  for (;;) {
    Result<std::string_view> chunk = std::string_view(pending_).substr(pending_at_);
    const bool from_pending = !pending_.empty();
    if (!from_pending) chunk = co_await stream_->read_chunk(kNoDeadline);
    if (!chunk) {
      const std::lock_guard lock(mutex_);
      over_ = true;
      notify_writers();
      keepalive_timer_.cancel();
      stream_->cancel();
      if (silent_ && !closing_) {
        co_return fail(ErrorCode::kTimedOut, "{} answered no ping", peer_address());
      }
      co_return tl::unexpected(std::move(chunk).error());
    }
    heard_ = true;
    std::string_view input = *chunk;
    Status ended;
    while (ended) {
      WebSocketEvent event = decoder_.decode(input);
      if (event.kind == Kind::kMessage) {
        if (from_pending) {
          pending_at_ = pending_.size() - input.size();
        } else {
          pending_ = input;
        }
        if (input.empty()) {
          pending_ = std::string();
          pending_at_ = 0;
        }
        WebSocketMessage message;
        message.data = std::move(event.data);
        message.is_text = event.is_text;
        co_return message;
      }
      if (event.kind == Kind::kNeedMore) break;
      ended = handle(event);
    }
    if (!ended) {
      co_await finish();
      co_return tl::unexpected(std::move(ended).error());
    }
    pending_ = std::string();
    pending_at_ = 0;
  }
}

Task<Result<std::shared_ptr<WebSocket>>> connect_websocket(Url url,
                                                           std::shared_ptr<const TlsClient> tls,
                                                           Headers headers,
                                                           WebSocketOptions options,
                                                           Duration timeout, Response* refused) {
  const Deadline deadline = deadline_after(timeout);
  FALLOW_CO_ASSIGN(std::shared_ptr<Stream> stream, co_await dial(url, tls, timeout));
  const std::string key = websocket_key();
  headers.set("Host", url.host_header());
  headers.set("Upgrade", "websocket");
  headers.set("Connection", "Upgrade");
  headers.set("Sec-WebSocket-Version", "13");
  headers.set("Sec-WebSocket-Key", key);
  const std::string head = write_request_head("GET", url.target, headers);
  FALLOW_CO_TRY(co_await stream->write_all(head));

  HttpParser parser(HttpParser::Role::kClient, HttpLimits());
  while (parser.state() == HttpParser::State::kHead) {
    const auto chunk = co_await stream->read_chunk(deadline);
    if (!chunk) co_return fail_with(chunk.error(), "no WebSocket with {}", url.authority());
    parser.feed(*chunk);
  }
  if (parser.state() == HttpParser::State::kFailed) {
    co_return fail(ErrorCode::kFailed, "{} does not speak HTTP: {}", url.authority(),
                   parser.failure().message);
  }
  Response response = parser.take_response_head();
  if (response.status != 101) {
    const bool denied = response.status == 401 || response.status == 403;
    if (refused != nullptr) {
      // A refusal is a sentence or two, and seldom comes in more than one piece.
      while (parser.state() == HttpParser::State::kBody) {
        const auto chunk = co_await stream->read_chunk(deadline);
        if (!chunk) break;
        parser.feed(*chunk);
        response.body += parser.take_body();
        if (response.body.size() > kRefusalBytesMax) break;
      }
      response.body += parser.take_body();
      *refused = response;
    }
    co_return fail(denied ? ErrorCode::kDenied : ErrorCode::kFailed,
                   "{} refused the WebSocket with status {} ({}) {}", url.authority(),
                   response.status, status_text(response.status),
                   (refused != nullptr ? response.body : parser.take_body()).substr(0, 300));
  }
  const std::string* accept = response.headers.find("Sec-WebSocket-Accept");
  if (accept == nullptr || *accept != websocket_accept(key) ||
      !response.headers.has_token("Upgrade", "websocket")) {
    co_return fail(ErrorCode::kFailed, "{} answered the WebSocket handshake wrongly",
                   url.authority());
  }
  co_return WebSocket::adopt(std::move(stream), WebSocketRole::kClient, options,
                             parser.take_pending());
}

}  // namespace fallow::net
