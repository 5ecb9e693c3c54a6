// HttpClient: requests over one kept connection, made anew when it is lost.
//
// An object of one coroutine at a time on one executor (that of its first send()); for callers
// without an event loop there is BlockingHttpClient.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/types.h"
#include "net/dial.h"
#include "net/http.h"
#include "net/http_parser.h"
#include "net/io_pool.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls.h"
#include "net/url.h"

namespace fallow::net {

struct HttpClientOptions {
  Url url;                                 // scheme, host and port; requests bring their own target
  std::shared_ptr<const TlsClient> tls;    // needed for https
  Duration connect_timeout = seconds(10);  // name, TCP and TLS together
  Pace pace;                               // of uploads
  AddressRule allowed;                     // addresses that may be connected to; empty: all
  NameLookup lookup;                       // as of dial(); empty: the system's resolver
};

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";  // percent-encoded where needed
  Headers headers;           // Host and the body's length are set by the client
  std::string body;

  // Instead of `body`: called for the next bytes until source_bytes came; fewer end the upload with
  // an error.
  std::function<Result<std::size_t>(std::span<char>)> source;
  std::uint64_t source_bytes = 0;

  // Gets the body of a 2xx answer piece by piece, instead of Response::body. An error from it ends
  // the request with that error: how one leaves an endless stream.
  std::function<Status(std::string_view)> sink;
  // Sees the answer's head before its body.
  std::function<Status(const Response&)> on_head;

  std::size_t body_bytes_max = 16 * 1024 * 1024;  // of Response::body; beyond it kTooLarge
  Duration response_timeout = seconds(30);        // from the request's last byte to the head
  Duration stall_timeout = seconds(30);           // between pieces of the body
};

class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The answer, whatever its status. kUnreachable when no connection could be made, kDenied when
  // the certificate is not the right one, kTimedOut, kTooLarge, kClosed and kFailed when the
  // connection was lost under way. A request on a kept connection that turns out dead is sent again
  // once if its method is idempotent and its body is not from a source.
  Task<Result<Response>> send(ClientRequest request);

  // Ends the request under way, if any, with kClosed; where nothing is connected yet, as soon as it
  // is, and without having sent anything. A request is under way from the call of send() on, not
  // only once its task runs. Any thread.
  void cancel();

  const Url& url() const { return options_.url; }

 private:
  // Once, and where that is harmless once more.
  Task<Result<Response>> send_with_retry(ClientRequest request);
  Task<Result<Response>> send_once(ClientRequest& request, bool& answer_begun);
  Task<Status> write_request(const ClientRequest& request);
  Task<Result<Response>> read_response(const ClientRequest& request, bool& answer_begun);
  Task<Status> read_body(const ClientRequest& request, Response& response);
  std::shared_ptr<Stream> take_stream();
  void keep_stream(std::shared_ptr<Stream> stream);
  bool is_cancelled();

  const HttpClientOptions options_;
  std::mutex mutex_;  // of what cancel() also sees
  std::shared_ptr<Stream> stream_;
  bool is_cancelled_ = false;  // the request under way
  std::unique_ptr<HttpParser> parser_;
};

// HttpClient for programs that block: the CLI and tests. One call at a time; the callbacks of a
// request run on another thread while the caller waits. cancel() from any thread.
class BlockingHttpClient {
 public:
  explicit BlockingHttpClient(HttpClientOptions options);
  ~BlockingHttpClient();
  Result<Response> send(ClientRequest request);
  Result<Response> get(std::string target);
  Result<Response> post(std::string target, std::string content_type, std::string body);
  void cancel() { client_->cancel(); }

 private:
  IoPool pool_;
  std::unique_ptr<HttpClient> client_;
};

}  // namespace fallow::net
