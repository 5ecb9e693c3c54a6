// match_bench: what the book costs. Questions at --offers, beside a plain scan that asks every node
// the same with the same rule; the rates, tails and adversaries of match_parts.h at --sizes. Times
// are of this thread alone, but for tails.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/env.h"
#include "bench_report.h"
#include "core/book.h"
#include "core/placement.h"
#include "match_market.h"
#include "match_parts.h"

namespace fallow::bench {
namespace {

struct Model {
  const char* name;
  std::uint32_t memory_mb;
  std::uint32_t common;             // share of the market in per cent
  std::uint32_t device_hour_milli;  // about what it rents for
};
constexpr std::array<Model, 8> kModels = {{{"RTX_3060", 12'288, 15, 70},
                                           {"RTX_3080", 10'240, 15, 100},
                                           {"RTX_3090", 24'576, 20, 180},
                                           {"RTX_4090", 24'564, 25, 350},
                                           {"RTX_A6000", 49'140, 8, 450},
                                           {"L40S", 46'068, 7, 800},
                                           {"A100_SXM4", 81'920, 6, 1'100},
                                           {"H100_SXM", 81'559, 4, 2'200}}};

// A market of `count` nodes; `busy_percent` of them are leased out.
std::deque<core::Node> market(std::uint64_t count, std::uint64_t busy_percent) {
  const std::unique_ptr<Random> random = seeded_random(1);
  std::deque<core::Node> nodes;
  for (std::uint64_t i = 1; i <= count; ++i) {
    core::Node& node = nodes.emplace_back();
    node.id = NodeId(i * 4'096);
    node.provider = AccountId(1 + random->below(1'000));
    constexpr std::array kRegions = {"eu", "us", "us-west", "ap"};
    node.facts.set_region(kRegions[random->below(kRegions.size())]);
    node.facts.set_cpu_thousandths(static_cast<std::uint32_t>(8 + random->below(57)) * 1'000);
    node.facts.set_memory_mb(static_cast<std::uint32_t>(16 + random->below(497)) * 1'000);
    node.facts.set_disk_mb(static_cast<std::uint32_t>(100 + random->below(3'901)) * 1'000);
    node.facts.set_download_mbps(static_cast<std::uint32_t>(50 + random->below(9'951)));
    node.facts.set_isolation(v1::BUBBLEWRAP);
    node.cpu_thousandths_free = node.facts.cpu_thousandths();
    node.memory_mb_free = node.facts.memory_mb();
    node.disk_mb_free = node.facts.disk_mb();
    node.connected = true;
    node.leases_kept = static_cast<std::uint32_t>(random->below(300));
    node.leases_broken = static_cast<std::uint32_t>(random->below(8));
    std::uint64_t draw = random->below(100);
    const Model* model = kModels.data();
    while (draw >= model->common) draw -= (model++)->common;
    const bool busy = random->below(100) < busy_percent;
    const std::uint64_t devices = std::uint64_t{1} << random->below(4);
    for (std::uint64_t d = 0; d < devices; ++d) {
      core::NodeDevice& device = node.devices.emplace_back();
      device.facts.set_index(static_cast<std::uint32_t>(d));
      device.facts.set_model(model->name);
      device.facts.set_kind(v1::GPU);
      device.facts.set_memory_mb(model->memory_mb);
      if (busy) device.free_thousandths = 0;
    }
    node.offer.id = OfferId(i);
    const std::uint64_t price = model->device_hour_milli * (700 + random->below(900));
    node.offer.device_hour = Micros(static_cast<std::int64_t>(price));
  }
  return nodes;
}

// The plain scan: every node is asked, the best is kept.
const core::Node* ask_all(const std::deque<core::Node>& nodes, const core::Demand& demand) {
  const core::Matcher matcher(demand);
  const core::Node* best = nullptr;
  core::Rank best_rank;
  for (const core::Node& node : nodes) {
    const auto candidate = matcher.fit(node, core::Supply::kFree);
    if (!candidate) continue;
    const core::Rank rank = matcher.rank(node, *candidate);
    if (best != nullptr && !(rank < best_rank)) continue;
    best = &node;
    best_rank = rank;
  }
  return best;
}

struct Question {
  const char* name;
  const char* query;
  v1::Objective objective;
};
constexpr std::array<Question, 5> kQuestions = {{
    {"by model", "gpu_name=RTX_4090 gpu_ram>=24 reliability>0.95 region in [eu,us]", v1::CHEAPEST},
    {"any model", "gpu_ram>=24 num_gpus>=2 reliability>0.95 region in [eu,us]", v1::CHEAPEST},
    {"fastest", "gpu_ram>=24 price<=0.5 reliability>0.95 region=eu", v1::FASTEST},
    {"cost to complete", "gpu_ram>=24 num_gpus>=2 reliability>0.95 region=eu",
     v1::COST_TO_COMPLETE},
    {"no match", "gpu_ram>=24 price<=0.5 reliability>0.95 region=nowhere", v1::CHEAPEST},
}};

void measure(const std::string& label, const std::deque<core::Node>& nodes, core::Book& book,
             double seconds, Report& report) {
  for (const Question& question : kQuestions) {
    const core::Demand demand = demand_of(question.query, question.objective);
    const core::Node* found = nullptr;
    const double match_us = microseconds_of(seconds, [&] {
      const auto placement = book.match(demand);
      found = placement ? placement->node : nullptr;
    });
    const core::Node* expected = nullptr;
    const double scan_us = microseconds_of(seconds, [&] { expected = ask_all(nodes, demand); });
    FALLOW_CHECK(found == expected, "the book and the scan disagree on \"{}\"", question.query);
    report.add(label + ", match " + question.name, match_us, "us",
               fmt::format("plain scan {:.0f} us, {:.0f} times", scan_us, scan_us / match_us));
  }
  const core::Demand impossible = demand_of(kQuestions.back().query, v1::CHEAPEST);
  report.add(label + ", relaxations of no match",
             microseconds_of(seconds, [&] { (void)book.relaxations(impossible); }), "us");
  core::Demand gang = impossible;
  gang.requirements.set_nodes(8);
  report.add(label + ", relaxations of no match for a gang of 8",
             microseconds_of(seconds, [&] { (void)book.relaxations(gang); }), "us");
}

}  // namespace

void measure_questions(std::uint64_t offers, double seconds, Report& report) {
  for (const std::uint64_t busy_percent : {std::uint64_t{0}, std::uint64_t{95}}) {
    std::deque<core::Node> nodes = market(offers, busy_percent);
    const std::unique_ptr<core::Book> book = core::make_book();
    const double began = cpu_us();
    for (const core::Node& node : nodes) book->update(node);
    const double fill_us = cpu_us() - began;
    const std::string label = fmt::format("{} offers, {} % leased", offers, busy_percent);
    report.add(label + ", entering one", fill_us / static_cast<double>(offers), "us");
    measure(label, nodes, *book, seconds, report);

    std::size_t at = 0;
    report.add(label + ", price change",
               microseconds_of(seconds,
                               [&] {
                                 core::Node& node = nodes[at = (at + 7'919) % nodes.size()];
                                 node.offer.device_hour += Micros(1);
                                 book->update(node);
                               }),
               "us");
    core::ListOptions page;
    const core::Demand demand = demand_of("gpu_ram>=24 reliability>0.95", v1::CHEAPEST);
    report.add(label + ", first page of 100",
               microseconds_of(seconds, [&] { (void)book->list(demand, page); }), "us");
    core::QueryError error;
    page.order = *core::parse_order("reliability-,price", error);
    report.add(label + ", page of 100 by reliability",
               microseconds_of(seconds, [&] { (void)book->list(demand, page); }), "us");
  }
}

}  // namespace fallow::bench

int main(int argc, char** argv) {
  CLI::App app("What the book costs, beside a plain scan");
  std::uint64_t offers = 100'000;
  std::vector<std::uint64_t> sizes{100'000, 1'000'000};
  std::vector<std::string> parts{"questions", "rates", "score", "tails", "adversaries", "gangs"};
  double seconds = 0.3;
  bool json = false;
  const auto size = CLI::Range(1, 10'000'000);
  app.add_option("--offers", offers, "Nodes in the book, of the questions")->check(size);
  app.add_option("--sizes", sizes, "Nodes in the book, of the other parts")->check(size);
  app.add_option("--parts", parts, "What to measure")
      ->check(CLI::IsMember({"questions", "rates", "score", "tails", "adversaries", "gangs"}));
  app.add_option("--seconds", seconds,
                 "Time for each figure; rates and tails take five times that");
  app.add_flag("--json", json, "One JSON object");
  CLI11_PARSE(app, argc, argv);
  fallow::bench::Report report;
  const auto wanted = [&](const char* part) {
    return std::find(parts.begin(), parts.end(), part) != parts.end();
  };
  if (wanted("questions")) fallow::bench::measure_questions(offers, seconds, report);
  for (const std::uint64_t count : sizes) {
    if (wanted("rates")) fallow::bench::measure_rates(count, 5 * seconds, report);
    if (wanted("score")) fallow::bench::measure_scores(count, 5 * seconds, report);
    if (wanted("tails")) fallow::bench::measure_tails(count, 5 * seconds, report);
    if (wanted("gangs")) fallow::bench::measure_gangs(count, seconds, report);
    if (wanted("adversaries")) fallow::bench::measure_adversaries(count, seconds, report);
  }
  report.print(json);
  return 0;
}
