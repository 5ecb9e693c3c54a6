#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>

namespace fallow {
namespace {

ErrorCode code_of(int number) {
  switch (number) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::kTooLarge;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kDenied;
    default:
      return ErrorCode::kFailed;
  }
}

std::string_view advice_for(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return "; free space there and try again";
    case EMFILE:
    case ENFILE:
      return "; raise the limit of open files (ulimit -n)";
    case EACCES:
    case EPERM:
      return "; check who owns it and its mode";
    default:
      return "";
  }
}

tl::unexpected<Error> failed(std::string_view doing, std::string_view name) {
  return tl::unexpected(file_error(doing, name, errno));
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Error file_error(std::string_view doing, std::string_view name, int number) {
  return Error{
      code_of(number),
      fmt::format("cannot {} {}: {}{}", doing, name,
                  std::error_code(number, std::generic_category()).message(), advice_for(number))};
}

Result<Fd> open_file(const std::string& path, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return failed("open", path);
  return Fd(fd);
}

Status write_all(const Fd& fd, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return failed("write", name);
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Status write_all_at(const Fd& fd, std::string_view bytes, std::uint64_t offset,
                    std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return failed("write", name);
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<std::size_t> read_at(const Fd& fd, std::span<char> into, std::uint64_t offset,
                            std::string_view name) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t n = ::pread(fd.get(), into.data() + done, into.size() - done,
                              static_cast<off_t>(offset + done));
    if (n < 0) {
      if (errno == EINTR) continue;
      return failed("read", name);
    }
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Status sync_file(const Fd& fd, std::string_view name) {
  if (::fdatasync(fd.get()) != 0) return failed("sync", name);
  return {};
}

Status sync_folder(const std::string& path) {
  FALLOW_ASSIGN(const Fd folder, open_file(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(folder.get()) != 0) return failed("sync", path);
  return {};
}

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return tl::unexpected(file_error("make the folder", path, errno));
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
  while (const dirent* entry = open ? ::readdir(open.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

Result<Fd> memory_file(const char* name, std::string_view bytes) {
  Fd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file) return failed("make", "a file in memory");
  FALLOW_TRY(write_all(file, bytes, "a file in memory"));
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return failed("wind back", "a file in memory");
  return file;
}

Result<Fd> nameless_file(const std::string& folder) {
  // Not every file system makes one that never had a name.
  std::string path = folder + "/nameless-XXXXXX";
  Fd file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file) return failed("make", path);
  (void)::unlink(path.c_str());
  return file;
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  FALLOW_ASSIGN(const Fd file, open_file(path, O_RDONLY));
  std::string bytes;
  // What is read counts, not what stat says: the file may grow, and /proc files say 0.
  while (bytes.size() <= bytes_max) {
    const std::size_t had = bytes.size();
    bytes.resize(std::min(bytes_max - had, std::max<std::size_t>(had, 4096)) + 1 + had);
    FALLOW_ASSIGN(const std::size_t n,
                  read_at(file, std::span(bytes.data() + had, bytes.size() - had), had, path));
    const bool ended = n < bytes.size() - had;
    bytes.resize(had + n);
    if (ended) return bytes;
  }
  return fail(ErrorCode::kTooLarge, "{} is larger than {} bytes", path, bytes_max);
}

Status replace_file(const std::string& path, std::string_view bytes, unsigned mode) {
  const std::string beside = path + ".new";
  FALLOW_ASSIGN(const Fd file, open_file(beside, O_WRONLY | O_CREAT | O_TRUNC, mode));
  // This mode whatever the umask, which a service's is narrow; not on a file system without modes.
  (void)::fchmod(file.get(), mode);
  FALLOW_TRY(write_all(file, bytes, beside));
  FALLOW_TRY(sync_file(file, beside));
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("rename", beside);
  return sync_folder(folder_of(path));
}

}  // namespace fallow
