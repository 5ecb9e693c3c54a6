#include "tunnel/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace fallow::tunnel {
namespace {

constexpr std::size_t kFileBufferBytes = 64 * 1024;
constexpr std::uint32_t kModeBits = 0777;
// The owner can always go on working with what was copied.
constexpr std::uint32_t kFolderModeMin = 0700;
constexpr std::uint32_t kFileModeMin = 0600;

SharedDescriptor hold(int fd) { return fd < 0 ? nullptr : std::make_shared<Descriptor>(fd); }

std::string sentence(std::string_view doing, std::string_view path) {
  return "cannot " + std::string(doing) + " " + std::string(path) + ": " + std::strerror(errno);
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 255 &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace

bool is_plain_path(std::string_view path) {
  if (path.size() > kPathBytesMax) return false;
  std::size_t depth = 0;
  while (true) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (!is_plain_name(path.substr(0, slash)) || ++depth > kDepthMax) return false;
    if (slash == path.size()) return true;
    path.remove_prefix(slash + 1);
  }
}

int open_below(int folder, std::string_view path, int flags) {
  SharedDescriptor at;
  while (true) {
    const int from = at ? at->get() : folder;
    const std::size_t slash = path.find('/');
    const bool is_last = slash == std::string_view::npos;
    const std::string name(path.empty() ? "." : path.substr(0, slash));
    const bool is_folder = !is_last || (flags & O_DIRECTORY) != 0;
    // Not by O_DIRECTORY: gVisor follows a link that is asked to be a folder.
    const int how = is_folder ? O_RDONLY | O_NONBLOCK : flags;
    const int fd = ::openat(from, name.c_str(), how | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fd;
    struct stat info {};
    if (is_folder && (::fstat(fd, &info) != 0 || !S_ISDIR(info.st_mode))) {
      ::close(fd);
      errno = ENOTDIR;
      return -1;
    }
    if (is_last) return fd;
    at = hold(fd);
    path.remove_prefix(slash + 1);
  }
}

std::string name_of(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path.empty() || path == "." || path == "/" || path == "/work" || path == "/out") {
    return "files";
  }
  return std::string(path.substr(path.rfind('/') + 1));
}

Landing landing_of(std::string_view asked, const std::string& to) {
  std::error_code ignored;
  if (std::filesystem::is_directory(to, ignored) || to.ends_with('/')) return {to, name_of(asked)};
  const std::filesystem::path path = to;
  const std::string folder = path.parent_path().string();
  return {folder.empty() ? "." : folder, path.filename().string()};
}

FileSender::FileSender(SharedDescriptor root, std::string name,
                       std::function<void(const std::string&)> skipped)
    : root_(std::move(root)),
      name_(std::move(name)),
      skipped_(std::move(skipped)),
      buffer_(kFileBufferBytes) {}

FileSender::~FileSender() {
  for (const Folder& folder : folders_) ::closedir(folder.entries);
}

FileSender::Step FileSender::fail(std::string_view doing, std::string_view path) {
  failure_ = sentence(doing, path.empty() ? name_ : path);
  return Step::kFailed;
}

void FileSender::skip(const std::string& path, std::string_view why) {
  skipped_(path + " is left out: " + std::string(why));
}

// Announces what is open. False: failure_ says why.
bool FileSender::begin(Mux& mux, std::uint32_t stream, int fd, const std::string& path) {
  SharedDescriptor held = hold(fd);
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    fail("read", path);
    return false;
  }
  EntryNote entry;
  entry.is_folder = S_ISDIR(info.st_mode);
  entry.mode = info.st_mode & kModeBits;
  entry.path = path;
  if (path.empty()) entry.name = name_;
  if (entry.is_folder) {
    if (folders_.size() >= kDepthMax) {
      skip(path, "folders lie too deep");
      return true;
    }
    const int own_fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR* entries = own_fd < 0 ? nullptr : ::fdopendir(own_fd);
    if (entries == nullptr) {
      fail("read", path);
      return false;
    }
    folders_.push_back({entries, path});
  } else if (S_ISREG(info.st_mode)) {
    entry.bytes = static_cast<std::uint64_t>(info.st_size);
    file_ = std::move(held);
    file_path_ = path;
    file_left_ = entry.bytes;
  } else {
    skip(path.empty() ? name_ : path, "it is no file and no folder");
    return true;
  }
  mux.send_note(stream, encode_note(entry));
  return true;
}

// The next name of the innermost folder. False: failure_ says why.
bool FileSender::next(Mux& mux, std::uint32_t stream) {
  Folder& folder = folders_.back();
  const dirent* found = ::readdir(folder.entries);
  if (found == nullptr) {
    ::closedir(folder.entries);
    folders_.pop_back();
    return true;
  }
  const std::string name = found->d_name;
  if (name == "." || name == "..") return true;
  const std::string path = folder.path.empty() ? name : folder.path + "/" + name;
  if (!is_plain_path(path)) {
    skip(path.substr(0, 200), "its path is too long");
    return true;
  }
  // Not blocking: a pipe would wait for its writer.
  const int fd = ::openat(::dirfd(folder.entries), name.c_str(),
                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    skip(path, errno == ELOOP ? "it is a link" : std::strerror(errno));
    return true;
  }
  return begin(mux, stream, fd, path);
}

