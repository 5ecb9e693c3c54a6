// A provider's node, from its folder up.
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

#include "agent/agent.h"
#include "agent/data_folder.h"
#include "agent/inventory.h"
#include "agent/join.h"
#include "agent/market_link.h"
#include "agent/market_store.h"
#include "agent/node_key.h"
#include "agent/tunnels.h"
#include "base/join_token.h"
#include "base/money.h"
#include "bin/agent_metrics.h"
#include "bin/egress_policy.h"
#include "bin/market_host.h"
#include "bin/owner_policy.h"
#include "bin/shutdown.h"
#include "bin/supervisor_program.h"
#include "cli/command.h"
#include "cli/energy_floor.h"
#include "runtime/core_dumps.h"
#include "runtime/image_store.h"
#include "runtime/sandbox_runtime.h"

namespace fallow::bin {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "node";
}

Result<std::string> absolute_folder(const std::string& path) {
  FALLOW_TRY(agent::check_takes_agent(path));
  std::error_code error;
  std::filesystem::create_directories(path, error);
  const auto absolute = error ? std::filesystem::path() : std::filesystem::absolute(path, error);
  if (error) {
    return fail(ErrorCode::kFailed, "cannot make the agent's folder {}: {}", path, error.message());
  }
  std::filesystem::permissions(absolute, std::filesystem::perms::owner_all, error);
  return absolute.lexically_normal().string();
}

Result<std::vector<agent::LocalDevice>> devices_of(const cli::AgentArguments& arguments) {
  agent::InventoryOptions options;
  options.declared = arguments.devices;
  std::vector<std::string> warnings;
  FALLOW_ASSIGN(auto devices, agent::find_devices(options, warnings));
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
  if (!arguments.cpu && arguments.devices.empty()) {
    std::erase_if(devices,
                  [](const agent::LocalDevice& device) { return device.facts.kind() == v1::CPU; });
  }
  if (devices.empty()) {
    return fail(ErrorCode::kNotFound,
                "no GPU was found here: install its driver (NVML or OpenCL), or list the processor "
                "with --cpu, or declare a device for tests with --device");
  }
  return devices;
}

// Renters' secrets are in the memory of the agent, and of supervisors, which inherit this: a core
// dump would write them down.
void forbid_core_dumps() {
  const rlimit none{runtime::kCoreBytesMax, runtime::kCoreBytesMax};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) spdlog::warn("core dumps cannot be switched off");
}

v1::Isolation sandbox_named(const std::string& name) {
  return name == "bubblewrap" ? v1::BUBBLEWRAP
         : name == "runc"     ? v1::RUNC
         : name == "gvisor"   ? v1::GVISOR
         : name == "microvm"  ? v1::MICROVM
                              : v1::ISOLATION_UNSPECIFIED;
}

v1::NodeFacts facts_of(const cli::AgentArguments& arguments, const std::string& data,
                       const std::vector<agent::LocalDevice>& devices,
                       const runtime::SandboxRuntime& sandboxes, bool images) {
  v1::NodeFacts facts = agent::machine_facts(arguments.name.empty() ? host_name() : arguments.name,
                                             arguments.region, data);
  facts.set_lan(arguments.lan);
  facts.set_rack(arguments.rack);
  if (arguments.cpu_thousandths > 0) facts.set_cpu_thousandths(arguments.cpu_thousandths);
  if (arguments.memory_mb > 0) facts.set_memory_mb(arguments.memory_mb);
  const bool has_files = std::any_of(devices.begin(), devices.end(),
                                     [](const auto& device) { return !device.files.empty(); });
  facts.set_isolation(runtime::strongest(sandboxes.levels(), has_files, sandboxes.offers_egress()));
  facts.set_images(images);
  facts.set_proves_beside_leases(true);
  facts.set_proves_in_leases(true);
  facts.set_network(sandboxes.offers_egress() ? v1::EGRESS : v1::NETWORK_NONE);
  for (const agent::LocalDevice& device : devices) *facts.add_devices() = device.facts;
  return facts;
}

