// BlobStore: bytes by their digest, in a folder. What has a name here is exactly what the name
// says.
//
// A blob is written under a temporary name, its digest compared, synced and renamed, so that a
// crash leaves whole blobs, unfinished uploads and temporaries; open() removes the latter. Large
// blobs are uploaded in pieces, and an interrupted upload goes on at its last offset, also in the
// store's next life. What is wanted no more is for artifacts/sweep.h to say.
//
// Layout: FOLDER/blobs/ab/cd/<64 hex digits>, FOLDER/uploads/<digest>-<uploader>-<size>, and
// FOLDER/uploads/<number> for temporaries. docs/formats/artifact.md.
// Owner: the server (or the agent, for its cache). Thread: every method from any thread; pieces of
// one upload are taken one at a time. A Blob stays readable even if it is removed meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
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
  std::size_t uploads_max = 256;                           // unfinished ones at a time
  std::size_t uploads_per_uploader_max = 64;               // so that nobody has all of them
  Duration upload_idle_min = minutes(10);  // without a piece: then it gives way to a new one
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
  // Makes the folder if missing; removes the temporaries of an earlier life, takes up its
  // unfinished uploads and counts what is stored. One process at a time per folder; the caller sees
  // to that.
  static Result<std::unique_ptr<BlobStore>> open(const std::string& folder,
                                                 const StoreLimits& limits);
  ~BlobStore();

  // Stores `bytes`, durably. kTooLarge: beyond blob_bytes_max. kFull: the store or the disk is.
  Result<Digest> put(std::string_view bytes);

  // Begins or resumes an upload of `size` bytes; returns the offset to go on at. `size` itself
  // means that the blob is stored: nothing to send. It then counts as stored now, see touch(). At a
  // limit of uploads the uploader's own that is idle for longest is forgotten, if it is idle for
  // upload_idle_min.
  // kTooLarge: beyond blob_bytes_max; kFull: the store or the disk is; kBusy: too many uploads;
  // kInvalid: begun before with another size.
  Result<std::uint64_t> begin(const UploadKey& key, std::uint64_t size);
  // Takes the next bytes; `offset` is where the last piece ended (kInvalid names where that is).
  // The last piece completes the blob: durable when it returns. Returns the offset reached. Bytes
  // that do not give the digest end the upload with kCorrupt. kNotFound: no such upload. kFull: the
  // store or the disk is; the piece may be sent again later, and when it was the last one begin()
  // may complete the blob without it.
  Result<std::uint64_t> append(const UploadKey& key, std::uint64_t offset, std::string_view bytes);
  // Forgets an upload; nothing if there is none.
  void abandon(const UploadKey& key);

  bool has(const Digest& digest) const;
  // The same, and the blob counts as stored now: somebody is about to name it, so that it outlives
  // every sweep until that is done.
  bool touch(const Digest& digest);
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

  // A blob as it lies there. `stored_at` is by the file system's clock.
  struct Stored {
    Digest digest{};
    std::uint64_t size = 0;
    Time stored_at;
  };
  // Every blob, in no order; those that come or go meanwhile or not.
  Status visit(const std::function<void(const Stored&)>& each) const;
  // Removes the blob unless it was stored or touched since `before`. Says how many bytes it had;
  // nothing: it is there still, or there was none.
  Result<std::optional<std::uint64_t>> remove_stored_before(const Digest& digest, Time before);
  // The blob counts as stored long ago, so that the next sweep takes it unless it is wanted. False:
  // it was stored or touched since `before`, and nothing was done, or there is none.
  bool let_go(const Digest& digest, Time before);
  // Forgets uploads without a piece since `before`; says how many.
  std::size_t abandon_idle(Time before);
  // What was removed up to now stays so, whatever happens.
  Status sync_removals();

  // Of blobs and unfinished uploads.
  std::uint64_t bytes_used() const { return bytes_used_.load(); }
  // Unfinished ones.
  std::size_t uploads() const;
  const StoreLimits& limits() const { return limits_; }

 private:
  struct Upload;

  BlobStore(std::string folder, const StoreLimits& limits)
      : folder_(std::move(folder)), limits_(limits) {}
  std::string path_of(const Digest& digest) const;
  std::string path_of(const UploadKey& key, std::uint64_t size) const;
  Status count_blobs();
  Status take_up_uploads();
  Status reserve(std::uint64_t bytes);
  void release(std::uint64_t bytes) { bytes_used_.fetch_sub(bytes); }
  // Null when the blob was stored meanwhile.
  Result<std::shared_ptr<Upload>> find_or_begin(const UploadKey& key, std::uint64_t size);
  std::shared_ptr<Upload> find(const UploadKey& key);
  // Says whether there was one to forget.
  bool abandon_idlest(std::uint64_t uploader);
  // The same of this one, unless it had a piece since `before`.
  bool abandon_if_idle(const UploadKey& key, Upload& upload, Time before);
  // Gives the upload's file its name as the blob `digest`, durably; what is not given it is
  // removed.
  Status publish(const Digest& digest, Upload& upload);
  Status publish_checked(const Digest& digest, Upload& upload);
  // All bytes of the upload are there: publishes it and ends it.
  Status finish(const UploadKey& key, Upload& upload);
  Status remove_locked(const Digest& digest);
  // With upload.mutex held: no further piece is taken. Its file is the caller's affair.
  void end(const UploadKey& key, Upload& upload);

  const std::string folder_;
  const StoreLimits limits_;
  std::atomic<std::uint64_t> bytes_used_ = 0;
  std::atomic<std::uint64_t> next_temporary_ = 1;
  // Blobs come and go under it, so that a refreshed one is not swept. Never held while bytes move.
  std::mutex names_;
  std::set<std::uint16_t> lost_names_;  // under names_: folders where one was removed, not synced
  mutable std::mutex uploads_mutex_;
  std::map<UploadKey, std::shared_ptr<Upload>> uploads_;  // limits_.uploads_max at most
};

}  // namespace fallow::artifacts
