// WebSocket: one open connection, server's or client's side, on top of a Stream.
//
// Made by Exchange::upgrade or connect_websocket. Shared by the coroutine that receives and by
// whoever sends; it lives on its Stream's executor and must not outlive the IoPool. Pings a silent
// peer and ends the connection when no answer comes. An idle WebSocket holds no buffers.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "net/http.h"
#include "net/notifier.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/timer.h"
#include "net/websocket_codec.h"

namespace fallow::net {

struct WebSocketOptions {
  std::size_t message_bytes_max = 1024 * 1024;         // received; beyond it: close 1009
  std::size_t send_queue_messages_max = 256;           // not yet written
  std::size_t send_queue_bytes_max = 4 * 1024 * 1024;  // not yet written
  Duration ping_interval = seconds(20);                // of silence, before asking
  Duration pong_timeout = seconds(20);                 // of silence, after asking
  Duration close_timeout = seconds(5);                 // for the peer's half of the closing
};

// For connections that carry bulk: little is queued, so that a slow side holds back the fast one.
WebSocketOptions bulk_socket_options();

struct WebSocketMessage {
  std::string data;
  bool is_text = false;
};

class WebSocket : public std::enable_shared_from_this<WebSocket> {
 public:
  // Takes over a stream on which the handshake is done, with the bytes already read beyond it. On
  // the stream's thread. The last owner may let go on any thread.
  static std::shared_ptr<WebSocket> adopt(std::shared_ptr<Stream> stream, WebSocketRole role,
                                          WebSocketOptions options, std::string first_bytes);
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // The next whole message. One coroutine at a time, on the executor's thread; somebody must be
  // receiving for pings to be answered. kClosed when the peer closed (see close_code()), kTimedOut
  // when it fell silent, kInvalid or kTooLarge when it broke the protocol, kFailed when the
  // connection was cut. After an error the connection is over.
  Task<Result<WebSocketMessage>> receive();

  // Queues a message. Any thread. False when the queue is full or the connection is over; the
  // caller then drops the message or the connection.
  [[nodiscard]] bool try_send(std::string_view data, bool is_text = false);
  // The same, waiting for room. On the executor's thread, one coroutine at a time.
  Task<Status> send(std::string_view data, bool is_text = false);

  // Messages that were queued and are not written yet. Any thread.
  std::size_t unsent() const;

  // Sends what is queued and a close frame; receive() then ends with kClosed once the peer agreed
  // or close_timeout passed. Any thread; only the first call counts.
  void close(CloseCode code, std::string_view reason);
  // Ends the connection without a farewell. Any thread.
  void cancel();

  // What the peer's close frame said, once receive() answered kClosed.
  CloseCode close_code() const { return peer_close_code_; }
  const std::string& close_reason() const { return peer_close_reason_; }
  std::string peer_address() const { return stream_->peer_address(); }
  const Executor& executor() const { return stream_->executor(); }

 private:
  WebSocket(std::shared_ptr<Stream> stream, WebSocketRole role, WebSocketOptions options,
            std::string first_bytes);
  // Requires the lock. Starts the writer when none runs.
  void enqueue(std::uint8_t opcode, std::string_view payload);
  bool has_room(std::size_t bytes) const;
  // Requires the lock: something was written, or nothing will be any more.
  void notify_writers() const;
  static Task<void> flush(std::shared_ptr<WebSocket> self);
  void start_keepalive(Duration delay);
  void keepalive();
  // Handles a control event; an error ends receive().
  Status handle(WebSocketEvent& event);
  Task<void> finish();

  const std::shared_ptr<Stream> stream_;
  const WebSocketRole role_;
  const WebSocketOptions options_;

  // On the executor's thread.
  WebSocketDecoder decoder_;
  std::string pending_;  // read, not yet decoded; at most one chunk of the Stream
  std::size_t pending_at_ = 0;
  Timer keepalive_timer_;
  bool heard_ = false;
  bool asked_ = false;
  bool silent_ = false;
  CloseCode peer_close_code_ = CloseCode::kNoStatus;
  std::string peer_close_reason_;

  // Shared by threads.
  mutable std::mutex mutex_;
  std::vector<std::string> queue_;  // frames; at most send_queue_messages_max
  std::size_t unsent_count_ = 0;    // in queue_ and in the writer's hands
  std::size_t unsent_bytes_ = 0;
  // Made when somebody first waits. Two, for a Notifier wakes one: a sender may still wait for room
  // when the receiver finishes.
  std::optional<Notifier> written_;
  std::optional<Notifier> drained_;
  bool flushing_ = false;
  bool closing_ = false;  // a close frame is queued or sent: nothing may follow it
  bool over_ = false;
};

// Opens a WebSocket to the URL (http:// is ws://, https:// is wss://). kUnreachable when no
// connection could be made, kDenied when the certificate or the server's 401 or 403 refuses,
// kFailed with the server's words otherwise. `tls` is needed for https only. `refused`: where the
// server's answer goes when it is no WebSocket; status 0: there was none.
Task<Result<std::shared_ptr<WebSocket>>> connect_websocket(
    Url url, std::shared_ptr<const TlsClient> tls, Headers headers, WebSocketOptions options,
    Duration timeout, Response* refused = nullptr);

}  // namespace fallow::net