// Null: orders with images are none for this node.
Result<std::unique_ptr<runtime::ImageStore>> images_of(const cli::AgentArguments& arguments,
                                                       const std::string& data) {
  if (arguments.images_gb_max == 0) return nullptr;
  runtime::ImageStoreOptions options;
  options.folder = data + "/images";
  options.bytes_max = arguments.images_gb_max * 1'000'000'000;
  options.registries = {arguments.registries.begin(), arguments.registries.end()};
  FALLOW_ASSIGN(auto store, runtime::ImageStore::open(std::move(options)));
  if (const std::string why = store->why_not(); !why.empty()) {
    spdlog::info("no images: {}; `fallow agent doctor` says more", why);
    store.reset();
  }
  return store;
}

// What is offered at a loss is not offered.
Status check_pays_electricity(const cli::AgentArguments& arguments) {
  if (arguments.kwh_price.empty() || arguments.price_per_hour.empty()) return {};
  if (arguments.device_watts == 0) {
    return fail(ErrorCode::kInvalid,
                "--kwh-price cannot be held against --price: say with --device-watts what one "
                "device takes at work");
  }
  FALLOW_ASSIGN(const Micros cost,
                cli::electricity_per_hour(arguments.kwh_price, arguments.device_watts));
  FALLOW_ASSIGN(const Micros price, parse_money(arguments.price_per_hour));
  if (price > cost) return {};
  return fail(ErrorCode::kInvalid,
              "--price {} does not pay for the electricity: {} W at {} a kWh are {} an hour; ask "
              "for more, and for the market's fee",
              format_money(price), arguments.device_watts, arguments.kwh_price, format_money(cost));
}

Result<agent::Membership> member(const cli::AgentArguments& arguments, const std::string& data,
                                 const SigningKey& key, const v1::NodeFacts& facts,
                                 Random& random) {
  FALLOW_ASSIGN(const auto known, agent::load_membership(data));
  if (known) return *known;
  if (arguments.join.empty()) {
    return fail(
        ErrorCode::kInvalid,
        "this folder belongs to no market yet: ask for a token (`fallow nodes token`) and start "
        "with --join TOKEN");
  }
  FALLOW_TRY(check_pays_electricity(arguments));
  FALLOW_ASSIGN(const JoinToken token, parse_join_token(arguments.join));
  FALLOW_ASSIGN(const auto membership,
                agent::join_market(token, key.public_key(), facts, arguments.price_per_hour,
                                   arguments.egress_price_per_gb, random));
  FALLOW_TRY(agent::save_membership(data, membership));
  return membership;
}

