#include "artifacts/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "artifacts/path.h"

namespace fallow::artifacts {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

tl::unexpected<Error> failed(std::string_view doing, std::string_view path) {
  const int number = errno;
  return tl::unexpected(file_error(doing, printable(path), number));
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Listing = std::unique_ptr<DIR, CloseFolder>;

Result<Listing> list(Fd folder, std::string_view path) {
  DIR* listing = ::fdopendir(folder.get());
  if (listing == nullptr) return failed("list", path);
  (void)folder.release();  // the listing closes it
  return Listing(listing);
}

std::string_view kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFLNK:
      return "a symbolic link";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    case S_IFBLK:
    case S_IFCHR:
      return "a device";
    default:
      return "neither a file nor a folder";
  }
}

class Scan {
 public:
  Scan(const Limits& limits, Unkept unkept) : limits_(limits), unkept_(unkept) {}

  Result<Scanned> run(const std::string& folder) {
    // The folder itself is named by the caller, who may well mean a link.
    FALLOW_ASSIGN(Fd root, open_file(folder, O_RDONLY | O_DIRECTORY));
    struct stat status {};
    if (::fstat(root.get(), &status) != 0) return failed("read", folder);
    owner_ = status.st_uid;
    FALLOW_TRY(visit_folder(std::move(root), ""));
    FALLOW_ASSIGN(scanned_.manifest, Manifest::make(std::move(files_), limits_));
    return std::move(scanned_);
  }

 private:
  // Recursion is bounded by path_parts_max.
  Status visit_folder(Fd folder, const std::string& path) {
    FALLOW_ASSIGN(const Listing listing, list(std::move(folder), path));
    for (;;) {
      errno = 0;
      // Safe: the stream is this scan's own.
      const dirent* entry = ::readdir(listing.get());  // NOLINT(concurrency-mt-unsafe)
      if (entry == nullptr) {
        if (errno != 0) return failed("list", path);
        return {};
      }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (++entries_ > 2 * limits_.files_max) {
        return fail(ErrorCode::kTooLarge, "the folder has more than {} files and folders",
                    2 * limits_.files_max);
      }
      FALLOW_TRY(visit(::dirfd(listing.get()), entry->d_name,
                       path.empty() ? std::string(name) : path + '/' + std::string(name)));
    }
  }

  Status visit(int folder, const char* name, const std::string& path) {
    Status named = check_path(path, limits_.path_bytes_max, limits_.path_parts_max);
    if (!named) {
      // Too deep or too long is a limit of the whole; a strange name is one entry's affair.
      if (named.error().code == ErrorCode::kTooLarge) return named;
      return pass_over(named.error().message);
    }
    struct stat status {};
    if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return failed("read", path);
    if (S_ISDIR(status.st_mode)) {
      Fd below(::openat(folder, name, kFolderFlags));
      if (!below) return pass_over_unopened(path);
      return visit_folder(std::move(below), path);
    }
    if (!S_ISREG(status.st_mode)) return pass_over_kind(path, status.st_mode);
    // Between the look and the opening it may have become something else: opening a pipe must not
    // block, and what was opened is looked at again.
    Fd file(::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file) return pass_over_unopened(path);
    if (::fstat(file.get(), &status) != 0) return failed("read", path);
    if (!S_ISREG(status.st_mode)) return pass_over_kind(path, status.st_mode);
    // A second name given to a file of somebody else would hand out what its maker cannot read.
    if (status.st_nlink > 1 && status.st_uid != owner_) {
      return pass_over(fmt::format("{} is another owner's file under a second name (a hard link)",
                                   printable(path)));
    }
    return read_file(file, status, path);
  }

  Status read_file(const Fd& file, const struct stat& status, const std::string& path) {
    const auto too_large = [&] {
      return fail(ErrorCode::kTooLarge, "the folder has more than {} bytes; {} goes beyond",
                  limits_.bytes_max, printable(path));
    };
    if (files_.size() == limits_.files_max) {
      return fail(ErrorCode::kTooLarge, "the folder has more than {} files", limits_.files_max);
    }
    // A file of a petabyte with nothing in it is refused before a byte is read.
    if (static_cast<std::uint64_t>(status.st_size) > limits_.bytes_max - bytes_) return too_large();
    File found;
    found.path = path;
    found.executable = (status.st_mode & S_IXUSR) != 0;
    Digester digester;
    piece_.resize(kPieceBytes);
    for (;;) {
      FALLOW_ASSIGN(const std::size_t n, read_at(file, piece_, found.size, printable(path)));
      if (n == 0) break;
      if (n > limits_.bytes_max - bytes_) return too_large();
      digester.update(std::string_view(piece_).substr(0, n));
      found.size += n;
      bytes_ += n;
    }
    found.digest = digester.finish();
    files_.push_back(std::move(found));
    return {};
  }

