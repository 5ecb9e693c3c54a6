// fallow agent: a provider's node.
#include "cli/command.h"

namespace fallow::cli {
namespace {

int pause(const Context& context, Host& host, const std::string& data, bool paused) {
  if (const auto done = host.pause_agent(data, paused); !done) return report(context, done.error());
  std::printf("%s\n", paused ? "paused: running leases end, no new one comes"
                             : "resumed: the node may be leased again");
  return kDone;
}

}  // namespace

void add_agent(Parser& app, Context& context, Host& host) {
  auto arguments = std::make_shared<AgentArguments>();
  Parser* command = app.add_subcommand("agent", "offer this machine's devices; runs until SIGTERM");
  command->add_option("--data", arguments->data, "folder of the node's key and its workloads")
      ->required();
  command->add_option("--join", arguments->join,
                      "join token of `fallow nodes token`; first start only");
  command->add_option("--name", arguments->name, "of the node; default: the host's");
  command->add_option("--region", arguments->region, "as the market's operator names them");
  command->add_option("--lan", arguments->lan,
                      "the LAN or rack it stands in: gangs take your nodes of one together");
  command->add_option(
      "--price", arguments->price_per_hour,
      "offer each device at this, per hour; first start only, then `fallow nodes offer`");
  command->add_flag("--cpu", arguments->cpu,
                    "list the processor, too (OpenCL by PoCL), marked as such");
  command->add_option(
      "--device", arguments->devices,
      "declare a device for tests: model=RTX_4090,memory_gb=24[,kind=gpu][,count=2]");
  command->add_option("--cpu-thousandths", arguments->cpu_thousandths,
                      "processor share to lease out");
  command->add_option("--memory-mb", arguments->memory_mb, "main memory to lease out");
  command->footer(
      "Examples:\n  fallow agent --data ~/.local/share/fallow --join fj1.... --price 0.35\n"
      "  fallow agent pause --data ~/.local/share/fallow");
  command->callback([=, &context, &host] {
    if (!context.run) context.run = [=, &host] { return host.run_agent(*arguments); };
  });
  for (const bool paused : {true, false}) {
    Parser* sub = paused
                      ? command->add_subcommand("pause", "take no more leases; I want my machine")
                      : command->add_subcommand("resume", "the machine may be leased again");
    sub->fallthrough();
    sub->callback([=, &context, &host] {
      context.run = [=, &context, &host] { return pause(context, host, arguments->data, paused); };
    });
  }
}

}  // namespace fallow::cli
