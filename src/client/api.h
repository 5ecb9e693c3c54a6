// The market's API for programs that block: one call per rpc of proto/fallow/v1/services.proto.
//
// Routes, parameters and JSON come from the same descriptors that the server's router is built
// from, so a new rpc needs nothing here. One call at a time on one object; cancel() from any
// thread. Mutating calls carry an Idempotency-Key and are sent again when the connection is lost
// before the answer came: the market does each once.
#pragma once

#include <google/protobuf/message.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "client/config.h"
#include "fallow/v1/services.pb.h"
#include "fallow/v1/views.pb.h"
#include "net/http_client.h"

namespace fallow::client {

// Why a call gave no answer. The kinds are those that a caller tells apart (and exit codes do).
struct ApiError {
  enum class Kind : std::uint8_t {
    kRefused,      // the market said no: `problem` says what and why
    kUnreachable,  // no connection, or it was lost too often
    kLocal,        // this side: a bad argument, a file
    kCancelled,
  };
  Kind kind = Kind::kLocal;
  std::string message;                  // for a person
  v1::Problem problem;                  // when kRefused
  ErrorCode code = ErrorCode::kFailed;  // when kLocal, what went wrong on this side
};

template <class T>
using ApiResult = tl::expected<T, ApiError>;

ApiError local_error(const Error& error);
// Back again, for callers that have no use for a problem: a 404 is kNotFound, the code too_large is
// kTooLarge, store_full is kFull, no connection is kUnreachable.
Error plain_error(const ApiError& error);

class Api {
 public:
  // kInvalid when the configuration's URL or certificate cannot be understood. `random` makes
  // idempotency keys; it outlives the object.
  static Result<std::unique_ptr<Api>> make(const Config& config, Random& random);

  // call<v1::OrderView>("Orders.CreateOrder", request). An unknown name is a bug.
  template <class Response>
  ApiResult<Response> call(std::string_view rpc, const google::protobuf::Message& request) {
    Response response;
    if (auto done = call_into(rpc, request, response); !done) {
      return tl::unexpected(std::move(done).error());
    }
    return response;
  }

  // A server-streaming rpc. `each` gets every message until it says false or the server says that
  // the stream has ended. What breaks off without that word is resumed behind the last message: a
  // stream that has stood for as long as a server may take to come back, minutes.
  template <class Item>
  ApiResult<void> stream(std::string_view rpc, const google::protobuf::Message& request,
                         const std::function<bool(const Item&)>& each) {
    Item item;
    return stream_into(rpc, request, item, [&] { return each(item); });
  }

  // A server-streaming rpc whose answer is a file: `sink` gets all of it, in order. What breaks off
  // is begun again only if the sink has got nothing yet.
  ApiResult<void> download(std::string_view rpc, const google::protobuf::Message& request,
                           const std::function<Status(std::string_view)>& sink);

  // The artifact store: a blob by the hex of its digest. put goes on where an earlier one was cut
  // off, whether by the connection, the server's restart or the end of this program, as long as
  // each time some of it has come; `source` reads from an offset on, and what it fails with ends
  // the call as kLocal. get goes on behind what `sink` has taken: it gets every byte from the
  // offset `from` on once, in order; what it refuses ends the call with its error as kLocal.
  using BlobSource = std::function<Result<std::size_t>(std::uint64_t offset, std::span<char> into)>;
  ApiResult<bool> has_blob(const std::string& digest_hex);
  ApiResult<void> put_blob(const std::string& digest_hex, std::uint64_t bytes,
                           const BlobSource& source);
  ApiResult<void> get_blob(const std::string& digest_hex,
                           const std::function<Status(std::string_view)>& sink,
                           std::uint64_t from = 0);

  // Ends the call under way with kCancelled; later calls fail the same way. Any thread.
  void cancel();

 private:
  Api(const Config& config, net::HttpClientOptions options, Random& random);
  ApiResult<void> call_into(std::string_view rpc, const google::protobuf::Message& request,
                            google::protobuf::Message& response);
  ApiResult<void> stream_into(std::string_view rpc, const google::protobuf::Message& request,
                              google::protobuf::Message& item, const std::function<bool()>& each);
  // Where the upload of a blob is to go on; `bytes` when the store has it all.
  ApiResult<std::uint64_t> begin_blob(const std::string& digest_hex, std::uint64_t bytes);
  // Sends with the key, repeating what may be repeated; a problem becomes kRefused.
  ApiResult<net::Response> send(const net::ClientRequest& request);
  net::Headers headers() const;

  const std::string api_key_;
  const std::string team_;
  Random& random_;
  net::BlockingHttpClient http_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace fallow::client
