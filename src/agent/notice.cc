#include "agent/notice.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"

namespace fallow::agent {

Status write_notice(const std::string& folder, v1::EndReason reason, Duration grace) {
  constexpr const char* kName = ".notice";
  constexpr const char* kNewName = ".notice.new";
  const Fd at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!at) return tl::unexpected(file_error("open", folder, errno));
  const std::string text = fmt::format("{{\"reason\":\"{}\",\"seconds\":{}}}\n",
                                       v1::EndReason_Name(reason), grace.value / 1'000'000);
  ::unlinkat(at.get(), kNewName, 0);
  const Fd file(
      ::openat(at.get(), kNewName, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return tl::unexpected(file_error("make", kNewName, errno));
  FALLOW_TRY(write_all(file, text, kNewName));
  ::fchmod(file.get(), 0644);
  if (::renameat(at.get(), kNewName, at.get(), kName) != 0) {
    const int number = errno;
    ::unlinkat(at.get(), kNewName, 0);
    return tl::unexpected(file_error("make", kName, number));
  }
  return {};
}

}  // namespace fallow::agent
