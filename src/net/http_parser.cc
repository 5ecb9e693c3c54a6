#include "net/http_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <utility>
#include <variant>

#include "base/check.h"

namespace fallow::net {
namespace {

namespace http = boost::beast::http;
using BeastString = boost::beast::string_view;
using BeastError = boost::beast::error_code;

// The shortest end of a chunked body, "0\r\n\r\n".
constexpr std::size_t kChunkedTailBytes = 5;

std::string_view view(BeastString text) { return {text.data(), text.size()}; }

// What Beast's parser reports, kept until the message is taken.
struct Sink {
  std::string method;
  std::string target;
  int version = 11;
  int status = 0;
  Headers headers;
  std::string* body = nullptr;
  bool head_done = false;
  bool done = false;
};

template <bool is_request>
class BeastParser final : public http::basic_parser<is_request> {
 public:
  explicit BeastParser(Sink& sink) : sink_(sink) {}

 private:
  void on_request_impl(http::verb, BeastString method, BeastString target, int version,
                       BeastError&) override {
    sink_.method = view(method);
    sink_.target = view(target);
    sink_.version = version;
  }
  void on_response_impl(int status, BeastString, int version, BeastError&) override {
    sink_.status = status;
    sink_.version = version;
  }
  void on_field_impl(http::field, BeastString name, BeastString value, BeastError&) override {
    if (sink_.head_done) return;  // trailers change nothing here
    sink_.headers.add(std::string(view(name)), std::string(view(value)));
  }
  void on_header_impl(BeastError&) override { sink_.head_done = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
  std::size_t on_body_impl(BeastString bytes, BeastError&) override {
    sink_.body->append(view(bytes));
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, BeastString, BeastError&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastString bytes, BeastError&) override {
    sink_.body->append(view(bytes));
    return bytes.size();
  }
  void on_finish_impl(BeastError&) override { sink_.done = true; }

  Sink& sink_;
};

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

struct HttpParser::Core {
  Sink sink;
  std::variant<std::monostate, BeastParser<true>, BeastParser<false>> parser;

