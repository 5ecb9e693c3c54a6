#include "cli/local_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/number.h"
#include "cli/command.h"
#include "cli/reach.h"
#include "tunnel/request.h"

namespace fallow::cli {
namespace {

constexpr std::uint32_t kPortMax = 65'535;
constexpr int kBacklog = 64;

bool read_ports(std::string_view text, LocalPort& port) {
  const std::size_t colon = text.find(':');
  const auto inside = parse_number<std::uint32_t>(text.substr(0, colon));
  const auto here = colon == std::string_view::npos
                        ? inside
                        : parse_number<std::uint32_t>(text.substr(colon + 1));
  if (!inside || !here || *inside == 0 || *inside > kPortMax || *here > kPortMax) return false;
  port = {*inside, *here};
  return true;
}

// Listens, and sets `port` to the one it got.
Result<tunnel::SharedDescriptor> listen_at(const std::string& address, std::uint32_t& port) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, address.c_str(), &place.sin_addr) != 1) {
    return fail(ErrorCode::kInvalid, "{} is no address of this machine; 127.0.0.1 is one", address);
  }
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(ErrorCode::kFailed, "cannot open a socket: {}", std::strerror(errno));
  tunnel::SharedDescriptor socket = tunnel::own(fd);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = sizeof place;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&place), size) != 0 || ::listen(fd, kBacklog) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&place), &size) != 0) {
    return fail(ErrorCode::kFailed,
                "cannot listen on {}:{}: {}; choose another port with PORT:LOCAL", address, port,
                std::strerror(errno));
  }
  port = ntohs(place.sin_port);
  return socket;
}

// Takes a caller and joins it to the port inside.
void take_caller(Reach& reach, const Context& context, const tunnel::SharedDescriptor& listener,
                 std::uint32_t inside) {
  const int fd = ::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  const tunnel::SharedDescriptor caller = tunnel::own(fd);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const std::uint32_t stream =
      reach.mux().open(tunnel::encode_request(tunnel::ForwardRequest{inside}));
  if (stream == 0) {
    report(context, Error{ErrorCode::kBusy,
                          "a connection was turned away: as many as a tunnel takes are open"});
    return;
  }
  reach.endpoint().add_source(stream, 0, caller);
  reach.endpoint().add_sink(stream, 0, caller, tunnel::AtEnd::kShutdown);
}

}  // namespace

std::string ports_complaint(const std::string& text) {
  LocalPort port;
  if (read_ports(text, port)) return {};
  return fmt::format("'{}' is not PORT or PORT:LOCAL with ports up to {}, as 8888:9000", text,
                     kPortMax);
}

Result<LocalPorts> LocalPorts::listen(const std::vector<std::string>& texts,
                                      const std::string& address) {
  LocalPorts made;
  for (const std::string& text : texts) {
    LocalPort port;
    read_ports(text, port);
    FALLOW_ASSIGN(auto listener, listen_at(address, port.here));
    made.ports_.push_back(port);
    made.listeners_.push_back(std::move(listener));
  }
  return made;
}

void LocalPorts::join(Reach& reach, const Context& context) {
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const std::uint32_t inside = ports_[i].inside;
    reach.endpoint().watch(listeners_[i], POLLIN,
                           [&reach, &context, inside, listener = listeners_[i]] {
                             take_caller(reach, context, listener, inside);
                             return true;
                           });
  }
}

}  // namespace fallow::cli
