#include "agent/owner_file.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace fallow::agent {
namespace {

constexpr std::size_t kOwnerBytesMax = 256;

std::string path_in(const std::string& folder) { return folder + "/owner"; }

}  // namespace

Result<OwnerFile> OwnerFile::open(std::string folder) {
  Fd watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch || ::inotify_add_watch(watch.get(), folder.c_str(),
                                    IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE) < 0) {
    return tl::unexpected(file_error("watch", folder, errno));
  }
  return OwnerFile(std::move(folder), std::move(watch));
}

v1::OwnerState OwnerFile::read() {
  std::array<char, 4096> events{};
  while (::read(watch_.get(), events.data(), events.size()) > 0) {
  }
  const auto text = read_file(path_in(folder_), kOwnerBytesMax);
  if (!text) {
    return text.error().code == ErrorCode::kNotFound ? v1::OWNER_AWAY : v1::OWNER_PRESENT;
  }
  std::string_view word = *text;
  word = word.substr(0, word.find_first_of(" \t\r\n"));
  if (word.empty() || word == "away") return v1::OWNER_AWAY;
  return word == "paused" ? v1::OWNER_PAUSED : v1::OWNER_PRESENT;
}

Status OwnerFile::write(const std::string& folder, v1::OwnerState state) {
  const char* word = state == v1::OWNER_PAUSED    ? "paused\n"
                     : state == v1::OWNER_PRESENT ? "present\n"
                                                  : "away\n";
  return replace_file(path_in(folder), word, 0644);
}

}  // namespace fallow::agent
