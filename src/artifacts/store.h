// BlobStore: bytes by their digest, in a folder. What has a name here is exactly what the name
// says.
//
// A blob is written under a temporary name, its digest compared, synced and renamed, so that a
// crash leaves whole blobs and temporaries; open() removes the latter. Large blobs are uploaded in
// pieces and an interrupted upload goes on at its last offset as long as the store is open.
//
// Layout: FOLDER/blobs/ab/cd/<64 hex digits>, FOLDER/uploads/<number>. docs/formats/artifact.md.
// Owner: the server (or the agent, for its cache). Thread: every method from any thread; pieces of
// one upload are taken one at a time. A Blob stays readable even if it is removed meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/file.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow::artifacts {

struct StoreLimits {
  std::uint64_t bytes_max = std::uint64_t{100} << 30;      // of all blobs and uploads together
  std::uint64_t blob_bytes_max = std::uint64_t{20} << 30;  // of one
  std::size_t uploads_max = 256;  // at a time; each holds a file descriptor
};

// A stored blob, open for reading. One thread at a time.
class Blob {
 public:
  Blob(Fd file, std::uint64_t size) : file_(std::move(file)), size_(size) {}
  std::uint64_t size() const { return size_; }
  // Up to into.size() bytes at `offset`; fewer only at the end.
  Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const;

 private:
  Fd file_;
  std::uint64_t size_;
};

// Whose upload of what: one account's bad bytes must not spoil another's upload.
struct UploadKey {
  Digest digest{};
  std::uint64_t uploader = 0;

  auto operator<=>(const UploadKey&) const = default;
};

class BlobStore {
 public:
  // Makes the folder if missing; sweeps the temporaries of an earlier life and counts what is
  // stored. One process at a time per folder; the caller sees to that.
  static Result<std::unique_ptr<BlobStore>> open(const std::string& folder,
                                                 const StoreLimits& limits);
  ~BlobStore();

  // Stores `bytes`, durably. kTooLarge: beyond a limit, or the disk is full.
  Result<Digest> put(std::string_view bytes);

  // Begins or resumes an upload of `size` bytes; returns the offset to go on at. `size` itself
  // means that the blob is stored already: nothing to send. It then counts as stored now (see
  // sweep()). kTooLarge: beyond a limit; kBusy: too many uploads; kInvalid: begun before with
  // another size.
  Result<std::uint64_t> begin(const UploadKey& key, std::uint64_t size);
  // Takes the next bytes; `offset` is where the last piece ended (kInvalid names where that is).
  // The last piece completes the blob: durable when it returns. Returns the offset reached. Bytes
  // that do not give the digest end the upload with kCorrupt. kNotFound: no such upload. kTooLarge:
  // the store or the disk is full; the piece may be sent again later.
  Result<std::uint64_t> append(const UploadKey& key, std::uint64_t offset, std::string_view bytes);
  // Forgets an upload; nothing if there is none.
  void abandon(const UploadKey& key);

  bool has(const Digest& digest) const;
  // kNotFound when it is not stored. Its bytes are not checked: whoever must be sure compares the
  // digest of what it reads (unpack() does), or calls check().
  Result<Blob> get(const Digest& digest) const;
  // The whole blob, compared with its digest: kCorrupt when it differs. For small ones.
  Result<std::string> get_whole(const Digest& digest, std::size_t bytes_max) const;
  // Reads it all. One that is not what its name says is removed, so that it can be stored anew, and
  // answered with kCorrupt.
  Status check(const Digest& digest);
  // kNotFound when it is not stored.
  Status remove(const Digest& digest);

  struct Swept {
    std::size_t blobs = 0;
    std::size_t uploads = 0;
    std::uint64_t bytes = 0;
  };
  // Removes every blob that was stored before `stored_before` (by the file system's clock) and that
  // keep() does not want, and uploads without a piece since. keep() must not call the store.
  Result<Swept> sweep(const std::function<bool(const Digest&)>& keep, Time stored_before);

  // Of blobs and unfinished uploads.
  std::uint64_t bytes_used() const { return bytes_used_.load(); }
  const StoreLimits& limits() const { return limits_; }

 private:
  struct Upload;

  BlobStore(std::string folder, const StoreLimits& limits)
      : folder_(std::move(folder)), limits_(limits) {}
  std::string path_of(const Digest& digest) const;
  Status count_and_clean();
  Status reserve(std::uint64_t bytes);
  void release(std::uint64_t bytes) { bytes_used_.fetch_sub(bytes); }
  // True, and stored as of now, when the blob is there.
  bool refresh(const Digest& digest);
  // Null when the blob was stored meanwhile.
  Result<std::shared_ptr<Upload>> find_or_begin(const UploadKey& key, std::uint64_t size);
  std::shared_ptr<Upload> find(const UploadKey& key);
  // Gives the upload's file its name as the blob `digest`, durably.
  Status publish(const Digest& digest, Upload& upload);
  Status publish_checked(const Digest& digest, Upload& upload);
  Status remove_locked(const Digest& digest);
  // With upload.mutex held: no further piece is taken.
  void end(const UploadKey& key, Upload& upload);

  const std::string folder_;
  const StoreLimits limits_;
  std::atomic<std::uint64_t> bytes_used_ = 0;
  std::atomic<std::uint64_t> next_temporary_ = 1;
  // Blobs come and go under it, so that a refreshed one is not swept. Never held while bytes move.
  std::mutex names_;
  std::mutex uploads_mutex_;
  std::map<UploadKey, std::shared_ptr<Upload>> uploads_;  // limits_.uploads_max at most
};

}  // namespace fallow::artifacts