FileSender::Step FileSender::step(Mux& mux, std::uint32_t stream) {
  if (root_) {
    const int fd = ::fcntl(root_->get(), F_DUPFD_CLOEXEC, 0);
    root_.reset();
    if (fd < 0) return fail("read", name_);
    if (!begin(mux, stream, fd, "")) return Step::kFailed;
  }
  while (mux.room(stream) > 0) {
    if (file_) {
      if (file_left_ == 0) {
        file_.reset();
        continue;
      }
      const std::size_t count =
          std::min<std::uint64_t>(std::min(mux.room(stream), buffer_.size()), file_left_);
      const ssize_t n = ::read(file_->get(), buffer_.data(), count);
      if (n < 0) return fail("read", file_path_);
      if (n == 0) {
        failure_ = (file_path_.empty() ? name_ : file_path_) + " became shorter while it was read";
        return Step::kFailed;
      }
      mux.send(stream, 0, {buffer_.data(), static_cast<std::size_t>(n)});
      file_left_ -= static_cast<std::uint64_t>(n);
      bytes_sent_ += static_cast<std::uint64_t>(n);
    } else if (folders_.empty()) {
      return Step::kDone;
    } else if (!next(mux, stream)) {
      return Step::kFailed;
    }
  }
  return Step::kMore;
}

FileReceiver::FileReceiver(SharedDescriptor parent, std::string name)
    : parent_(std::move(parent)), name_(std::move(name)) {}

FileReceiver::~FileReceiver() {
  if (file_ && folder_) ::unlinkat(folder_->get(), part_name_.c_str(), 0);
}

bool FileReceiver::fail(std::string_view doing, std::string_view path) {
  return refuse(sentence(doing, path));
}

bool FileReceiver::refuse(std::string why) {
  failure_ = std::move(why);
  return false;
}

bool FileReceiver::entry(const EntryNote& entry) {
  if (file_ && !close_file()) return false;
  const bool is_first = entry.path.empty();
  if (is_first) {
    if (root_ || files_received_ > 0) return refuse("the sender named its first entry twice");
    if (name_.empty()) name_ = entry.name;
    if (!is_plain_name(name_)) return refuse("no file can have the name \"" + name_ + "\"");
  } else if (!root_ || !is_plain_path(entry.path)) {
    return refuse("the sender gave a path that leads elsewhere");
  }
  const std::size_t slash = entry.path.rfind('/');
  const std::string name = is_first                     ? name_
                           : slash == std::string::npos ? entry.path
                                                        : entry.path.substr(slash + 1);
  folder_ = parent_;
  if (!is_first) {
    const std::string_view above =
        std::string_view(entry.path).substr(0, slash == std::string::npos ? 0 : slash);
    folder_ = hold(open_below(root_->get(), above, O_RDONLY | O_DIRECTORY));
    if (!folder_) return fail("enter the folder of", entry.path);
  }
  if (entry.is_folder) {
    const std::uint32_t mode = (entry.mode & kModeBits) | kFolderModeMin;
    if (::mkdirat(folder_->get(), name.c_str(), mode) != 0 && errno != EEXIST) {
      return fail("make the folder", name);
    }
    SharedDescriptor made = hold(open_below(folder_->get(), name, O_RDONLY | O_DIRECTORY));
    if (!made) return fail("enter", name);
    if (is_first) root_ = std::move(made);
    return true;
  }
  // Beside its place, and there only when it is whole.
  file_name_ = name;
  static unsigned parts = 0;
  part_name_ = ".fallow-part-" + std::to_string(::getpid()) + "-" + std::to_string(++parts);
  ::unlinkat(folder_->get(), part_name_.c_str(), 0);
  file_ = hold(::openat(folder_->get(), part_name_.c_str(),
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        (entry.mode & kModeBits) | kFileModeMin));
  if (!file_) return fail("write", name);
  file_left_ = entry.bytes;
  return file_left_ > 0 || close_file();
}

bool FileReceiver::data(std::string_view bytes) {
  if (!file_ || bytes.size() > file_left_) return refuse("the sender sent more than it announced");
  while (!bytes.empty()) {
    const ssize_t n = ::write(file_->get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail("write", file_name_);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    file_left_ -= static_cast<std::uint64_t>(n);
    bytes_received_ += static_cast<std::uint64_t>(n);
  }
  return file_left_ > 0 || close_file();
}

bool FileReceiver::close_file() {
  if (file_left_ > 0) return refuse("the sender ended in the middle of " + file_name_);
  if (::renameat(folder_->get(), part_name_.c_str(), folder_->get(), file_name_.c_str()) != 0) {
    return fail("write", file_name_);
  }
  file_.reset();
  ++files_received_;
  return true;
}

bool FileReceiver::finish() {
  if (file_ && !close_file()) return false;
  if (!root_ && files_received_ == 0) return refuse("nothing was sent");
  return true;
}

}  // namespace fallow::tunnel
