#include "cli/sim_proof.h"

#include <fmt/core.h>

#include <memory>
#include <string>

#include "base/digest.h"
#include "cli/command.h"
#include "sim/proof_lab.h"

namespace fallow::cli {
namespace {

void print_lab(const sim::ProofLabReport& report) {
  const auto ms = [](Duration span) { return static_cast<double>(span.value) / 1e3; };
  fmt::print(
      "proof: limits from {} honest proofs: product {:.1f} ms, fill {:.1f} ms, reads {:.1f} ms\n",
      report.options.calibration, ms(report.product_max), ms(report.fill_max),
      ms(report.leaves_max));
  Table table({"kind", "what", ">runs", ">flagged %", ">slow", ">wrong", ">missed", ">expected %"});
  for (const sim::ProofLabRow& row : report.rows) {
    table.add({row.kind, row.what, std::to_string(row.runs),
               fmt::format("{:.1f}", 100.0 * row.flagged / row.runs),
               std::to_string(row.outcomes[v1::PROOF_SLOW]),
               std::to_string(row.outcomes[v1::PROOF_WRONG]),
               std::to_string(row.outcomes[v1::PROOF_MISSED]),
               row.expected < 0 ? "" : fmt::format("{:.1f}", 100 * row.expected)});
  }
  table.print("");
  fmt::print("digest  {}\n", to_hex(report.digest));
}

}  // namespace

void add_sim_proof(Parser& group, Context& context) {
  auto options = std::make_shared<sim::ProofLabOptions>();
  Parser* command = group.add_subcommand(
      "proof",
      "proofs of simulated devices, honest and not: how often each kind of liar is found out, and "
      "how often an honest device is called one");
  command->add_option("--seed", options->seed, "the same seed gives the same digest")
      ->capture_default_str();
  command->add_option("--runs", options->runs, "of every kind")
      ->check(range(1U, 1'000'000U))
      ->capture_default_str();
  command->add_option("--calibration", options->calibration, "honest proofs that set the limits")
      ->check(range(10U, 1'000'000U))
      ->capture_default_str();
  command->footer(
      "Devices really compute, on a small size: 1000 runs take two minutes of one core.\n"
      "Example:\n  fallow sim proof --runs 200");
  command->callback([=, &context] {
    context.run = [=, &context] {
      const sim::ProofLabReport report = sim::run_proof_lab(*options);
      if (context.json) {
        fmt::print("{}\n", sim::to_json(report));
      } else {
        print_lab(report);
      }
      return static_cast<int>(kDone);
    };
  });
}

}  // namespace fallow::cli
