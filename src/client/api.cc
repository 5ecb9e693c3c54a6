#include "client/api.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/number.h"
#include "client/attempts.h"
#include "client/endpoint.h"
#include "client/refusal.h"
#include "client/rpc.h"
#include "net/sse.h"

namespace fallow::client {
namespace {

constexpr int kStatusWhole = 200;  // of an answer to who asked for a part
constexpr int kStatusBeyondEnd = 416;
constexpr int kStatusMismatch = 422;
// Of a larger blob it is asked first where to go on: sending it again costs more than the question.
constexpr std::uint64_t kAskFirstBytesMin = std::uint64_t{1} << 20;

// Of a stream that ended without saying that it has ended.
Error cut_off() { return {ErrorCode::kClosed, "the server has broken off the stream"}; }

ApiError unreachable(const Error& error) {
  return {ApiError::Kind::kUnreachable, error.message, {}};
}

// Nothing listens, or it is not the one we trust: asking again changes nothing.
bool is_final(ErrorCode code) {
  return code == ErrorCode::kUnreachable || code == ErrorCode::kDenied ||
         code == ErrorCode::kInvalid || code == ErrorCode::kTooLarge;
}

ApiResult<void> read_json(const std::string& text, google::protobuf::Message& message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // a newer server may say more
  const auto status = google::protobuf::util::JsonStringToMessage(text, &message, options);
  if (!status.ok()) {
    return tl::unexpected(
        ApiError{ApiError::Kind::kUnreachable,
                 "the server's answer is not the API's: is this a Fallow market? (" +
                     std::string(status.message()) + ")",
                 {}});
  }
  return {};
}

// What stands between may answer in the market's place, and says 200 to it.
Status check_is_event_stream(const net::Response& head) {
  constexpr std::string_view kEventStream = "text/event-stream";
  if (head.status / 100 != 2) return {};
  const std::string* const type = head.headers.find("Content-Type");
  std::string_view media = type == nullptr ? "an answer without a type" : std::string_view(*type);
  media = media.substr(0, media.find(';'));
  while (media.ends_with(' ')) media.remove_suffix(1);
  if (net::equals_ignoring_case(media, kEventStream)) return {};
  return fail(ErrorCode::kInvalid,
              "the server has sent no stream of events but {}: is this a Fallow market?", media);
}

// By the market's own word: what stands between knows no more than a status, and has limits of its
// own.
ErrorCode code_of_refusal(const v1::Problem& problem) {
  if (problem.status() == 404) return ErrorCode::kNotFound;
  if (problem.code() == "too_large") return ErrorCode::kTooLarge;
  return problem.code() == "store_full" ? ErrorCode::kFull : ErrorCode::kFailed;
}

}  // namespace

ApiError local_error(const Error& error) {
  return {ApiError::Kind::kLocal, error.message, {}, error.code};
}

Error plain_error(const ApiError& error) {
  switch (error.kind) {
    case ApiError::Kind::kLocal:
      return {error.code, error.message};
    case ApiError::Kind::kRefused:
      return {code_of_refusal(error.problem), error.message};
    case ApiError::Kind::kUnreachable:
      return {ErrorCode::kUnreachable, error.message};
    case ApiError::Kind::kCancelled:
      return {ErrorCode::kClosed, error.message};
  }
  return {ErrorCode::kFailed, error.message};
}

Api::Api(const Config& config, net::HttpClientOptions options, Random& random)
    : api_key_(config.api_key), team_(config.team), random_(random), http_(std::move(options)) {}

Result<std::unique_ptr<Api>> Api::make(const Config& config, Random& random) {
  FALLOW_ASSIGN(Endpoint endpoint, endpoint_of(config));
  net::HttpClientOptions options;
  options.url = std::move(endpoint.url);
  options.tls = std::move(endpoint.tls);
  return std::unique_ptr<Api>(new Api(config, std::move(options), random));
}

net::Headers Api::headers() const {
  net::Headers headers;
  if (!api_key_.empty()) headers.set("Authorization", "Bearer " + api_key_);
  if (!team_.empty()) headers.set("Fallow-Team", team_);
  return headers;
}

ApiResult<net::Response> Api::send(const net::ClientRequest& request) {
  ApiError last;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    if (attempt > 0) back_off(attempt - 1, &cancelled_);
    if (cancelled_) return tl::unexpected(ApiError{ApiError::Kind::kCancelled, "cancelled", {}});
    auto response = http_.send(request);
    if (response) {
      if (response->status < 300) return std::move(*response);
      last = refusal(*response);
      if (!may_come_later(response->status)) break;
      continue;
    }
    last = unreachable(response.error());
    if (is_final(response.error().code)) break;
  }
  return tl::unexpected(std::move(last));
}

