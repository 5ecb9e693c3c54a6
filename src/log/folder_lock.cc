#include "log/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

namespace fallow::log {

Result<FolderLock> FolderLock::take(const std::string& folder) {
  const std::string path = folder + "/lock";
  FALLOW_ASSIGN(Fd file, open_file(path, O_RDWR | O_CREAT));
  int code = 0;
  do {
    code = ::flock(file.get(), LOCK_EX | LOCK_NB);
  } while (code != 0 && errno == EINTR);
  if (code != 0) {
    if (errno != EWOULDBLOCK) return tl::unexpected(file_error("lock", path, errno));
    auto holder = read_file(path, 32);
    while (holder && !holder->empty() && holder->back() == '\n') holder->pop_back();
    return fail(ErrorCode::kDenied,
                "the data folder {} is in use by process {}; stop it first, or use another --data",
                folder, holder && !holder->empty() ? *holder : "(unknown)");
  }
  if (::ftruncate(file.get(), 0) != 0) return tl::unexpected(file_error("write", path, errno));
  // A full disk must not keep a server from starting: the process id is only for the sentence.
  (void)write_all_at(file, fmt::format("{}\n", ::getpid()), 0, path);
  return FolderLock(std::move(file));
}

}  // namespace fallow::log
