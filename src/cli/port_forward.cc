// fallow port-forward: ports of a running lease as ports of this machine.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/number.h"
#include "cli/command.h"
#include "cli/reach.h"
#include "tunnel/request.h"

namespace fallow::cli {
namespace {

constexpr std::uint32_t kPortMax = 65'535;
constexpr int kBacklog = 64;

struct PortForwardOptions {
  std::uint64_t lease = 0;
  std::vector<std::string> ports;
  std::string address = "127.0.0.1";
};

struct Ports {
  std::uint32_t inside = 0;
  std::uint32_t here = 0;  // 0: any free one
};

bool read_ports(std::string_view text, Ports& ports) {
  const std::size_t colon = text.find(':');
  const auto inside = parse_number<std::uint32_t>(text.substr(0, colon));
  const auto here = colon == std::string_view::npos
                        ? inside
                        : parse_number<std::uint32_t>(text.substr(colon + 1));
  if (!inside || !here || *inside == 0 || *inside > kPortMax || *here > kPortMax) return false;
  ports = {*inside, *here};
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

void say(const Context& context, const PortForwardOptions& options, const Ports& ports) {
  if (context.json) {
    std::printf("{\"lease\":\"%llu\",\"port\":%u,\"address\":\"%s\",\"local_port\":%u}\n",
                static_cast<unsigned long long>(options.lease), ports.inside,
                options.address.c_str(), ports.here);
  } else {
    std::printf("%s:%u leads to port %u of lease %llu; end with Ctrl-C\n", options.address.c_str(),
                ports.here, ports.inside, static_cast<unsigned long long>(options.lease));
  }
  std::fflush(stdout);
}

int port_forward(const Context& context, const PortForwardOptions& options) {
  std::vector<std::pair<tunnel::SharedDescriptor, Ports>> listeners;
  for (const std::string& text : options.ports) {
    Ports ports;
    read_ports(text, ports);
    auto listener = listen_at(options.address, ports.here);
    if (!listener) return report(context, listener.error());
    listeners.emplace_back(std::move(*listener), ports);
  }
  int exit_code = kDone;
  const auto reach = Reach::open(context, options.lease, exit_code);
  if (!reach) return exit_code;
  HeardSignals signals;
  bool is_asked = false;
  signals.listen(reach->endpoint(), [&](int signal) { is_asked |= signal != SIGWINCH; });
  reach->endpoint().on_event([&](const tunnel::MuxEvent& event) {
    using Kind = tunnel::MuxEvent::Kind;
    if (event.kind == Kind::kReset && event.bytes != tunnel::kClosedReason) {
      report(context, Error{ErrorCode::kFailed, printable(event.bytes)});
    }
    if (event.kind != Kind::kReady) return;
    for (const auto& [listener, ports] : listeners) {
      reach->endpoint().watch(listener, POLLIN, [&, inside = ports.inside, at = listener] {
        take_caller(*reach, context, at, inside);
        return true;
      });
      say(context, options, ports);
    }
  });
  while (!is_asked && reach->endpoint().turn()) {
  }
  return is_asked ? kDone : reach->ended(context, kJobFailed);
}

}  // namespace

void add_port_forward(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<PortForwardOptions>();
  Parser* command =
      app.add_subcommand("port-forward", "reach ports of a running lease as ports of this machine");
  command->add_option("lease", options->lease, "the lease; `fallow leases --open` lists them")
      ->required();
  command->add_option("ports", options->ports, "PORT or PORT:LOCAL; LOCAL 0 is any free one")
      ->required()
      ->check([](const std::string& text) {
        Ports ports;
        if (read_ports(text, ports)) return std::string();
        return fmt::format("'{}' is not PORT or PORT:LOCAL with ports up to {}, as 8888:9000", text,
                           kPortMax);
      });
  command->add_option("--address", options->address, "of this machine, to listen on")
      ->capture_default_str();
  command->footer(
      "The workload's server must listen on its own 127.0.0.1; it needs no network for that.\n"
      "Examples:\n"
      "  fallow port-forward 17 8888                   # a notebook at http://127.0.0.1:8888\n"
      "  fallow port-forward 17 8888:9000 6006:0\n");
  command->callback([options, &context] {
    context.run = [options, &context] { return port_forward(context, *options); };
  });
}

}  // namespace fallow::cli
