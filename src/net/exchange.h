// Exchange: one request and its answer, as a handler sees them.
//
// Made by HttpServer for the time one handler call runs, on the connection's thread; only the
// handler uses it. The handler answers in exactly one way: respond(), start() with write()s and
// finish(), or upgrade(). If it returns without an answer the server answers for it: with the
// reason why the body could not be read, else with 500.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/types.h"
#include "net/http.h"
#include "net/http_parser.h"
#include "net/notifier.h"
#include "net/sse.h"
#include "net/task.h"
#include "net/websocket.h"

namespace fallow::net {

class HttpConnection;

class Exchange {
 public:
  Exchange(HttpConnection& connection, Request request);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const Request& request() const { return request_; }
  std::string peer_address() const;
  const Executor& executor() const;

  // The whole body. kTooLarge beyond `bytes_max`, which the server answers with 413 unless the
  // handler answers first; kInvalid for broken chunks (400); kTimedOut for a slow client (408);
  // kClosed or kFailed when it is gone.
  Task<Result<std::string>> read_body(std::size_t bytes_max);
  // The body piece by piece, each at most about 64 KiB; an empty one is the end. The client is
  // held back while nobody reads. The same errors, without kTooLarge.
  Task<Result<std::string>> read_body_some();

  // The whole answer. Content-Length and Connection are set here.
  Task<Status> respond(Response response);
  // The same for RFC 9457 problems that need no more than a sentence.
  Task<Status> respond_problem(int status, std::string detail);

  // An answer piece by piece: of stated length, or as long as it takes. Each write() waits until
  // the kernel took the bytes. Fails when the client is gone or too slow, and the handler returns
  // then.
  Task<Status> start(int status, Headers headers, std::optional<std::uint64_t> length);
  Task<Status> write(std::string_view bytes);
  Task<Status> finish();
  // start() for server-sent events; then write(format_sse(...)).
  Task<Status> start_sse();

  // For handlers that stream events: waits for the notifier, and for what ends the stream.
  enum class Wake { kNotified, kTimeout, kPeerGone, kStopping };
  Task<Wake> wait(const Notifier& notifier, Duration timeout);
  // True when the server is shutting down: finish soon.
  bool is_stopping() const;

  // Switches to WebSocket. When the request does not ask for that properly, it is answered with 400
  // or 426 and the handler just returns. At a shutdown the server closes the socket with 1001.
  // After a success the request has no headers any more.
  Task<Result<std::shared_ptr<WebSocket>>> upgrade(WebSocketOptions options,
                                                   Headers headers = Headers());

  // What upgrade() goes by: for handlers that have much to do before it.
  bool asks_for_websocket() const { return !upgrade_refusal(); }

  bool has_responded() const { return head_sent_; }

 private:
  friend class HttpConnection;
  std::optional<Response> upgrade_refusal() const;
  Task<Status> send_head(Response& response, bool with_body);
  Task<Status> write_raw(std::string_view bytes);
  tl::unexpected<Error> refuse_body(int status, std::string message, ErrorCode code);
  bool can_drain() const;
  void watch_peer(const Notifier& notifier);
  // Completes the answer and the request. True when the connection can serve another one.
  Task<bool> complete();

  HttpConnection& connection_;
  Request request_;
  std::optional<HttpFailure> body_failure_;
  std::uint64_t body_received_ = 0;
  std::int64_t body_waited_us_ = 0;
  std::optional<std::uint64_t> length_left_;
  bool continue_sent_ = false;
  bool head_sent_ = false;
  bool finished_ = false;
  bool chunked_ = false;
  bool broken_ = false;  // a write failed: nothing more can be said
  bool upgraded_ = false;
  bool peer_gone_ = false;
  bool keep_alive_;
};

}  // namespace fallow::net
