// HttpServer: HTTP/1.1 on one port, plain or TLS, one coroutine a connection.
//
// Owned by whoever serves (bin/, a test); must be stopped before the IoPool and before what the
// handler uses. Limits of every kind are in the options; nothing a client sends can grow without
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/types.h"
#include "net/exchange.h"
#include "net/http_parser.h"
#include "net/io_pool.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls.h"

namespace fallow::net {

// Called once a request, on the connection's thread: it must not block. Requests of one connection
// come one after another. An exception that leaves it is logged and answered with 500.
using HttpHandler = std::function<Task<void>(Exchange&)>;

struct HttpServerOptions {
  std::string address = "127.0.0.1";     // "0.0.0.0", "::" for all
  std::uint16_t port = 0;                // 0: any free one
  std::shared_ptr<const TlsServer> tls;  // null: plain
  HttpLimits limits;
  std::size_t connections_max = 20'000;      // beyond it new ones are turned away
  Duration handshake_timeout = seconds(10);  // TLS
  Duration header_timeout = seconds(10);     // from a header's first byte to its last: 408
  Duration idle_timeout = seconds(75);       // between requests
  Pace pace;                                 // of bodies and answers: 408, or cut off
  // Told of what an operator should know, in sentences. Called on any I/O thread.
  std::function<void(const std::string&)> log;
};

struct HttpServerState;

class HttpServer {
 public:
  // Listens and serves from now on. The pool must outlive the server.
  static Result<std::unique_ptr<HttpServer>> start(IoPool& pool, HttpServerOptions options,
                                                   HttpHandler handler);
  // stop() without grace.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::size_t connection_count() const;

  // Stops listening, ends idle connections, tells long answers (Exchange::is_stopping, WebSocket
  // close 1001), and waits up to `grace` for requests in flight. What is left is cut off; then it
  // waits until every handler has returned, at most `kHandlerExitMax`. Not from an I/O thread.
  // True when nothing had to be cut off. A second call returns at once.
  bool stop(Duration grace);
  static constexpr Duration kHandlerExitMax = seconds(10);

 private:
  HttpServer(IoPool& pool, std::shared_ptr<HttpServerState> state, std::uint16_t port);
  bool wait_until_empty(Duration timeout);

  IoPool& pool_;
  std::shared_ptr<HttpServerState> state_;
  std::function<void()> close_listener_;
  std::uint16_t port_;
  bool stopped_ = false;
};

}  // namespace fallow::net
