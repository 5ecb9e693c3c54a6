#include "net/http_client.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "net/dial.h"

namespace fallow::net {
namespace {

using State = HttpParser::State;

constexpr std::size_t kUploadBytes = 64 * 1024;
// After an upload broke off: the server's reason, if it sent one before it stopped reading.
constexpr Duration kLateAnswerMax = seconds(2);

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

}  // namespace

HttpClient::HttpClient(HttpClientOptions options) : options_(std::move(options)) {}

HttpClient::~HttpClient() = default;

void HttpClient::cancel() {
  const std::lock_guard lock(mutex_);
  is_cancelled_ = true;
  if (stream_) stream_->cancel();
}

std::shared_ptr<Stream> HttpClient::take_stream() {
  const std::lock_guard lock(mutex_);
  return stream_;
}

void HttpClient::keep_stream(std::shared_ptr<Stream> stream) {
  const std::lock_guard lock(mutex_);
  stream_ = std::move(stream);
}

bool HttpClient::is_cancelled() {
  const std::lock_guard lock(mutex_);
  return is_cancelled_;
}

// No coroutine: those begin when they are awaited, maybe on another thread, and a cancel() may come
// before.
Task<Result<Response>> HttpClient::send(ClientRequest request) {
  {
    const std::lock_guard lock(mutex_);
    is_cancelled_ = false;
  }
  return send_with_retry(std::move(request));
}

Task<Result<Response>> HttpClient::send_with_retry(ClientRequest request) {
  bool reused = take_stream() != nullptr;
  // A server may have closed a kept connection since: seen here, it costs nothing.
  if (reused) {
    const auto stale = take_stream()->read_available();
    if (!stale || !stale->empty()) {
      keep_stream(nullptr);
      reused = false;
    }
  }
  bool answer_begun = false;
  Result<Response> response = co_await send_once(request, answer_begun);
  const bool lost = !response && (response.error().code == ErrorCode::kClosed ||
                                  response.error().code == ErrorCode::kFailed);
  const bool is_harmless = is_idempotent(request.method) && !request.source;
  if (lost && reused && !answer_begun && is_harmless && !is_cancelled()) {
    response = co_await send_once(request, answer_begun);
  }
  co_return response;
}

Task<Result<Response>> HttpClient::send_once(ClientRequest& request, bool& answer_begun) {
  if (!take_stream()) {
    FALLOW_CO_ASSIGN(std::shared_ptr<Stream> stream,
                     co_await dial(options_.url, options_.tls, options_.connect_timeout,
                                   options_.allowed, options_.lookup));
    stream->set_pace(options_.pace);
    keep_stream(std::move(stream));
  }
  if (is_cancelled()) {
    keep_stream(nullptr);
    co_return fail(ErrorCode::kClosed, "the request to {} was broken off",
                   options_.url.authority());
  }
  parser_ = std::make_unique<HttpParser>(HttpParser::Role::kClient, HttpLimits());
  const Status written = co_await write_request(request);
  if (!written) request.response_timeout = std::min(request.response_timeout, kLateAnswerMax);
  Result<Response> response = co_await read_response(request, answer_begun);
  const bool whole = written && response && parser_->state() == State::kDone;
  if (!whole || !parser_->keep_alive() || parser_->pending_bytes() > 0) {
    const auto stream = take_stream();
    keep_stream(nullptr);
    if (stream) stream->cancel();
  }
  if (!response && !answer_begun && !written) co_return tl::unexpected(written.error());
  co_return response;
}

Task<Status> HttpClient::write_request(const ClientRequest& request) {
  const std::shared_ptr<Stream> stream = take_stream();
  Headers headers = request.headers;
  headers.set("Host", options_.url.host_header());
  const std::uint64_t length = request.source ? request.source_bytes : request.body.size();
  if (length > 0 || request.method == "POST" || request.method == "PUT" ||
      request.method == "PATCH") {
    headers.set("Content-Length", std::to_string(length));
  }
  std::string bytes = write_request_head(request.method, request.target, headers);
  if (!request.source && request.body.size() <= kUploadBytes) {
    bytes += request.body;
    co_return co_await stream->write_all(bytes);
  }
  FALLOW_CO_TRY(co_await stream->write_all(bytes));
  if (!request.source) co_return co_await stream->write_all(request.body);

  std::vector<char> buffer(kUploadBytes);
  std::uint64_t left = request.source_bytes;
  while (left > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    const Result<std::size_t> got = request.source(std::span(buffer.data(), wanted));
    if (!got) co_return tl::unexpected(got.error());
    if (*got == 0 || *got > wanted) {
      co_return fail(ErrorCode::kFailed, "the upload's source ended {} bytes early", left);
    }
    FALLOW_CO_TRY(co_await stream->write_all(std::string_view(buffer.data(), *got)));
    left -= *got;
  }
  co_return Status();
}

Task<Result<Response>> HttpClient::read_response(const ClientRequest& request, bool& answer_begun) {
  const std::shared_ptr<Stream> stream = take_stream();
  const Deadline deadline = deadline_after(request.response_timeout);
  if (request.method == "HEAD") parser_->expect_no_body();
  Response response;
  for (;;) {
    while (parser_->state() == State::kHead) {
      const auto chunk = co_await stream->read_chunk(deadline);
      if (!chunk) {
        if (chunk.error().code == ErrorCode::kTimedOut) {
          co_return fail(ErrorCode::kTimedOut, "{} did not answer in time",
                         options_.url.authority());
        }
        co_return tl::unexpected(chunk.error());
      }
      answer_begun = true;
      parser_->feed(*chunk);
    }
    if (parser_->state() == State::kFailed) {
      co_return fail(ErrorCode::kFailed, "{} answered with broken HTTP: {}",
                     options_.url.authority(), parser_->failure().message);
    }
    response = parser_->take_response_head();
    if (response.status >= 200 || response.status == 101) break;
    parser_->next();
    if (request.method == "HEAD") parser_->expect_no_body();
  }
  if (request.on_head) FALLOW_CO_TRY(request.on_head(response));
  FALLOW_CO_TRY(co_await read_body(request, response));
  co_return response;
}

Task<Status> HttpClient::read_body(const ClientRequest& request, Response& response) {
  const std::shared_ptr<Stream> stream = take_stream();
  const bool to_sink = request.sink && response.status / 100 == 2;
  for (;;) {
    if (parser_->body_bytes() > 0) {
      const std::string piece = parser_->take_body();
      if (to_sink) {
        FALLOW_CO_TRY(request.sink(piece));
      } else if (piece.size() > request.body_bytes_max - response.body.size()) {
        co_return fail(ErrorCode::kTooLarge, "the answer of {} is larger than {} bytes",
                       options_.url.authority(), request.body_bytes_max);
      } else {
        response.body += piece;
      }
    }
    if (parser_->state() == State::kDone) co_return Status();
    if (parser_->state() == State::kFailed) {
      co_return fail(ErrorCode::kFailed, "the answer of {} broke off: {}", options_.url.authority(),
                     parser_->failure().message);
    }
    const auto chunk = co_await stream->read_chunk(deadline_after(request.stall_timeout));
    if (chunk) {
      parser_->feed(*chunk);
    } else if (chunk.error().code == ErrorCode::kClosed && !stream->is_cancelled()) {
      parser_->feed_end();
    } else {
      co_return tl::unexpected(chunk.error());
    }
  }
}

BlockingHttpClient::BlockingHttpClient(HttpClientOptions options)
    : pool_(1), client_(std::make_unique<HttpClient>(std::move(options))) {}

BlockingHttpClient::~BlockingHttpClient() { pool_.stop(); }

Result<Response> BlockingHttpClient::send(ClientRequest request) {
  return block_on(pool_.executor(0), client_->send(std::move(request)));
}

Result<Response> BlockingHttpClient::get(std::string target) {
  ClientRequest request;
  request.target = std::move(target);
  return send(std::move(request));
}

Result<Response> BlockingHttpClient::post(std::string target, std::string content_type,
                                          std::string body) {
  ClientRequest request;
  request.method = "POST";
  request.target = std::move(target);
  request.headers.set("Content-Type", std::move(content_type));
  request.body = std::move(body);
  return send(std::move(request));
}

}  // namespace fallow::net