  template <class Function>
  auto with(Function function) {
    if (auto* request = std::get_if<BeastParser<true>>(&parser)) return function(*request);
    return function(std::get<BeastParser<false>>(parser));
  }
  template <class Parser>
  void start(std::size_t head_bytes_max) {
    auto& started = parser.emplace<Parser>(sink);
    started.eager(true);
    started.header_limit(static_cast<std::uint32_t>(head_bytes_max));
    started.body_limit(boost::none);  // whoever reads the body knows how much it wants
  }
};

HttpParser::HttpParser(Role role, HttpLimits limits) : role_(role), limits_(limits) {}

HttpParser::~HttpParser() = default;

HttpParser::State HttpParser::refuse(int status, std::string message) {
  failure_ = {status, std::move(message)};
  pending_ = std::string();
  return state_ = State::kFailed;
}

HttpParser::State HttpParser::feed(std::string_view bytes) {
  if (state_ == State::kFailed) return state_;
  pending_.append(bytes);
  return advance();
}

HttpParser::State HttpParser::advance() {
  if (state_ == State::kHead) parse_head();
  if (state_ == State::kBody) parse_body();
  if (pending_.empty()) pending_ = std::string();  // an idle connection keeps no buffer
  return state_;
}

HttpParser::State HttpParser::parse_head() {
  // RFC 9112 2.2: a server ignores empty lines before the request line.
  if (role_ == Role::kServer && searched_ == 0) {
    std::size_t blank = 0;
    while (pending_.compare(blank, 2, "\r\n") == 0) blank += 2;
    pending_.erase(0, blank);
  }
  const std::size_t end = pending_.find("\r\n\r\n", searched_);
  const std::size_t head_bytes = end == std::string::npos ? pending_.size() : end + 4;
  const std::size_t line_bytes = std::min(pending_.find("\r\n"), head_bytes);
  if (role_ == Role::kServer && line_bytes > limits_.target_bytes_max + 64) {
    return refuse(
        414, fmt::format("the request line is longer than {} bytes", limits_.target_bytes_max));
  }
  if (head_bytes > limits_.head_bytes_max) {
    return refuse(431, fmt::format("the header is longer than {} bytes", limits_.head_bytes_max));
  }
  if (end == std::string::npos) {
    searched_ = pending_.size() < 3 ? 0 : pending_.size() - 3;
    return state_;
  }
  searched_ = 0;
  if (!check_head(std::string_view(pending_).substr(0, head_bytes))) return state_;

  core_ = std::make_unique<Core>();
  core_->sink.body = &body_;
  if (role_ == Role::kServer) {
    core_->start<BeastParser<true>>(limits_.head_bytes_max + 1);
  } else {
    core_->start<BeastParser<false>>(limits_.head_bytes_max + 1);
  }
  BeastError error;
  const bool no_body = no_body_;
  const std::size_t used = core_->with([&](auto& parser) {
    if (no_body) parser.skip(true);
    return parser.put(boost::asio::const_buffer(pending_.data(), head_bytes), error);
  });
  if (error && error != http::error::need_more) {
    if (error == http::error::bad_version &&
        std::string_view(pending_).substr(0, line_bytes).find(" HTTP/") != std::string_view::npos) {
      return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    return refuse(400, "the header is malformed: " + error.message());
  }
  if (!core_->sink.head_done || used != head_bytes) return refuse(400, "the header is malformed");
  pending_.erase(0, head_bytes);
  const Headers& headers = core_->sink.headers;
  if (headers.fields().size() > limits_.field_count_max) {
    return refuse(431, fmt::format("the header has more than {} fields", limits_.field_count_max));
  }
  const bool chunked = core_->with([](auto& parser) { return parser.chunked(); });
  if (headers.count("Transfer-Encoding") > 0 && !no_body_) {
    if (headers.count("Transfer-Encoding") > 1 || !chunked ||
        !equals_ignoring_case(*headers.find("Transfer-Encoding"), "chunked")) {
      return refuse(501, "the only transfer coding spoken here is 'chunked'");
    }
    if (headers.count("Content-Length") > 0 || core_->sink.version < 11) {
      return refuse(400, "the header states the body's length in two ways");
    }
  }
  if (headers.count("Content-Length") > 1 ||
      (headers.count("Content-Length") == 1 && !is_digits(*headers.find("Content-Length")))) {
    return refuse(400, "Content-Length must be one number");
  }
  if (role_ == Role::kServer && !check_request()) return state_;
  return state_ = core_->sink.done ? State::kDone : State::kBody;
}

// What the library would forgive and another party might read differently.
bool HttpParser::check_head(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\0') return refuse(400, "the header holds a NUL"), false;
    if (head[i] == '\n' && (i == 0 || head[i - 1] != '\r')) {
      return refuse(400, "a line of the header ends without a carriage return"), false;
    }
    if (head[i] == '\n' && i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t')) {
      return refuse(400, "a header field is folded over two lines"), false;
    }
  }
  return true;
}

bool HttpParser::check_request() {
  const Sink& sink = core_->sink;
  if (sink.target.size() > limits_.target_bytes_max) {
    refuse(414, fmt::format("the target is longer than {} bytes", limits_.target_bytes_max));
    return false;
  }
  const std::size_t hosts = sink.headers.count("Host");
  if (hosts > 1 || (hosts == 0 && sink.version >= 11)) {
    refuse(400, "the header needs exactly one Host");
    return false;
  }
  const std::string* expect = sink.headers.find("Expect");
  if (expect != nullptr && !equals_ignoring_case(*expect, "100-continue")) {
    refuse(417, "the only expectation met here is 100-continue");
    return false;
  }
  // TRACE is known, so that it is answered like any other method that a path does not have.
  for (const std::string_view known :
       {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"}) {
    if (sink.method == known) return true;
  }
  refuse(501, "the method is not known here");
  return false;
}

HttpParser::State HttpParser::parse_body() {
  if (pending_.empty()) return state_;
  const bool chunked = core_->with([](auto& parser) { return parser.chunked(); });
  // Every chunked body still has this many bytes to come, and the library's assertions want them.
  if (chunked && pending_.size() < kChunkedTailBytes) return state_;
  BeastError error;
  const std::size_t used = core_->with([&](auto& parser) {
    return parser.put(boost::asio::const_buffer(pending_.data(), pending_.size()), error);
  });
  if (error && error != http::error::need_more) {
    return refuse(400, "the body is malformed: " + error.message());
  }
  pending_.erase(0, used);
  if (core_->sink.done) return state_ = State::kDone;
  if (pending_.size() > limits_.head_bytes_max) {
    return refuse(400, "a chunk's header or the trailer is too long");
  }
  return state_;
}

HttpParser::State HttpParser::feed_end() {
  if (state_ != State::kBody) {
    return state_ == State::kHead ? refuse(400, "the connection ended inside a header") : state_;
  }
  BeastError error;
  core_->with([&](auto& parser) {
    parser.put_eof(error);
    return 0;
  });
  if (error) return refuse(400, "the connection ended inside a body");
  return state_ = State::kDone;
}

Request HttpParser::take_request() {
  FALLOW_CHECK(role_ == Role::kServer && core_, "there is no request to take");
  Sink& sink = core_->sink;
  Request request;
  request.method = std::move(sink.method);
  request.target = std::move(sink.target);
  request.headers = std::move(sink.headers);
  core_->with([&](auto& parser) {
    request.is_chunked = parser.chunked();
    if (const auto length = parser.content_length()) request.content_length = *length;
    request.keep_alive = parser.keep_alive();
    return 0;
  });
  request.is_http_1_0 = sink.version < 11;
  const std::string* expect = request.headers.find("Expect");
  request.expects_continue = expect != nullptr && !request.is_http_1_0;
  return request;
}

Response HttpParser::take_response_head() {
  FALLOW_CHECK(role_ == Role::kClient && core_, "there is no response to take");
  Response response;
  response.status = core_->sink.status;
  response.headers = std::move(core_->sink.headers);
  return response;
}

bool HttpParser::keep_alive() const {
  return core_ && core_->with([](auto& parser) { return parser.keep_alive(); });
}

HttpParser::State HttpParser::next() {
  FALLOW_CHECK(state_ == State::kDone, "the message before is not complete");
  core_.reset();
  body_ = std::string();
  no_body_ = false;
  searched_ = 0;
  state_ = State::kHead;
  return advance();
}

}  // namespace fallow::net
