#include "runtime/door.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fallow::runtime {
namespace {

constexpr int kBacklog = 16;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return fail(ErrorCode::kInvalid, "the path of a socket is too long: {}", path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Fd new_socket() { return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

}  // namespace

Result<Fd> open_door(const std::string& path) {
  FALLOW_ASSIGN(const sockaddr_un address, address_of(path));
  Fd door = new_socket();
  ::unlink(path.c_str());
  if (!door ||
      ::bind(door.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(door.get(), kBacklog) != 0) {
    return tl::unexpected(file_error("listen at", path, errno));
  }
  return door;
}

void let_in(const Fd& door, const Fd& inside) {
  while (true) {
    const Fd guest(::accept4(door.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!guest) return;
    char letter = 'c';
    iovec data{&letter, 1};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof(space);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = guest.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    (void)!::sendmsg(inside.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

Result<Fd> knock(const std::string& lease_folder) {
  const auto away = [] {
    return fail(ErrorCode::kNotFound,
                "the workload does not run on this node, or cannot be reached");
  };
  const Fd folder(::open(lease_folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder && errno == ENOENT) return away();
  if (!folder) return tl::unexpected(file_error("open", lease_folder, errno));
  // The folder's own path may be longer than an address of a socket.
  const std::string path = "/proc/self/fd/" + std::to_string(folder.get()) + "/door";
  FALLOW_ASSIGN(const sockaddr_un address, address_of(path));
  Fd guest = new_socket();
  if (!guest ||
      ::connect(guest.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return away();
    return tl::unexpected(file_error("knock at", lease_folder + "/door", errno));
  }
  return guest;
}

}  // namespace fallow::runtime
