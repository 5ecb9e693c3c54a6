// fallow port-forward: ports of a running lease as ports of this machine.
#include "cli/command.h"
#include "cli/local_ports.h"
#include "cli/reach.h"

namespace fallow::cli {
namespace {

struct PortForwardOptions {
  std::uint64_t lease = 0;
  std::vector<std::string> ports;
  std::string address = "127.0.0.1";
};

void say(const Context& context, const PortForwardOptions& options, const LocalPort& port) {
  if (context.json) {
    std::printf("{\"lease\":\"%llu\",\"port\":%u,\"address\":\"%s\",\"local_port\":%u}\n",
                static_cast<unsigned long long>(options.lease), port.inside,
                options.address.c_str(), port.here);
  } else {
    std::printf("%s:%u leads to port %u of lease %llu; end with Ctrl-C\n", options.address.c_str(),
                port.here, port.inside, static_cast<unsigned long long>(options.lease));
  }
  std::fflush(stdout);
}

int port_forward(const Context& context, const PortForwardOptions& options) {
  auto ports = LocalPorts::listen(options.ports, options.address);
  if (!ports) return report(context, ports.error());
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
    ports->join(*reach, context);
    for (const LocalPort& port : ports->ports()) say(context, options, port);
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
      ->check(ports_complaint);
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
