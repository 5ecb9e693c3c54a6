// The initial RAM file system of a virtual machine, as the kernel reads it: a cpio archive of the
// "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).
//
// A value.
#pragma once

#include <string>
#include <string_view>

namespace fallow::runtime {

class GuestArchive {
 public:
  // Names are relative; folders come before what is in them. All belongs to root.
  void add_folder(std::string_view name);
  void add_file(std::string_view name, unsigned mode, std::string_view bytes);
  // The whole; nothing can be added any more.
  std::string finish() &&;

 private:
  void add(std::string_view name, unsigned mode, std::string_view bytes);

  std::string bytes_;
  unsigned files_ = 0;
};

}  // namespace fallow::runtime
