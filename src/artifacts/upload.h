// An unfinished upload of a BlobStore. Included by the store alone.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <span>
#include <string>

#include "artifacts/store.h"
#include "base/file.h"

namespace fallow::artifacts {

inline constexpr std::size_t kStorePieceBytes = std::size_t{1} << 20;

// When a blob was stored, or an upload last got a piece.
inline Time stored_at(const struct stat& status) {
  return Time{std::int64_t{status.st_mtim.tv_sec} * 1'000'000 + status.st_mtim.tv_nsec / 1'000};
}

// A full disk of the store's own is no fault of what was to be stored.
inline Error without_room(Error error) {
  if (error.code == ErrorCode::kTooLarge) error.code = ErrorCode::kFull;
  return error;
}

// Guarded by `mutex`, which may be held while uploads_mutex_ is taken, never the other way round.
// `path` and `size` do not change. Its file stays behind, for the store's next life, unless
// somebody removes it.
struct BlobStore::Upload {
  std::mutex mutex;
  Fd file;  // opened by the first piece
  std::string path;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
  Digester digester;
  std::uint64_t digested = 0;  // bytes of the file that are in it
  bool named = false;          // it is the blob
  bool unsure = false;         // a sync failed, so bytes may be lost that reading still shows
  bool ended = false;

  Status open() {
    if (file) return {};
    FALLOW_ASSIGN(file, open_file(path, O_RDWR));
    return {};
  }
  // Brings the digester up to the offset: an upload of the store's earlier life has bytes that it
  // did not see.
  Status catch_up() {
    std::string piece(kStorePieceBytes, '\0');
    while (digested < offset) {
      const auto wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(offset - digested, piece.size()));
      FALLOW_ASSIGN(const std::size_t n,
                    read_at(file, std::span(piece).first(wanted), digested, path));
      if (n == 0) {
        return fail(ErrorCode::kCorrupt, "{} has lost bytes; upload it again from the start", path);
      }
      digester.update(std::string_view(piece).substr(0, n));
      digested += n;
    }
    return {};
  }
  // Of all bytes, which are there. Once more, where that was asked before.
  Digest digest() {
    const Digest found = digester.finish();
    digester = Digester();
    digested = 0;
    return found;
  }
  void remove() {
    ::unlink(path.c_str());
    file.reset();
  }
};

}  // namespace fallow::artifacts
