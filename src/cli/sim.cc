// fallow sim: the whole market within one process, on one thread, from one seed; and laboratories.
#include <fmt/core.h>

#include <memory>
#include <string>

#include "base/digest.h"
#include "cli/command.h"
#include "cli/sim_forecast.h"
#include "cli/sim_market.h"
#include "cli/sim_place.h"
#include "cli/sim_proof.h"
#include "cli/sim_scale.h"
#include "cli/sim_spot.h"
#include "sim/chaos.h"

namespace fallow::cli {
namespace {

struct ChaosArguments {
  std::uint64_t seed = 1;
  std::uint32_t nodes = 5;
  double hours = 1.0;
};

// A failure's sentence within a JSON string.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

void print_chaos_json(const sim::ChaosOptions& options, const sim::ChaosReport& report) {
  std::string endings;
  for (const auto& [reason, count] : report.endings) {
    endings += fmt::format("{}\"{}\":{}", endings.empty() ? "" : ",",
                           lower(v1::EndReason_Name(reason)), count);
  }
  std::string marks;
  for (std::size_t i = 0; i < sim::kMarkCount; ++i) {
    const auto mark = static_cast<sim::Mark>(i);
    marks +=
        fmt::format("{}\"{}\":{}", i == 0 ? "" : ",", sim::name_of(mark), report.marks.count(mark));
  }
  fmt::print(
      "{{\"ok\":{},\"failure\":{},\"digest\":\"{}\",\"seed\":{},\"nodes\":{},"
      "\"simulated_us\":{},\"steps\":{},\"commands\":{},\"messages\":{},\"requests\":{},"
      "\"orders\":{},\"leases\":{},\"meters\":{},\"endings\":{{{}}},\"marks\":{{{}}},"
      "\"replay\":\"{}\"}}\n",
      report.failure.empty(), quoted(report.failure), to_hex(report.digest), options.seed,
      options.nodes, report.simulated.value, report.steps, report.commands, report.messages,
      report.requests, report.orders, report.leases, report.meters, endings, marks,
      sim::replay_command(options));
}

void print_chaos(const sim::ChaosReport& report) {
  fmt::print("chaos: {} simulated, {} commands in the log, {} messages, {} requests\n",
             span_text(static_cast<double>(report.simulated.value) / 1e6), report.commands,
             report.messages, report.requests);
  fmt::print("  orders   {} accepted, all ended\n  leases   {}, {} meter records\n", report.orders,
             report.leases, report.meters);
  for (const auto& [reason, count] : report.endings) {
    fmt::print("           {:>6} {}\n", count, lower(v1::EndReason_Name(reason)));
  }
  fmt::print("  reached\n");
  std::string missed;
  for (std::size_t i = 0; i < sim::kMarkCount; ++i) {
    const auto mark = static_cast<sim::Mark>(i);
    if (report.marks.count(mark) > 0) {
      fmt::print("           {:>6} {}\n", report.marks.count(mark), sim::name_of(mark));
    } else {
      missed += fmt::format("{}{}", missed.empty() ? "" : ", ", sim::name_of(mark));
    }
  }
  if (!missed.empty()) fmt::print("  not reached by this seed: {}\n", missed);
  fmt::print("  digest   {}\n", to_hex(report.digest));
}

int chaos(const Context& context, const ChaosArguments& arguments) {
  sim::ChaosOptions options;
  options.seed = arguments.seed;
  options.nodes = arguments.nodes;
  options.chaos = Duration(static_cast<std::int64_t>(arguments.hours * 3'600e6));
  const sim::ChaosReport report = sim::run_chaos(options);
  if (context.json) {
    print_chaos_json(options, report);
  } else if (report.failure.empty()) {
    print_chaos(report);
  }
  if (report.failure.empty()) return kDone;
  if (!context.json) {
    fmt::print(stderr, "fallow: the simulated market broke a rule {}\n  again with: {}\n",
               report.failure, sim::replay_command(options));
  }
  return kJobFailed;
}

}  // namespace

void add_sim(Parser& app, Context& context, Host&) {
  Parser* group = app.add_subcommand("sim", "run the whole market in a simulated world");
  group->require_subcommand(1);
  add_sim_place(*group, context);
  add_sim_spot(*group, context);
  add_sim_forecast(*group, context);
  add_sim_scale(*group, context);
  add_sim_market(*group, context);
  add_sim_proof(*group, context);
  auto arguments = std::make_shared<ChaosArguments>();
  Parser* command = group->add_subcommand(
      "chaos",
      "crashes, lost messages, torn writes, owners and renters, from one seed: every rule is "
      "checked after every step, and at the end everything must settle");
  command->add_option("--seed", arguments->seed, "the same seed gives the same digest")
      ->capture_default_str();
  command->add_option("--nodes", arguments->nodes, "simulated provider machines")
      ->check(range(1U, sim::kNodesMax))
      ->capture_default_str();
  command
      ->add_option("--hours", arguments->hours, "simulated time with faults; settling comes on top")
      ->check(range(0.01, static_cast<double>(sim::kChaosMax.value) / 3'600e6))
      ->capture_default_str();
  command->footer("Example:\n  fallow sim chaos --seed 17 --nodes 5 --hours 3");
  command->callback(
      [=, &context] { context.run = [=, &context] { return chaos(context, *arguments); }; });
}

}  // namespace fallow::cli
