#include "artifacts/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "artifacts/folder_open.h"
#include "artifacts/path.h"

namespace fallow::artifacts {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

// Opens the folder that holds `path`, part by part; makes missing ones if `make`.
Result<Fd> open_parent(const Fd& folder, std::string_view path, bool make) {
  Fd at(::fcntl(folder.get(), F_DUPFD_CLOEXEC, 0));
  if (!at) return failed("open", path);
  for (std::size_t slash = path.find('/'); slash != path.npos; slash = path.find('/')) {
    const std::string part(path.substr(0, slash));
    path.remove_prefix(slash + 1);
    if (make && ::mkdirat(at.get(), part.c_str(), 0755) != 0 && errno != EEXIST) {
      return failed("make the folder", part);
    }
    Fd below(::openat(at.get(), part.c_str(), kFolderFlags));
    if (!below) {
      // With O_NOFOLLOW and O_DIRECTORY a link is ELOOP or ENOTDIR.
      if (errno == ELOOP || errno == ENOTDIR) {
        return fail(ErrorCode::kInvalid, "{} is in the way: it is not a folder", printable(part));
      }
      return failed("open", part);
    }
    at = std::move(below);
  }
  return at;
}

std::string last_part(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

// A file, or a piece of one, while it is written into the target from `begin` on: counts and
// digests what comes.
class Incoming {
 public:
  Incoming(const File& file, const Fd& target, std::uint64_t begin)
      : file_(file), target_(target), begin_(begin) {}

  // The target has its first `bytes` already, right or wrong.
  Status take_up(std::uint64_t bytes) {
    std::string piece(kPieceBytes, '\0');
    while (written_ < bytes) {
      const auto want =
          static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), bytes - written_));
      FALLOW_ASSIGN(const std::size_t n,
                    read_at(target_, std::span(piece.data(), want), begin_ + written_, file_.path));
      if (n == 0) return {};
      digester_.update(std::string_view(piece).substr(0, n));
      written_ += n;
    }
    return {};
  }
  // What is missing, and whether all of it is right.
  Status complete(const Fetch& fetch, bool is_whole) {
    if (!is_whole) {
      FALLOW_TRY(fetch(file_, written_, [this](std::string_view bytes) { return write(bytes); }));
    }
    if (written_ == file_.size && digester_.finish() == file_.digest) return {};
    return fail(ErrorCode::kCorrupt, "the bytes of {} are not those of its manifest", file_.path);
  }

 private:
  Status write(std::string_view bytes) {
    if (bytes.size() > file_.size - written_) {
      return fail(ErrorCode::kCorrupt, "the bytes of {} are more than the {} of its manifest",
                  file_.path, file_.size);
    }
    FALLOW_TRY(write_all_at(target_, bytes, begin_ + written_, file_.path));
    digester_.update(bytes);
    written_ += bytes.size();
    return {};
  }

  const File& file_;
  const Fd& target_;
  const std::uint64_t begin_;
  std::uint64_t written_ = 0;
  Digester digester_;
};

// The target has `there` bytes of the part already.
Status unpack_part(const File& part, const Fd& target, std::uint64_t begin, std::uint64_t there,
                   const Fetch& fetch) {
  if (there > 0) {
    Incoming rest(part, target, begin);
    FALLOW_TRY(rest.take_up(there));
    const Status done = rest.complete(fetch, there == part.size);
    if (done || done.error().code != ErrorCode::kCorrupt) return done;
    // What was there may be what is wrong: a machine that crashed had not written all of it.
  }
  return Incoming(part, target, begin).complete(fetch, false);
}

// How long the file is; kInvalid when it is none.
Result<std::uint64_t> bytes_there(const Fd& target, const std::string& path) {
  struct stat status {};
  if (::fstat(target.get(), &status) != 0) return failed("read", path);
  if (S_ISREG(status.st_mode)) return static_cast<std::uint64_t>(status.st_size);
  return fail(ErrorCode::kInvalid, "{} is in the way: it is not a regular file", path);
}

// `parts` are one file, or all of its pieces in their order.
Status unpack_file(const Fd& root, const std::string& path, std::span<const File> parts,
                   const Fetch& fetch, Existing existing) {
  FALLOW_ASSIGN(const Fd parent, open_parent(root, path, true));
  const std::string name = last_part(path);
  const int made_anew = existing == Existing::kRefuse ? O_EXCL : 0;
  const Fd target(::openat(parent.get(), name.c_str(),
                           O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | made_anew,
                           parts.front().executable ? 0755 : 0644));
  if (!target) {
    if (errno == EEXIST) {
      return fail(ErrorCode::kInvalid, "{} exists already; remove it or choose another folder",
                  path);
    }
    return failed("make", path);
  }
  FALLOW_ASSIGN(const std::uint64_t there, bytes_there(target, path));
  std::uint64_t begin = 0;
  Status done;
  for (const File& part : parts) {
    const std::uint64_t left = there > begin ? std::min(there - begin, part.size) : 0;
    done = unpack_part(part, target, begin, left, fetch);
    if (!done) break;
    begin += part.size;
  }
  if (done && there > begin && ::ftruncate(target.get(), static_cast<off_t>(begin)) != 0) {
    return failed("shorten", path);
  }
  if (!done && (existing == Existing::kRefuse || done.error().code == ErrorCode::kCorrupt)) {
    ::unlinkat(parent.get(), name.c_str(), 0);
  }
  return done;
}

}  // namespace

