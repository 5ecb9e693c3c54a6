#include "cli/sim_scale.h"

#include <fmt/core.h>

#include <memory>

#include "base/digest.h"
#include "cli/command.h"
#include "sim/scale.h"

namespace fallow::cli {
namespace {

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void print_scale(const sim::ScaleReport& r) {
  const auto commands = static_cast<double>(r.commands);
  fmt::print("scale: {} nodes, {} devices, {} simulated seconds\n", r.options.nodes, r.devices,
             r.options.seconds);
  fmt::print("  filled    {} commands in {:.1f} s, {:.0f}/s\n", r.setup_commands, r.setup_seconds,
             static_cast<double>(r.setup_commands) / r.setup_seconds);
  fmt::print("  ran       {} commands: {} reports, {} orders, {} nodes came or went, {} ticks\n",
             r.commands, r.observed, r.submitted, r.links, r.ticks);
  fmt::print("            {:.0f} a simulated second; {} heartbeats, the idle ones not logged\n",
             commands / r.options.seconds, r.heartbeats);
  fmt::print("  leases    {} open, {} ended, {} orders wait\n", r.leases_open, r.leases_ended,
             r.orders_waiting);
  fmt::print(
      "  speed     {:.0f} commands/s of one processor ({:.1f} s, and {:.1f} s for making "
      "reports); {:.1f} s by the clock\n",
      commands / (r.run_seconds - r.making_seconds), r.run_seconds - r.making_seconds,
      r.making_seconds, r.wall_seconds);
  fmt::print(
      "  memory    {:.0f} MiB for the filled market, {:.0f} bytes a node; {:.0f} MiB at "
      "the peak; log {:.0f} MiB, not kept\n",
      mib(r.bytes_setup), static_cast<double>(r.bytes_setup) / static_cast<double>(r.options.nodes),
      mib(r.bytes_peak), mib(r.log_bytes));
  fmt::print("  digest    {} ({:.1f} s)\n", to_hex(r.digest), r.digest_seconds);
}

int scale(const Context& context, const sim::ScaleOptions& options) {
  const auto result = sim::run_scale(options);
  if (!result) return report(context, result.error());
  if (context.json) {
    fmt::print("{}\n", sim::to_json(*result));
  } else {
    print_scale(*result);
  }
  return kDone;
}

}  // namespace

void add_sim_scale(Parser& group, Context& context) {
  auto options = std::make_shared<sim::ScaleOptions>();
  Parser* command = group.add_subcommand(
      "scale",
      "many nodes with leases, meters and churn through the engine that ships, on one thread: "
      "commands, speed, memory, digest");
  command->add_option("--nodes", options->nodes, "simulated provider machines")
      ->check(range(1U, sim::kScaleNodesMax))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "simulated time, once the market is filled")
      ->check(range(1U, sim::kScaleSecondsMax))
      ->capture_default_str();
  command->add_option("--use", options->use_pct, "percent of the devices that are asked for")
      ->check(range(0U, 100U))
      ->capture_default_str();
  command
      ->add_option("--scarce", options->scarce_pct,
                   "percent of the orders that want one model in eight, so that many wait")
      ->check(range(0U, 100U))
      ->capture_default_str();
  command->add_option("--job-hours", options->job_hours, "mean running time of a task")
      ->check(range(0.001, 24.0))
      ->capture_default_str();
  command->add_option("--up-hours", options->up_hours, "mean time that a node is connected")
      ->check(range(0.001, 1e6))
      ->capture_default_str();
  command->add_option("--down-hours", options->down_hours, "mean time that it is gone")
      ->check(range(0.001, 1e6))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "the same seed gives the same digest")
      ->capture_default_str();
  command->footer("Example:\n  fallow sim scale --nodes 100000 --seconds 60");
  command->callback(
      [=, &context] { context.run = [=, &context] { return scale(context, *options); }; });
}

}  // namespace fallow::cli
