#include "cli/sim_place.h"

#include <fmt/core.h>

#include <memory>
#include <string>

#include "base/digest.h"
#include "cli/command.h"
#include "cli/sim_chart.h"
#include "sim/place_report.h"

namespace fallow::cli {
namespace {

struct PlaceArguments {
  sim::PlaceOptions options;
  std::string policy = "fallow";
  std::string seeds = "42..51";
  std::string plot;
};

std::string two_places(double value) { return fmt::format("{:.2f}", value); }

void print_place(const sim::PlaceReport& report) {
  fmt::print("place: {}, {} nodes, {} devices, {} pods of {} classes in the list, {} runs\n",
             sim::name_of(report.policy), report.nodes, report.devices, report.pods, report.classes,
             report.runs.size());
  Table loads({">arrived %", ">allocation %", ">fragmented %", ">fragmented/idle %",
               ">pods accepted %", ">CPU-only accepted %"});
  for (std::size_t i = 0; i < sim::kLoads; ++i) {
    const sim::LoadFigures& mean = report.mean[i];
    loads.add({std::to_string((i + 1) * sim::kLoadStep), two_places(mean.allocation_pct),
               two_places(mean.fragmented_pct), two_places(mean.fragmented_idle_pct),
               two_places(mean.accepted_pct), two_places(mean.cpu_only_pct)});
  }
  loads.print("");
  Table runs({">seed", ">at 100 %", ">at 130 %", ">decisions", "digest"});
  for (const sim::PlaceRun& run : report.runs) {
    runs.add({std::to_string(run.seed), two_places(run.loads[9].allocation_pct),
              two_places(run.loads[12].allocation_pct), std::to_string(run.decisions),
              to_hex(run.digest)});
  }
  runs.print("");
  fmt::print("decisions/s  {:.0f} (of one thread's processor)\ndigest  {}\n",
             report.decisions_per_second, to_hex(report.digest));
}

int place(const Context& context, PlaceArguments arguments) {
  if (const Status seeds = sim::parse_seeds(arguments.seeds, arguments.options); !seeds) {
    return report(context, seeds.error());
  }
  arguments.options.policy = *sim::policy_named(arguments.policy);
  const auto result = sim::run_place(arguments.options);
  if (!result) return report(context, result.error());
  if (context.json) {
    fmt::print("{}\n", sim::to_json(*result));
  } else {
    print_place(*result);
  }
  return draw_chart(context, sim::allocation_chart(*result), arguments.plot,
                    fmt::format("place_{}", arguments.policy));
}

}  // namespace

void add_sim_place(Parser& group, Context& context) {
  auto arguments = std::make_shared<PlaceArguments>();
  Parser* command = group.add_subcommand(
      "place",
      "fills a fleet of GPU nodes with a trace's pods, as \"Beware of Fragmentation\" (USENIX "
      "ATC'23) does, and tells how much of the devices each policy puts to use");
  command->add_option("--nodes", arguments->options.nodes, "OpenB node list, .csv or .csv.gz")
      ->required();
  command->add_option("--pods", arguments->options.pods, "OpenB pod list, .csv or .csv.gz")
      ->required();
  std::vector<std::string> names;
  for (const sim::PolicyKind kind : sim::kPolicyKinds) names.emplace_back(sim::name_of(kind));
  command->add_option("--policy", arguments->policy, "who chooses the node and the device")
      ->check(one_of(names))
      ->capture_default_str();
  command->add_option("--seeds", arguments->seeds, "one run each; the published ones are 42..51")
      ->capture_default_str();
  command->add_option("--threads", arguments->options.threads, "runs side by side")
      ->check(range(1U, sim::kPlaceThreadsMax))
      ->capture_default_str();
  command->add_option("--plot", arguments->plot, "folder for an SVG chart; needs gnuplot");
  command->footer(
      "Example:\n  fallow sim place --nodes openb_node_list_gpu_node.csv "
      "--pods openb_pod_list_default.csv.gz --policy fgd --seeds 42..51");
  command->callback(
      [=, &context] { context.run = [=, &context] { return place(context, *arguments); }; });
}

}  // namespace fallow::cli
