#include "net/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/await_tuple.h"

namespace fallow::net {
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;

constexpr int kBacklog = 4096;

struct AddressDeleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

std::string name_of(const sockaddr_storage& address, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> service{};
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host.data(), host.size(),
                    service.data(), service.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "an unknown address";
  }
  const bool brackets = std::strchr(host.data(), ':') != nullptr;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", host.data(), brackets ? "]" : "",
                     service.data());
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

struct Listener::Reactor {
  Reactor(const Executor& executor, int fd) : descriptor(executor, fd) {}
  Descriptor descriptor;
};

Listener::Listener(const Executor& executor, int fd, std::uint16_t port)
    : reactor_(std::make_unique<Reactor>(executor, fd)), port_(port) {}

Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::bind(const Executor& executor,
                                                 const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int unknown = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, AddressDeleter> found(list);
  if (unknown != 0 || !found) {
    return fail(ErrorCode::kInvalid, "'{}' is not an address to listen on: {}", address,
                ::gai_strerror(unknown));
  }
  const int fd =
      ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  const int on = 1;
  if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd, found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd, kBacklog) != 0) {
    const int failed = errno;
    if (fd >= 0) ::close(fd);
    return fail(ErrorCode::kFailed, "cannot listen on {}:{}: {}; choose another address or port",
                address, port, std::strerror(failed));
  }
  return std::unique_ptr<Listener>(new Listener(executor, fd, bound_port(fd)));
}

Task<Result<Listener::Accepted>> Listener::accept() {
  for (;;) {
    if (!reactor_->descriptor.is_open()) {
      co_return fail(ErrorCode::kClosed, "port {} is no longer listened on", port_);
    }
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd =
        ::accept4(reactor_->descriptor.native_handle(), reinterpret_cast<sockaddr*>(&address),
                  &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      Accepted accepted;
      accepted.fd = fd;
      accepted.peer = name_of(address, size);
      co_return accepted;
    }
    switch (errno) {
      case EAGAIN:
        co_await reactor_->descriptor.async_wait(Descriptor::wait_read, kAwaitTuple);
        break;
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
      case EPERM:
        break;  // that one connection failed before it was taken; there are others
      default:
        co_return fail(ErrorCode::kBusy,
                       "cannot accept a connection: {}; if it is too many open files, raise the "
                       "limit (ulimit -n)",
                       std::strerror(errno));
    }
  }
}

void Listener::close() {
  boost::system::error_code ignored;
  reactor_->descriptor.close(ignored);
}

}  // namespace fallow::net