  Status pass_over_kind(const std::string& path, mode_t mode) {
    return pass_over(
        fmt::format("{} is {}; only files and folders are kept: put a copy in its place",
                    printable(path), kind_of(mode)));
  }

  // It may not be read, or became something else, or is gone. Only running out of descriptors is
  // about us, not about the entry.
  Status pass_over_unopened(const std::string& path) {
    const int number = errno;
    Error error = file_error("open", printable(path), number);
    if (number == EMFILE || number == ENFILE) return tl::unexpected(std::move(error));
    return pass_over(std::move(error.message));
  }

  Status pass_over(std::string sentence) {
    if (unkept_ == Unkept::kRefuse) {
      return tl::unexpected(Error{ErrorCode::kInvalid, std::move(sentence)});
    }
    ++scanned_.skipped_count;
    if (scanned_.skipped.size() < kSkippedShownMax) scanned_.skipped.push_back(std::move(sentence));
    return {};
  }

  const Limits& limits_;
  const Unkept unkept_;
  uid_t owner_ = 0;
  std::size_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<File> files_;
  std::string piece_;
  Scanned scanned_;
};

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

// A file while it is written: counts and digests what comes.
class Incoming {
 public:
  Incoming(const File& file, const Fd& target) : file_(file), target_(target) {}

  Status write(std::string_view bytes) {
    if (bytes.size() > file_.size - written_) {
      return fail(ErrorCode::kCorrupt, "the bytes of {} are more than the {} of its manifest",
                  file_.path, file_.size);
    }
    FALLOW_TRY(write_all(target_, bytes, file_.path));
    digester_.update(bytes);
    written_ += bytes.size();
    return {};
  }
  Status finish() {
    if (written_ == file_.size && digester_.finish() == file_.digest) return {};
    return fail(ErrorCode::kCorrupt, "the bytes of {} are not those of its manifest", file_.path);
  }

 private:
  const File& file_;
  const Fd& target_;
  std::uint64_t written_ = 0;
  Digester digester_;
};

Status unpack_file(const Fd& root, const File& file, const Fetch& fetch) {
  FALLOW_ASSIGN(const Fd parent, open_parent(root, file.path, true));
  const std::string name = last_part(file.path);
  const Fd target(::openat(parent.get(), name.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                           file.executable ? 0755 : 0644));
  if (!target) {
    if (errno == EEXIST) {
      return fail(ErrorCode::kInvalid, "{} exists already; remove it or choose another folder",
                  file.path);
    }
    return failed("make", file.path);
  }
  Incoming incoming(file, target);
  Status done = fetch(file, [&](std::string_view bytes) { return incoming.write(bytes); });
  if (done) done = incoming.finish();
  if (!done) ::unlinkat(parent.get(), name.c_str(), 0);
  return done;
}

}  // namespace

Result<Scanned> scan(const std::string& folder, const Limits& limits, Unkept unkept) {
  return Scan(limits, unkept).run(folder);
}

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

Status unpack(const Manifest& manifest, const Fetch& fetch, const std::string& destination) {
  if (::mkdir(destination.c_str(), 0755) != 0 && errno != EEXIST) {
    return failed("make the folder", destination);
  }
  FALLOW_ASSIGN(const Fd root, open_file(destination, O_RDONLY | O_DIRECTORY));
  for (const File& file : manifest.files()) FALLOW_TRY(unpack_file(root, file, fetch));
  return {};
}

Fetch fetch_from(const BlobStore& store) {
  return [&store](const File& file, const Write& write) -> Status {
    FALLOW_ASSIGN(const Blob blob, store.get(file.digest));
    std::string piece(kPieceBytes, '\0');
    for (std::uint64_t at = 0;;) {
      FALLOW_ASSIGN(const std::size_t n, blob.read(at, piece));
      if (n == 0) return {};
      FALLOW_TRY(write(std::string_view(piece).substr(0, n)));
      at += n;
    }
  };
}

}  // namespace fallow::artifacts