Result<agent::AgentEnd> run(const cli::AgentArguments& arguments, Random& random,
                            const Clock& clock, Shutdown& shutdown) {
  forbid_core_dumps();
  FALLOW_ASSIGN(const std::string data, absolute_folder(arguments.data));
  // Before anything else is made there: by its key the folder is known as an agent's.
  FALLOW_ASSIGN(const SigningKey key, agent::load_or_make_node_key(data, random));
  runtime::SandboxOptions options{.folder = data + "/workloads",
                                  .only = sandbox_named(arguments.sandbox)};
  FALLOW_ASSIGN(options.supervisor, write_supervisor(options.folder));
  options.tools.emulates_processors = arguments.emulate_processors;
  if (arguments.egress) {
    FALLOW_ASSIGN(options.egress, egress_policy(arguments));
  } else if (!arguments.resolvers.empty() || !arguments.egress_denied.empty() ||
             !arguments.egress_ports.empty()) {
    return fail(ErrorCode::kInvalid,
                "--resolver, --egress-deny and --egress-port say how: add --egress");
  }
  options.disk.bytes_per_s = std::uint64_t{arguments.disk_mb_per_s} * 1'000'000;
  options.disk.operations_per_s = arguments.disk_iops;
  FALLOW_ASSIGN(auto sandboxes, runtime::SandboxRuntime::open(std::move(options)));
  for (const runtime::Level& level : sandboxes->levels()) {
    if (level.works) {
      spdlog::info("{} sandboxes work", runtime::isolation_name(level.isolation));
    } else {
      spdlog::info("no {} sandboxes: {}; `fallow agent doctor` says more",
                   runtime::isolation_name(level.isolation), level.why);
    }
  }
  if (!sandboxes->disk_fault().empty()) {
    spdlog::warn("workloads read and write the disk as fast as they can: {}",
                 sandboxes->disk_fault());
  }
  FALLOW_ASSIGN(const auto images, images_of(arguments, data));
  if (sandboxes->offers_egress()) {
    spdlog::info("workloads that ask for it are let out to the internet");
  } else if (arguments.egress) {
    spdlog::warn("no workload is let out: {}; {}", sandboxes->egress_fault(),
                 runtime::egress_remedy(sandboxes->egress_fault()));
  }
  FALLOW_ASSIGN(const auto devices, devices_of(arguments));
  FALLOW_ASSIGN(const auto owner_watch,
                watch_owner(arguments, data, sandboxes->cgroup_parents(), clock));
  v1::NodeFacts facts = facts_of(arguments, data, devices, *sandboxes, images != nullptr);
  if (facts.isolation() == v1::ISOLATION_UNSPECIFIED) {
    return fail(
        ErrorCode::kInvalid,
        "the only sandbox that may be given here cannot be given devices (gVisor, microVM), or not "
        "be let out (microVM); leave out --sandbox, or --egress");
  }
  FALLOW_ASSIGN(const auto membership, member(arguments, data, key, facts, random));
  const client::Config market = agent::config_of(membership);
  FALLOW_ASSIGN(const auto link, agent::MarketLink::make(market));
  FALLOW_ASSIGN(const auto tunnels, agent::MarketTunnels::make(market));
  agent::MarketStore store(market, random);
  facts.clear_devices();
  FALLOW_ASSIGN(const auto node,
                agent::Agent::make({.data_folder = data,
                                    .node = membership.node,
                                    .key = key,
                                    .facts = facts,
                                    .devices = devices,
                                    .checkpoint_interval = seconds(arguments.checkpoint_seconds),
                                    .images = images.get(),
                                    .tunnels = tunnels.get(),
                                    .owner_watch = owner_watch.get()},
                                   *sandboxes, *link, store, random));
  spdlog::info("node {} of the market at {}, {} device{}", membership.node.value, membership.url,
               devices.size(), devices.size() == 1 ? "" : "s");
  std::unique_ptr<AgentMetrics> metrics;
  if (!arguments.metrics_port.empty()) {
    FALLOW_ASSIGN(metrics,
                  AgentMetrics::start(arguments.metrics_port, [&node] { return node->metrics(); }));
    spdlog::info("metrics are at http://127.0.0.1:{}/metrics", metrics->port());
  }
  // The signals end the wait below when the agent ends by itself, too.
  std::thread stopper([&] {
    shutdown.wait();
    node->stop();
  });
  const agent::AgentEnd end = node->run();
  shutdown.wake();
  stopper.join();
  return end;
}

}  // namespace

int MarketHost::run_agent(const cli::AgentArguments& arguments) {
  Shutdown shutdown;
  const auto end = run(arguments, *random_, *clock_, shutdown);
  if (!end) {
    std::fprintf(stderr, "fallow: %s\n", end.error().message.c_str());
    return end.error().code == ErrorCode::kUnreachable ? cli::kUnreachable
           : end.error().code == ErrorCode::kDenied    ? cli::kRefused
           // What stands there is wrong and stays so; its unit starts it no more.
           : end.error().code == ErrorCode::kInvalid ? cli::kUsage
                                                     // A full disk, a driver that is not loaded
                                                     // yet: to be tried again.
                                                     : cli::kJobFailed;
  }
  if (*end == agent::AgentEnd::kRemoved) {
    spdlog::info("the market removed this node; delete the folder, or join again with a new one");
  }
  return cli::kDone;
}

}  // namespace fallow::bin
