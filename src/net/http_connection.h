// HttpConnection: serves the requests of one connection in order. Private to HttpServer.
//
// Owned by its own coroutine; lives on one lane, whose set lets the server reach it at shutdown.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "net/exchange.h"
#include "net/http_parser.h"
#include "net/http_server.h"
#include "net/notifier.h"
#include "net/stream.h"

namespace fallow::net {

class HttpConnection;

// What belongs to one thread of the pool; touched on that thread only.
struct HttpLane {
  Executor executor;
  std::unordered_set<HttpConnection*> connections;  // all lanes: at most connections_max
  bool stopping = false;
};

// Shared by the server and its connections, so that it outlives both.
struct HttpServerState {
  HttpServerOptions options;
  HttpHandler handler;
  std::vector<std::unique_ptr<HttpLane>> lanes;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t connection_count = 0;  // under the mutex
  bool accepting = false;            // under the mutex

  void log(const std::string& sentence) const {
    if (options.log) options.log(sentence);
  }
};

class HttpConnection {
 public:
  // Counts itself in; on any thread.
  HttpConnection(std::shared_ptr<HttpServerState> state, HttpLane& lane,
                 std::shared_ptr<Stream> stream);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Serves until the connection ends. On the lane's thread.
  static Task<void> run(std::unique_ptr<HttpConnection> self);

  // The server is stopping: idle connections end, long answers are told.
  void on_stop();
  // Ends the connection now. On the lane's thread.
  void cancel() { stream_->cancel(); }

 private:
  friend class Exchange;
  // Reads until a request's head is complete; answers what cannot be one. False: the end.
  Task<bool> read_head();
  Task<void> refuse(int status, std::string message);
  Task<bool> serve();
  // Closes without losing the last answer.
  Task<void> linger();
  Task<void> serve_all();

  std::shared_ptr<HttpServerState> state_;
  HttpLane& lane_;
  std::shared_ptr<Stream> stream_;
  HttpParser parser_;
  std::optional<Notifier> waiting_;  // of a handler inside Exchange::wait
  std::weak_ptr<WebSocket> websocket_;
  bool idle_ = true;
  bool registered_ = false;
};

}  // namespace fallow::net
