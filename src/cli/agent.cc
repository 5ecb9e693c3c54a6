// fallow agent: a provider's node.
#include <algorithm>

#include "base/json_text.h"
#include "cli/agent_owner.h"
#include "cli/agent_service.h"
#include "cli/command.h"
#include "cli/requirement_options.h"

namespace fallow::cli {
namespace {

int tell(const Context& context, Host& host, const std::string& data, v1::OwnerState owner) {
  if (const auto done = host.tell_agent(data, owner); !done) return report(context, done.error());
  const char* const said = owner == v1::OWNER_AWAY ? "resumed: the node may be leased again"
                           : owner == v1::OWNER_PRESENT
                               ? "paused: what runs is ended, no new lease comes"
                               : "paused: no new lease comes, what runs goes on to its end; --now "
                                 "ends it";
  if (context.json) {
    JsonText json;
    json.open_object().key("owner").value(v1::OwnerState_Name(owner)).close_object();
    print_json(json);
  } else {
    std::puts(said);
  }
  return kDone;
}

const std::vector<std::string> kSandboxes{"bubblewrap", "runc", "gvisor", "microvm"};

void print_line(const DoctorLine& line) {
  JsonText json;
  json.open_object().key("what").value(line.what).key("works").value(line.works);
  json.key("detail").value(line.detail).key("remedy").value(line.remedy).close_object();
  print_json(json);
}

int doctor(const Context& context, Host& host, AgentArguments arguments) {
  arguments.data = agent_data_folder(arguments);
  const auto lines = host.examine_machine(arguments);
  if (!lines) return report(context, lines.error());
  Table table({"CHECK", "STATE", "DETAIL"});
  bool has_sandbox = false;
  std::string remedies;
  for (const DoctorLine& line : *lines) {
    has_sandbox = has_sandbox || (line.works && std::count(kSandboxes.begin(), kSandboxes.end(),
                                                           lower(line.what)) > 0);
    table.add({line.what, line.works ? "ok" : "missing", line.detail});
    if (!line.works) remedies += "  " + line.what + ": " + line.remedy + "\n";
    if (context.json) print_line(line);
  }
  if (!context.json) {
    table.print("");
    if (!remedies.empty()) std::printf("\nTo get what is missing:\n%s", remedies.c_str());
  }
  return has_sandbox ? kDone : kJobFailed;
}

}  // namespace

void add_agent(Parser& app, Context& context, Host& host) {
  auto arguments = std::make_shared<AgentArguments>();
  Parser* command = app.add_subcommand("agent", "offer this machine's devices; runs until SIGTERM");
  command->add_option("--data", arguments->data, "folder of the node's key and its workloads");
  command->add_option("--join", arguments->join,
                      "join token of `fallow nodes token`; first start only");
  command->add_option("--name", arguments->name, "of the node; default: the host's");
  command->add_option("--region", arguments->region, "as the market's operator names them");
  command->add_option("--lan", arguments->lan,
                      "the LAN it stands in: gangs take your nodes of one together");
  command->add_option("--rack", arguments->rack,
                      "the rack of that LAN: gangs take your nodes of one rack before others");
  command->add_option(
      "--price", arguments->price_per_hour,
      "offer each device at this, per hour; first start only, then `fallow nodes offer`");
  command->add_option("--kwh-price", arguments->kwh_price,
                      "what a kWh costs you, in the market's currency: a --price that does not pay "
                      "for the electricity is refused, and `fallow agent status` tells costs");
  command
      ->add_option("--device-watts", arguments->device_watts,
                   "with --kwh-price: what one device takes at work, beyond the idle machine")
      ->check(range(1U, 100'000U));
  command->add_flag("--cpu", arguments->cpu,
                    "list the processor, too (OpenCL by PoCL), marked as such");
  command->add_option(
      "--device", arguments->devices,
      "declare a device for tests: model=RTX_4090,memory_gb=24[,kind=gpu][,count=2]");
  command->add_option("--cpu-thousandths", arguments->cpu_thousandths,
                      "of processor cores to lease out, 1000 a core; default: all of them");
  command->add_option("--memory-mb", arguments->memory_mb,
                      "main memory to lease out, in MB; default: all of it");
  command->add_flag("--egress", arguments->egress,
                    "let workloads that ask for it out to the internet, but to nothing of yours "
                    "(docs/provider.md); they use your address");
  command->add_option("--resolver", arguments->resolvers,
                      "with --egress: the resolver of names that workloads may ask, up to three; "
                      "default: this machine's own, if it is public");
  command->add_option("--egress-deny", arguments->egress_denied,
                      "with --egress: a range that is closed to them, too, e.g. 198.51.100.0/24");
  command->add_option("--egress-port", arguments->egress_ports,
                      "with --egress: a port that they may reach, and none that is not named so, "
                      "e.g. 80 and 443; default: all but mail's");
  command
      ->add_option("--egress-price", arguments->egress_price_per_gb,
                   "with --egress and --price: what a GB costs that they send, e.g. 0.02; first "
                   "start only, then `fallow nodes offer`")
      ->check(amount_complaint);
  command
      ->add_option("--egress-mbps", arguments->egress_mbps,
                   "with --egress: the most of one workload, each way")
      ->capture_default_str()
      ->check(range(1U, 100'000U));
  command
      ->add_option("--egress-connections", arguments->egress_connections,
                   "with --egress: the most of one workload at a time")
      ->capture_default_str()
      ->check(range(1U, 100'000U));
  command
      ->add_option("--disk-mb-per-s", arguments->disk_mb_per_s,
                   "MB a second that one workload may read, and write, of the disk of --data; "
                   "default: no limit (docs/provider.md)")
      ->check(range(1U, 1'000'000U));
  command
      ->add_option("--disk-iops", arguments->disk_iops,
                   "reads a second, and writes, that one workload may make of that disk; default: "
                   "no limit")
      ->check(range(1U, 100'000'000U));
  command
      ->add_option("--sandbox", arguments->sandbox,
                   "give no other kind; default: runc where it works, gvisor and microvm to those "
                   "who ask")
      ->check(one_of(kSandboxes));
  command->add_flag("--emulate-processors", arguments->emulate_processors,
                    "give microvm also without KVM, by an emulated processor: many times "
                    "slower, for tests");
  command
      ->add_option("--images-gb", arguments->images_gb_max,
                   "disk for images and their layers; 0: run no images")
      ->capture_default_str();
  command
      ->add_option("--checkpoint-every", arguments->checkpoint_seconds,
                   "seconds between two savings of a workload's checkpoint")
      ->capture_default_str()
      ->check(range(1U, 86'400U));
  command->add_option("--registry", arguments->registries,
                      "HOST[:PORT] of a registry that orders may use though it is on a private "
                      "network, or speaks plain HTTP; may be repeated");
  command->add_option("--owner-policy", arguments->owner_policy,
                      "file that says what counts as you being at the machine (`fallow agent "
                      "owner-policy` prints one); default: owner-policy.toml of --data, if it is "
                      "there");
  command->add_option("--metrics-port", arguments->metrics_port,
                      "let a Prometheus on this machine read what devices and leases do: the port "
                      "of 127.0.0.1; 0: any free one; default: none");
  command->footer(
      "Examples:\n  fallow agent --data ~/.local/share/fallow --join fj1.... --price 0.35\n"
      "  sudo fallow agent install --join fj1.... --price 0.35\n"
      "  sudo fallow agent pause --now\n"
      "  fallow agent doctor --resolver 9.9.9.9");
  command->callback([=, &context, &host] {
    if (context.run) return;
    if (arguments->data.empty()) refuse_missing("--data");
    context.run = [=, &host] { return host.run_agent(*arguments); };
  });
  Parser* examine = command->add_subcommand(
      "doctor", "which sandboxes work here, and what is missing for others");
  examine->fallthrough();
  examine->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return doctor(context, host, *arguments); };
  });
  add_agent_owner(*command, context, host, arguments);
  auto now = std::make_shared<bool>(false);
  add_agent_install(*command, arguments, context, host);
  add_agent_status(*command, arguments, context, host);
  add_agent_earnings(*command, arguments, context, host);
  for (const bool paused : {true, false}) {
    Parser* sub = paused
                      ? command->add_subcommand("pause", "take no more leases; I want my machine")
                      : command->add_subcommand("resume", "the machine may be leased again");
    sub->fallthrough();
    if (paused) sub->add_flag("--now", *now, "and end those that run");
    sub->callback([=, &context, &host] {
      const v1::OwnerState owner = !paused ? v1::OWNER_AWAY
                                   : *now  ? v1::OWNER_PRESENT
                                           : v1::OWNER_PAUSED;
      context.run = [=, &context, &host] {
        return tell(context, host, agent_data_folder(*arguments), owner);
      };
    });
  }
}

}  // namespace fallow::cli
