#include "runtime/disk_of.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kDiskNumberBytesMax = 64;

}  // namespace

Result<std::string> whole_disk(unsigned major_number, unsigned minor_number,
                               const std::string& root) {
  const std::string number = fmt::format("{}:{}", major_number, minor_number);
  const std::string device = root + "/sys/dev/block/" + number;
  if (::access(device.c_str(), F_OK) != 0) {
    return fail(ErrorCode::kNotFound,
                "its file system is on no disk that the kernel can slow down (btrfs, ZFS, "
                "overlays and network file systems are not); use ext4 or XFS");
  }
  if (::access((device + "/partition").c_str(), F_OK) != 0) return number;
  // A part's folder lies in its disk's.
  FALLOW_ASSIGN(std::string whole, read_file(device + "/../dev", kDiskNumberBytesMax));
  while (whole.ends_with('\n')) whole.pop_back();
  return whole;
}

Result<std::string> disk_of(const std::string& folder, const std::string& root) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0)
    return tl::unexpected(file_error("look at", folder, errno));
  return whole_disk(major(info.st_dev), minor(info.st_dev), root);
}

}  // namespace fallow::runtime
