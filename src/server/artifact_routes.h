// The artifact store over HTTP: bytes by digest, whole or in ranges, uploads that can be resumed.
//
//   GET, HEAD /v1/artifacts/{digest}   the bytes; Range: bytes=a-b; HEAD makes it count as stored
//   now PUT       /v1/artifacts/{digest}   the whole body; goes on where an earlier one was cut off
//   POST      /v1/artifacts/{digest}   Upload-Length: n; answers Upload-Offset, where to go on
//   PATCH     /v1/artifacts/{digest}   Upload-Offset: where this body begins; answers the next one
//
// Raw bytes, so not part of the schema. The digest is 64 hex digits and nothing else: no name of a
// stranger ever reaches the file system.
//
// Owner: the API. serve() on the connection's I/O thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "artifacts/store.h"
#include "net/exchange.h"
#include "server/disk_pool.h"
#include "server/problem.h"

namespace fallow::server {

class ArtifactRoutes {
 public:
  // Both outlive it.
  ArtifactRoutes(artifacts::BlobStore& store, DiskPool& disk) : store_(store), disk_(disk) {}

  static constexpr std::string_view kAllow = "GET, HEAD, PUT, POST, PATCH";

  // Answers the exchange, unless it gives out the problem to answer with. `digest_text` is the
  // path's last part; `uploader` whoever sends: a stranger's bad bytes spoil nobody else's upload.
  // `status` is what was answered.
  net::Task<Answer<int>> serve(net::Exchange& exchange, std::string_view digest_text,
                               std::uint64_t uploader);

 private:
  net::Task<Answer<int>> get(net::Exchange& exchange, const Digest& digest);
  net::Task<Answer<int>> put(net::Exchange& exchange, const artifacts::UploadKey& key);
  net::Task<Answer<int>> begin(net::Exchange& exchange, const artifacts::UploadKey& key);
  net::Task<Answer<int>> patch(net::Exchange& exchange, const artifacts::UploadKey& key);
  // Stores the request's body from `offset` on; the first `skip` bytes of it are stored already.
  // With `size`, that of the whole, another upload of the same may overtake it.
  net::Task<Answer<std::uint64_t>> take_body(net::Exchange& exchange,
                                             const artifacts::UploadKey& key,
                                             std::optional<std::uint64_t> size,
                                             std::uint64_t offset, std::uint64_t skip);
  // As append(), but what the same uploader has brought meanwhile on another connection is passed
  // over: two tasks of a node that end with the same output send it at the same time.
  net::Task<Answer<std::uint64_t>> append_or_pass(net::Exchange& exchange,
                                                  const artifacts::UploadKey& key,
                                                  std::uint64_t size, std::uint64_t offset,
                                                  std::string_view bytes);
  net::Task<Answer<std::uint64_t>> append(net::Exchange& exchange, const artifacts::UploadKey& key,
                                          std::uint64_t offset, std::string_view bytes);
  net::Task<Answer<std::uint64_t>> begin_upload(net::Exchange& exchange,
                                                const artifacts::UploadKey& key,
                                                std::uint64_t size);

  artifacts::BlobStore& store_;
  DiskPool& disk_;
};

// What `Range` asks of `size` bytes. Nothing: the whole. A range that does not lie within them is a
// problem (416); one that is malformed or of several parts is no range at all.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
Answer<std::optional<ByteRange>> parse_range(std::string_view text, std::uint64_t size);

}  // namespace fallow::server
