#include "runtime/guest_archive.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <iterator>

namespace fallow::runtime {
namespace {

constexpr std::size_t kAlignment = 4;

}  // namespace

void GuestArchive::add(std::string_view name, unsigned mode, std::string_view bytes) {
  const auto align = [this] {
    bytes_.resize((bytes_.size() + kAlignment - 1) & ~(kAlignment - 1));
  };
  // Magic, inode, mode, user, group, links, time, bytes, device, device of a node, name's bytes
  // with the NUL, and a checksum that this format does not have.
  fmt::format_to(std::back_inserter(bytes_),
                 "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}"
                 "{:08X}",
                 ++files_, mode, 0, 0, 1, 0, bytes.size(), 0, 0, 0, 0, name.size() + 1, 0);
  bytes_.append(name).push_back('\0');
  align();
  bytes_.append(bytes);
  align();
}

void GuestArchive::add_folder(std::string_view name) { add(name, S_IFDIR | 0755, {}); }

void GuestArchive::add_file(std::string_view name, unsigned mode, std::string_view bytes) {
  add(name, S_IFREG | mode, bytes);
}

std::string GuestArchive::finish() && {
  add("TRAILER!!!", 0, {});
  return std::move(bytes_);
}

}  // namespace fallow::runtime
