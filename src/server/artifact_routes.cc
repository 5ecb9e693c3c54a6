#include "server/artifact_routes.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/digest.h"
#include "base/number.h"

namespace fallow::server {
namespace {

// Pieces that go to the disk and to the client at a time.
constexpr std::size_t kPieceBytes = 256 * 1024;

Answer<std::uint64_t> number_header(const net::Exchange& exchange, std::string_view name) {
  const std::string* text = exchange.request().headers.find(name);
  const std::optional<std::uint64_t> value =
      text == nullptr ? std::nullopt : parse_number<std::uint64_t>(*text);
  if (!value) return refuse_field(name, "the header {} must say a number of bytes", name);
  return *value;
}

v1::Problem store_problem(const Error& error) {
  switch (error.code) {
    case ErrorCode::kCorrupt:
      return make_problem(422, "digest_mismatch", error.message);
    case ErrorCode::kNotFound:
      return make_problem(404, "not_found", error.message);
    case ErrorCode::kInvalid:
      return make_problem(409, "offset_wrong", error.message, "Upload-Offset");
    case ErrorCode::kFull:
      return make_problem(507, "store_full", error.message);
    default:
      return problem_of(error, "store the artifact");
  }
}

tl::unexpected<v1::Problem> body_broken(const Error& error) {
  if (error.code == ErrorCode::kTimedOut) return refuse(408, "timed_out", "{}", error.message);
  return refuse(400, "body_invalid", "{}", error.message);
}

net::Headers offset_headers(std::uint64_t offset) {
  return {{"Upload-Offset", std::to_string(offset)}, {"Cache-Control", "no-store"}};
}

}  // namespace

Answer<std::optional<ByteRange>> parse_range(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  if (dash == text.npos || text.find(',') != text.npos) return std::nullopt;
  const auto first = parse_number<std::uint64_t>(text.substr(0, dash));
  const auto last = parse_number<std::uint64_t>(text.substr(dash + 1));
  const bool has_first = dash != 0;
  const bool has_last = dash + 1 != text.size();
  if ((has_first && !first) || (has_last && !last) || (!has_first && !has_last))
    return std::nullopt;
  if (first && last && *last < *first) return std::nullopt;
  const auto outside = [size] {
    return refuse(416, "range_wrong", "the artifact has {} bytes; ask for a range within them",
                  size);
  };
  if (!has_first) {
    if (*last == 0 || size == 0) return outside();
    const std::uint64_t count = std::min(*last, size);
    return ByteRange{size - count, count};
  }
  if (*first >= size) return outside();
  const std::uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return ByteRange{*first, end - *first + 1};
}

net::Task<Answer<int>> ArtifactRoutes::serve(net::Exchange& exchange, std::string_view digest_text,
                                             std::uint64_t uploader) {
  const auto digest = digest_from_hex(digest_text);
  if (!digest) {
    co_return refuse_field("digest",
                           "an artifact is named by its digest, 64 lower-case hex digits");
  }
  const artifacts::UploadKey key{*digest, uploader};
  const std::string& method = exchange.request().method;
  if (method == "GET" || method == "HEAD") co_return co_await get(exchange, *digest);
  if (method == "PUT") co_return co_await put(exchange, key);
  if (method == "POST") co_return co_await begin(exchange, key);
  co_return co_await patch(exchange, key);
}

net::Task<Answer<int>> ArtifactRoutes::get(net::Exchange& exchange, const Digest& digest) {
  using Found = std::shared_ptr<artifacts::Blob>;
  // Who asks whether it is there is about to name it.
  const bool is_question = exchange.request().method == "HEAD";
  const std::function<Answer<Found>()> open = [&]() -> Answer<Found> {
    if (is_question) (void)store_.touch(digest);
    auto blob = store_.get(digest);
    if (!blob) return tl::unexpected(store_problem(blob.error()));
    return std::make_shared<artifacts::Blob>(std::move(*blob));
  };
  FALLOW_CO_ASSIGN(const Found blob, co_await disk_.run(exchange.executor(), open));
  const std::uint64_t size = blob->size();
  std::optional<ByteRange> range;
  if (const std::string* header = exchange.request().headers.find("Range")) {
    FALLOW_CO_ASSIGN(range, parse_range(*header, size));
  }
  const int status = range ? 206 : 200;
  net::Headers headers{{"Content-Type", "application/octet-stream"},
                       {"Accept-Ranges", "bytes"},
                       {"ETag", fmt::format("\"{}\"", to_hex(digest))},
                       {"Cache-Control", "private, max-age=31536000, immutable"},
                       // Strangers' bytes in the console's origin: no page, no script.
                       {"X-Content-Type-Options", "nosniff"},
                       {"Content-Disposition", "attachment"},
                       {"Content-Security-Policy", "default-src 'none'; sandbox"},
                       {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (range) {
    headers.add("Content-Range",
                fmt::format("bytes {}-{}/{}", range->first, range->first + range->count - 1, size));
  }
  const ByteRange wanted = range.value_or(ByteRange{0, size});
  const Status begun = co_await exchange.start(status, std::move(headers), wanted.count);
  if (!begun) co_return status;
  if (is_question) {
    co_await exchange.finish();
    co_return status;
  }
  std::string piece;
  for (std::uint64_t done = 0; done < wanted.count; done += piece.size()) {
    piece.resize(
        static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, wanted.count - done)));
    const std::function<Answer<std::size_t>()> read = [&]() -> Answer<std::size_t> {
      auto count = blob->read(wanted.first + done, piece);
      if (!count) return tl::unexpected(store_problem(count.error()));
      return *count;
    };
    const Answer<std::size_t> count = co_await disk_.run(exchange.executor(), read);
    // The head is out: cutting the connection is all that tells the client.
    if (!count || *count != piece.size()) co_return status;
    const Status written = co_await exchange.write(piece);
    if (!written) co_return status;
  }
  co_await exchange.finish();
  co_return status;
}

net::Task<Answer<std::uint64_t>> ArtifactRoutes::begin_upload(net::Exchange& exchange,
                                                              const artifacts::UploadKey& key,
                                                              std::uint64_t size) {
  const std::function<Answer<std::uint64_t>()> work = [&]() -> Answer<std::uint64_t> {
    const auto offset = store_.begin(key, size);
    if (!offset) return tl::unexpected(store_problem(offset.error()));
    return *offset;
  };
  co_return co_await disk_.run(exchange.executor(), work);
}

net::Task<Answer<std::uint64_t>> ArtifactRoutes::append(net::Exchange& exchange,
                                                        const artifacts::UploadKey& key,
                                                        std::uint64_t offset,
                                                        std::string_view bytes) {
  const std::function<Answer<std::uint64_t>()> work = [&]() -> Answer<std::uint64_t> {
    const auto reached = store_.append(key, offset, bytes);
    if (!reached) return tl::unexpected(store_problem(reached.error()));
    return *reached;
  };
  co_return co_await disk_.run(exchange.executor(), work);
}

net::Task<Answer<std::uint64_t>> ArtifactRoutes::append_or_pass(net::Exchange& exchange,
                                                                const artifacts::UploadKey& key,
                                                                std::uint64_t size,
                                                                std::uint64_t offset,
                                                                std::string_view bytes) {
  for (;;) {
    Answer<std::uint64_t> reached = co_await append(exchange, key, offset, bytes);
    if (reached || (reached.error().status() != 404 && reached.error().status() != 409)) {
      co_return reached;
    }
    const Answer<std::uint64_t> at = co_await begin_upload(exchange, key, size);
    if (!at || *at <= offset) co_return reached;
    if (*at - offset >= bytes.size()) co_return offset + bytes.size();
    bytes.remove_prefix(static_cast<std::size_t>(*at - offset));
    offset = *at;
  }
}

net::Task<Answer<std::uint64_t>> ArtifactRoutes::take_body(net::Exchange& exchange,
                                                           const artifacts::UploadKey& key,
                                                           std::optional<std::uint64_t> size,
                                                           std::uint64_t offset,
                                                           std::uint64_t skip) {
  std::string piece;
  for (bool at_end = false; !at_end;) {
    while (piece.size() < kPieceBytes) {
      Result<std::string> some = co_await exchange.read_body_some();
      if (!some) {
        // What came is worth keeping: the client goes on behind it.
        if (!piece.empty()) co_await append(exchange, key, offset, piece);
        co_return body_broken(some.error());
      }
      at_end = some->empty();
      if (at_end) break;
      const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip, some->size()));
      skip -= skipped;
      piece.append(*some, skipped);
    }
    if (piece.empty()) break;
    if (size) {
      FALLOW_CO_ASSIGN(offset, co_await append_or_pass(exchange, key, *size, offset, piece));
    } else {
      FALLOW_CO_ASSIGN(offset, co_await append(exchange, key, offset, piece));
    }
    piece.clear();
  }
  co_return offset;
}