ApiResult<void> Api::call_into(std::string_view rpc, const google::protobuf::Message& request,
                               google::protobuf::Message& response) {
  RpcRequest made = make_rpc_request(find_rpc(rpc), request);
  net::ClientRequest http;
  http.method = std::move(made.method);
  http.target = std::move(made.target);
  http.headers = headers();
  if (http.method != "GET") {
    std::array<std::uint8_t, 16> key;
    random_.fill(key);
    http.headers.set("Idempotency-Key", to_hex(key));
  }
  if (!made.body.empty()) {
    http.headers.set("Content-Type", "application/json");
    http.body = std::move(made.body);
  }
  auto answer = send(http);
  if (!answer) return tl::unexpected(std::move(answer).error());
  return read_json(answer->body, response);
}

ApiResult<void> Api::stream_into(std::string_view rpc, const google::protobuf::Message& request,
                                 google::protobuf::Message& item,
                                 const std::function<bool()>& each) {
  const RpcRequest made = make_rpc_request(find_rpc(rpc), request);
  std::string last_id;
  std::optional<ApiResult<void>> outcome;
  Patience patience;
  for (;;) {
    if (cancelled_) return tl::unexpected(ApiError{ApiError::Kind::kCancelled, "cancelled", {}});
    std::optional<ApiError> cut;  // what the server said, if it did, before the stream broke off
    net::SseParser parser;
    net::ClientRequest http;
    http.method = made.method;
    http.target = made.target;
    http.headers = headers();
    http.headers.set("Accept", "text/event-stream");
    if (!last_id.empty()) http.headers.set("Last-Event-ID", last_id);
    http.on_head = check_is_event_stream;
    http.sink = [&](std::string_view bytes) -> Status {
      parser.feed(bytes);
      for (;;) {
        FALLOW_ASSIGN(const auto event, parser.next());
        if (!parser.last_id().empty()) last_id = parser.last_id();
        if (!event) {
          // Only what holds no problem counts: one that comes every time is to be waited out. Where
          // nothing happens nothing but heartbeats, which are comments, comes.
          if (bytes.starts_with(':')) {
            patience.heard();
          } else {
            patience.heard_little();
          }
          return {};
        }
        if (event->event == "end") {
          outcome.emplace();
          return fail(ErrorCode::kClosed, "the stream has ended");
        }
        if (event->event == "error") {
          cut = stated_refusal(event->data);
          return fail(ErrorCode::kClosed, "the server has ended the stream");
        }
        item.Clear();
        ApiResult<void> read = read_json(event->data, item);
        if (read) patience.heard();
        if (!read || !each()) {
          outcome = std::move(read);
          return fail(ErrorCode::kClosed, "the reader has enough");
        }
      }
    };
    patience.begin();
    auto answer = http_.send(http);
    if (outcome) return std::move(*outcome);
    if (cancelled_) continue;
    if (answer && answer->status >= 300) cut = refusal(*answer);
    if (cut && !may_come_later(static_cast<int>(cut->problem.status()))) {
      return tl::unexpected(std::move(*cut));
    }
    // Whole, but without its end: the server was stopped, and is likely to be there again soon.
    if (!cut) cut = unreachable(answer ? cut_off() : answer.error());
    const bool is_of_no_use =
        !answer && answer.error().code != ErrorCode::kUnreachable && is_final(answer.error().code);
    if (is_of_no_use || !patience.wait(&cancelled_)) return tl::unexpected(std::move(*cut));
  }
}

ApiResult<void> Api::download(std::string_view rpc, const google::protobuf::Message& request,
                              const std::function<Status(std::string_view)>& sink) {
  net::ClientRequest http;
  http.target = make_rpc_request(find_rpc(rpc), request).target;
  http.headers = headers();
  ApiError last;
  Status taken;
  bool begun = false;
  for (int attempt = 0; attempt < kAttemptsMax && !begun; ++attempt) {
    if (attempt > 0) back_off(attempt - 1, &cancelled_);
    if (cancelled_) return tl::unexpected(ApiError{ApiError::Kind::kCancelled, "cancelled", {}});
    http.sink = [&](std::string_view bytes) -> Status {
      begun = true;
      taken = sink(bytes);
      return taken;
    };
    const auto response = http_.send(http);
    if (!taken) return tl::unexpected(local_error(taken.error()));
    if (response && response->status < 300) return {};
    last = response ? refusal(*response) : unreachable(response.error());
    if (response && !may_come_later(response->status)) break;
    if (!response && is_final(response.error().code)) break;
  }
  return tl::unexpected(std::move(last));
}

ApiResult<bool> Api::has_blob(const std::string& digest_hex) {
  net::ClientRequest http;
  http.method = "HEAD";
  http.target = "/v1/artifacts/" + digest_hex;
  http.headers = headers();
  const auto answer = send(http);
  if (answer) return true;
  if (answer.error().problem.status() == 404) return false;
  return tl::unexpected(answer.error());
}

