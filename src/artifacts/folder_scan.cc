// The scanning half of folder.h; folder.cc writes.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include "artifacts/folder.h"
#include "artifacts/folder_open.h"
#include "artifacts/path.h"
#include "base/number.h"

namespace fallow::artifacts {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
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

std::string piece_path(std::string_view path, std::uint64_t number) {
  return fmt::format("{}/{:08}", path, number);
}

// A part of it begins with a dot.
bool is_hidden(std::string_view path) {
  return path.starts_with('.') || path.find("/.") != path.npos;
}

// What a scan makes of each file.
enum class Reading {
  kWhole,
  kPieces,  // hidden entries are passed over
  kStamps,  // likewise; a digest of what its inode says
};

class Scan {
 public:
  Scan(const Limits& limits, Unkept unkept, Reading reading, const Check& may_go_on)
      : limits_(limits), unkept_(unkept), reading_(reading), may_go_on_(may_go_on) {}

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
      const dirent* entry = ::readdir(listing.get());
      if (entry == nullptr) {
        if (errno != 0) return failed("list", path);
        return {};
      }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (reading_ != Reading::kWhole && name.starts_with('.')) continue;
      FALLOW_TRY(check());
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
    if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      // Its owner is at work in the folder: what goes is a change, and no fault.
      if (errno == ENOENT && reading_ != Reading::kWhole) return {};
      return failed("read", path);
    }
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
    return reading_ == Reading::kStamps ? stamp_file(status, path) : read_file(file, status, path);
  }

  Status stamp_file(const struct stat& status, const std::string& path) {
    File& found = files_.emplace_back();
    found.path = path;
    found.digest =
        digest_of(fmt::format("{} {} {} {}.{} {}.{}", status.st_ino, status.st_mode, status.st_size,
                              status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                              status.st_ctim.tv_nsec));
    return {};
  }

  Status read_file(const Fd& file, const struct stat& status, const std::string& path) {
    const auto too_large = [&] {
      return fail(ErrorCode::kTooLarge, "the folder has more than {} bytes; {} goes beyond",
                  limits_.bytes_max, printable(path));
    };
    // A file of a petabyte with nothing in it is refused before a byte is read.
    if (static_cast<std::uint64_t>(status.st_size) > limits_.bytes_max - bytes_) return too_large();
    const bool in_pieces = reading_ == Reading::kPieces;
    const std::uint64_t part_max =
        in_pieces ? kPieceBytesMax : std::numeric_limits<std::uint64_t>::max();
    piece_.resize(kReadBytes);
    std::uint64_t offset = 0;
    for (std::uint64_t number = 0;; ++number) {
      if (files_.size() == limits_.files_max) {
        return fail(ErrorCode::kTooLarge, "the folder has more than {} {}", limits_.files_max,
                    in_pieces ? "pieces of files" : "files");
      }
      File found;
      found.path = in_pieces ? piece_path(path, number) : path;
      found.executable = (status.st_mode & S_IXUSR) != 0;
      Digester digester;
      while (found.size < part_max) {
        const auto want =
            static_cast<std::size_t>(std::min<std::uint64_t>(piece_.size(), part_max - found.size));
        FALLOW_TRY(check());
        FALLOW_ASSIGN(const std::size_t n,
                      read_at(file, std::span(piece_).first(want), offset, printable(path)));
        if (n == 0) break;
        if (n > limits_.bytes_max - bytes_) return too_large();
        digester.update(std::string_view(piece_).substr(0, n));
        found.size += n;
        bytes_ += n;
        offset += n;
      }
      const bool is_last = found.size < part_max;
      // Of a file that ends where a piece does.
      if (is_last && found.size == 0 && number > 0) return {};
      found.digest = digester.finish();
      files_.push_back(std::move(found));
      if (is_last) return {};
    }
  }

  Status check() const { return may_go_on_ ? may_go_on_() : Status(); }

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
  const Reading reading_;
  const Check& may_go_on_;
  uid_t owner_ = 0;
  std::size_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<File> files_;
  std::string piece_;
  Scanned scanned_;
};

}  // namespace

Result<Scanned> scan(const std::string& folder, const Limits& limits, Unkept unkept,
                     const Check& may_go_on) {
  return Scan(limits, unkept, Reading::kWhole, may_go_on).run(folder);
}

Result<PiecePlace> place_of(const File& file, Layout layout) {
  if (layout == Layout::kFiles) return PiecePlace{file.path, 0};
  const std::string_view path = file.path;
  const std::size_t slash = path.rfind('/');
  const auto number =
      slash == path.npos ? std::nullopt : parse_number<std::uint32_t>(path.substr(slash + 1));
  if (!number || path != piece_path(path.substr(0, slash), *number) || is_hidden(path)) {
    return fail(ErrorCode::kInvalid, "{} is no piece of a file", printable(path));
  }
  return PiecePlace{file.path.substr(0, slash), *number * kPieceBytesMax};
}

Result<Digest> stamp_of(const std::string& folder, const Limits& limits, const Check& may_go_on) {
  FALLOW_ASSIGN(const Scanned seen,
                Scan(limits, Unkept::kSkip, Reading::kStamps, may_go_on).run(folder));
  return seen.manifest.digest();
}

Result<Scanned> scan_pieces(const std::string& folder, const Limits& limits,
                            const Check& may_go_on) {
  FALLOW_ASSIGN(const Digest before, stamp_of(folder, limits, may_go_on));
  FALLOW_ASSIGN(Scanned scanned,
                Scan(limits, Unkept::kSkip, Reading::kPieces, may_go_on).run(folder));
  FALLOW_ASSIGN(const Digest after, stamp_of(folder, limits, may_go_on));
  if (before != after) {
    return fail(ErrorCode::kBusy, "the folder changed while it was read; ask again");
  }
  return scanned;
}

}  // namespace fallow::artifacts