Result<Fd> open_below(const Fd& folder, std::string_view path) {
  FALLOW_TRY(check_path(path, Limits{}.path_bytes_max, Limits{}.path_parts_max));
  FALLOW_ASSIGN(const Fd parent, open_parent(folder, path, false));
  Fd file(::openat(parent.get(), last_part(path).c_str(),
                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!file && errno != ELOOP) return failed("open", path);
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalid, "{} is not a regular file", printable(path));
  }
  return file;
}

Result<Scanned> pack(const std::string& folder, const Limits& limits, Unkept unkept,
                     BlobStore& store, std::uint64_t uploader) {
  FALLOW_ASSIGN(Scanned scanned, scan(folder, limits, unkept));
  FALLOW_ASSIGN(const Fd root, open_file(folder, O_RDONLY | O_DIRECTORY));
  std::string piece(kPieceBytes, '\0');
  for (const File& file : scanned.manifest.files()) {
    const UploadKey key{file.digest, uploader};
    FALLOW_ASSIGN(std::uint64_t offset, store.begin(key, file.size));
    if (offset == file.size) continue;
    FALLOW_ASSIGN(const Fd source, open_below(root, file.path));
    while (offset < file.size) {
      const auto want =
          static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), file.size - offset));
      auto n = read_at(source, std::span(piece.data(), want), offset, file.path);
      if (n && *n < want) n = fail(ErrorCode::kCorrupt, "{} changed while it was read", file.path);
      const auto taken = n ? store.append(key, offset, std::string_view(piece).substr(0, want))
                           : Result<std::uint64_t>(tl::unexpected(n.error()));
      if (!taken) {
        store.abandon(key);
        return fail_with(taken.error(), "cannot store {}", file.path);
      }
      offset = *taken;
    }
  }
  FALLOW_TRY(store.put(scanned.manifest.text()));
  return scanned;
}

Status unpack(const Manifest& manifest, const Fetch& fetch, const std::string& destination,
              Existing existing) {
  if (::mkdir(destination.c_str(), 0755) != 0 && errno != EEXIST) {
    return failed("make the folder", destination);
  }
  FALLOW_ASSIGN(const Fd root, open_file(destination, O_RDONLY | O_DIRECTORY));
  for (const File& file : manifest.files()) {
    FALLOW_TRY(unpack_file(root, file.path, std::span(&file, 1), fetch, existing));
  }
  return {};
}

Status unpack_pieces(const Manifest& manifest, const Fetch& fetch, const std::string& destination,
                     Existing existing) {
  FALLOW_ASSIGN(const Fd root, open_file(destination, O_RDONLY | O_DIRECTORY));
  const std::span<const File> files = manifest.files();
  for (std::size_t first = 0; first < files.size();) {
    FALLOW_ASSIGN(const PiecePlace place, place_of(files[first], Layout::kPieces));
    std::uint64_t bytes = 0;
    std::size_t end = first;
    // Sorted by path, so that a file's pieces are together and in order.
    for (; end < files.size(); ++end) {
      FALLOW_ASSIGN(const PiecePlace next, place_of(files[end], Layout::kPieces));
      if (next.path != place.path) break;
      if (next.offset != bytes) {
        return fail(ErrorCode::kInvalid, "pieces of {} are missing", printable(place.path));
      }
      bytes += files[end].size;
    }
    FALLOW_TRY(unpack_file(root, place.path, files.subspan(first, end - first), fetch, existing));
    first = end;
  }
  return {};
}

Fetch fetch_from(const BlobStore& store) {
  return [&store](const File& file, std::uint64_t from, const Write& write) -> Status {
    FALLOW_ASSIGN(const Blob blob, store.get(file.digest));
    std::string piece(kPieceBytes, '\0');
    for (std::uint64_t at = from;;) {
      FALLOW_ASSIGN(const std::size_t n, blob.read(at, piece));
      if (n == 0) return {};
      FALLOW_TRY(write(std::string_view(piece).substr(0, n)));
      at += n;
    }
  };
}

}  // namespace fallow::artifacts