ApiResult<std::uint64_t> Api::begin_blob(const std::string& digest_hex, std::uint64_t bytes) {
  net::ClientRequest http;
  http.method = "POST";
  http.target = "/v1/artifacts/" + digest_hex;
  http.headers = headers();
  http.headers.set("Upload-Length", std::to_string(bytes));
  const auto answer = send(http);
  if (!answer) return tl::unexpected(answer.error());
  const std::string* const text = answer->headers.find("Upload-Offset");
  // From the start, if the answer says nothing.
  return text == nullptr ? 0 : std::min(parse_number<std::uint64_t>(*text).value_or(0), bytes);
}

ApiResult<void> Api::put_blob(const std::string& digest_hex, std::uint64_t bytes,
                              const BlobSource& source) {
  ApiError last;
  std::uint64_t reached = 0;  // bytes that the store has told us it has
  // What an earlier try had left in the store may be wrong, and then it is gone now. Twice: it is
  // what we send.
  bool mismatched = false;
  const auto may_begin_anew = [&mismatched](int status) {
    return status == kStatusMismatch && !std::exchange(mismatched, true);
  };
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    if (attempt > 0) back_off(attempt - 1, &cancelled_);
    if (cancelled_) return tl::unexpected(ApiError{ApiError::Kind::kCancelled, "cancelled", {}});
    std::uint64_t offset = 0;
    if (bytes > kAskFirstBytesMin || attempt > 0) {
      const auto begun = begin_blob(digest_hex, bytes);
      if (!begun) {
        last = begun.error();
        if (may_begin_anew(static_cast<int>(last.problem.status()))) continue;
        break;
      }
      offset = *begun;
      if (offset == bytes) return {};
      // It gets on, however often it breaks off.
      if (offset > reached) attempt = 0;
      reached = std::max(reached, offset);
    }
    net::ClientRequest http;
    http.method = offset == 0 ? "PUT" : "PATCH";
    http.target = "/v1/artifacts/" + digest_hex;
    http.headers = headers();
    http.headers.set("Content-Type", "application/octet-stream");
    if (offset > 0) http.headers.set("Upload-Offset", std::to_string(offset));
    http.source_bytes = bytes - offset;
    Status read;
    http.source = [&, at = offset](std::span<char> into) mutable -> Result<std::size_t> {
      const Result<std::size_t> count = source(at, into);
      if (!count) {
        read = tl::unexpected(count.error());
      } else if (*count == 0) {
        read = fail(ErrorCode::kFailed, "what is sent has become shorter than the {} bytes it had",
                    bytes);
      }
      if (!read) return tl::unexpected(read.error());
      at += *count;
      return *count;
    };
    const auto response = http_.send(http);
    if (response && response->status < 300) return {};
    if (!read) return tl::unexpected(local_error(read.error()));
    last = response ? refusal(*response) : unreachable(response.error());
    const bool is_overtaken =  // by a twin
        response && offset > 0 && (response->status == 404 || response->status == 409);
    const bool begins_anew = is_overtaken || (response && may_begin_anew(response->status));
    if (response && !begins_anew && !may_come_later(response->status)) break;
    if (!response && is_final(response.error().code)) break;
  }
  return tl::unexpected(std::move(last));
}

ApiResult<void> Api::get_blob(const std::string& digest_hex,
                              const std::function<Status(std::string_view)>& sink,
                              std::uint64_t from) {
  ApiError last;
  std::uint64_t given = from;  // bytes that the sink has
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    if (attempt > 0) back_off(attempt - 1, &cancelled_);
    if (cancelled_) return tl::unexpected(ApiError{ApiError::Kind::kCancelled, "cancelled", {}});
    from = given;
    net::ClientRequest http;
    http.target = "/v1/artifacts/" + digest_hex;
    http.headers = headers();
    if (from > 0) http.headers.set("Range", "bytes=" + std::to_string(from) + "-");
    http.on_head = [from](const net::Response& head) -> Status {
      if (from == 0 || head.status != kStatusWhole) return {};
      return fail(ErrorCode::kInvalid,
                  "the server does not send the rest of an artifact whose sending broke off");
    };
    Status taken;
    http.sink = [&](std::string_view bytes) -> Status {
      taken = sink(bytes);
      if (taken) given += bytes.size();
      return taken;
    };
    const auto response = http_.send(http);
    if (!taken) return tl::unexpected(local_error(taken.error()));
    if (response && response->status < 300) return {};
    // All of it came before the sending broke off.
    if (response && from > 0 && response->status == kStatusBeyondEnd) return {};
    last = response ? refusal(*response) : unreachable(response.error());
    if (response && !may_come_later(response->status)) break;
    if (!response && is_final(response.error().code)) break;
    if (given > from) attempt = 0;
  }
  return tl::unexpected(std::move(last));
}

void Api::cancel() {
  cancelled_ = true;
  http_.cancel();
}

}  // namespace fallow::client