net::Task<Answer<int>> ArtifactRoutes::put(net::Exchange& exchange,
                                           const artifacts::UploadKey& key) {
  if (!exchange.request().content_length) {
    if (exchange.request().is_chunked) {
      co_return refuse(411, "length_missing", "say how long the artifact is: Content-Length");
    }
  }
  const std::uint64_t size = exchange.request().content_length.value_or(0);
  FALLOW_CO_ASSIGN(const std::uint64_t offset, co_await begin_upload(exchange, key, size));
  if (offset < size) FALLOW_CO_TRY(co_await take_body(exchange, key, size, offset, offset));
  net::Response response{offset == size ? 200 : 201, offset_headers(size), {}};
  const int status = response.status;
  co_await exchange.respond(std::move(response));
  co_return status;
}

net::Task<Answer<int>> ArtifactRoutes::begin(net::Exchange& exchange,
                                             const artifacts::UploadKey& key) {
  if (exchange.request().has_body()) {
    co_return refuse(400, "body_unexpected",
                     "POST only begins an upload; send the bytes with PATCH or PUT");
  }
  FALLOW_CO_ASSIGN(const std::uint64_t size, number_header(exchange, "Upload-Length"));
  FALLOW_CO_ASSIGN(const std::uint64_t offset, co_await begin_upload(exchange, key, size));
  net::Response created{201, offset_headers(offset), {}};
  co_await exchange.respond(std::move(created));
  co_return 201;
}

net::Task<Answer<int>> ArtifactRoutes::patch(net::Exchange& exchange,
                                             const artifacts::UploadKey& key) {
  FALLOW_CO_ASSIGN(const std::uint64_t offset, number_header(exchange, "Upload-Offset"));
  FALLOW_CO_ASSIGN(const std::uint64_t reached,
                   co_await take_body(exchange, key, std::nullopt, offset, 0));
  net::Response taken{204, offset_headers(reached), {}};
  co_await exchange.respond(std::move(taken));
  co_return 204;
}

}  // namespace fallow::server
