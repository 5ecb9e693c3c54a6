#include "sim/naive_matcher.h"

#include <fmt/core.h>

#include <array>
#include <optional>
#include <vector>

#include "core/naive_book.h"
#include "core/requirements.h"

namespace fallow::sim {
namespace {

std::string told(const std::optional<core::Placement>& placement) {
  if (!placement) return "nothing";
  std::string text =
      fmt::format("node {} at {} on", placement->node->id.value, placement->rate_hour.value);
  for (const std::uint32_t device : placement->devices) text += fmt::format(" {}", device);
  return text;
}

std::string told(const std::vector<core::Placement>& gang) {
  std::string text;
  for (const core::Placement& placement : gang) text += " " + told(std::optional(placement));
  return text;
}

}  // namespace

v1::Requirements random_requirements(Random& random) {
  constexpr std::array kQueries = {
      "",
      "",
      "",
      "gpu_ram>=24",
      "gpu_name=RTX_4090",
      "gpu_name in [RTX_3090,RTX_4090] reliability>0.1",
      "region in [eu,us]",
      "region!=eu gpu_ram<40",
      "num_gpus>=2",
      "price<0.5",
  };
  v1::Requirements wanted;
  wanted.set_query(kQueries[random.below(kQueries.size())]);
  wanted.set_gpus(random.below(6) == 0 ? 2 : 1);
  constexpr std::array kShares = {1'000U, 1'000U, 500U, 250U};
  wanted.set_device_thousandths(kShares[random.below(kShares.size())]);
  wanted.set_duration_us(static_cast<std::int64_t>(30'000'000 + random.below(600'000'000)));
  if (random.below(4) == 0) {
    constexpr std::array kTerms = {minutes(30), hours(1), hours(1), hours(2), hours(3)};
    wanted.set_tier(v1::RESERVED);
    wanted.set_duration_us(kTerms[random.below(kTerms.size())].value);
  }
  wanted.set_objective(static_cast<v1::Objective>(random.below(4)));
  if (random.below(4) == 0) wanted.set_near("us");
  wanted.set_workload_class(static_cast<v1::WorkloadClass>(random.below(5)));
  if (random.below(4) == 0) wanted.set_tier(v1::SPOT);
  if (random.below(4) == 0 && wanted.tier() != v1::SPOT) {
    wanted.set_nodes(static_cast<std::uint32_t>(2 + random.below(2)));
  }
  wanted.set_memory_mb(static_cast<std::uint32_t>(random.below(8'000)));
  wanted.set_cpu_thousandths(static_cast<std::uint32_t>(random.below(2'000)));
  wanted.set_disk_mb(static_cast<std::uint32_t>(random.below(4'000)));
  if (random.below(5) == 0 || wanted.tier() == v1::SPOT) {
    wanted.set_price_per_hour_micros_max(
        static_cast<std::int64_t>(200'000 + random.below(900'000)));
  }
  return wanted;
}

void NaiveMatcher::compare(const core::Machine& machine, Random& random) {
  core::NaiveBook naive(machine.book().scoring());
  std::vector<NodeId> nodes;
  machine.visit_nodes(NodeId(0), [&](const core::Node& node) {
    if (!node.removed) naive.update(node);
    nodes.push_back(node.id);
    return true;
  });
  auto demand = core::demand_of(core::understood(random_requirements(random)), limits_);
  if (!demand) return differ_("a random wish was refused: " + demand.error().message);
  const std::vector<NodeId> avoid =
      nodes.empty() ? nodes : std::vector<NodeId>{nodes[random.below(nodes.size())]};
  if (random.below(2) == 0) demand->avoid = avoid;
  if (random.below(3) == 0) {
    demand->quoted_at =
        machine.now() - Duration(static_cast<std::int64_t>(random.below(300'000'000)));
  }

  demand->at_floor = random.below(4) == 0;

  const core::Book& book = machine.book();
  const std::string fast = told(book.match(*demand));
  const std::string plain = told(naive.match(*demand));
  if (fast != plain) {
    differ_(fmt::format("the book matches {}, the naive one {}", fast, plain));
  }
  demand->requirements.set_nodes(static_cast<std::uint32_t>(1 + random.below(4)));
  const std::string gang = told(book.match_gang(*demand));
  const std::string plain_gang = told(naive.match_gang(*demand));
  if (gang != plain_gang) {
    differ_(fmt::format("the book matches the gang{}, the naive one{}", gang, plain_gang));
  }
  if (book.possible(*demand) != naive.possible(*demand)) {
    differ_("the book and the naive one differ about what could ever match");
  }
  const bool free_only = random.below(2) == 0;
  const auto listed = book.list(*demand, free_only, 10);
  const auto expected = static_cast<const core::Book&>(naive).list(*demand, free_only, 10);
  if (listed.size() != expected.size()) {
    return differ_(
        fmt::format("the book lists {} nodes, the naive one {}", listed.size(), expected.size()));
  }
  for (std::size_t i = 0; i < listed.size(); ++i) {
    if (told(listed[i]) != told(expected[i])) {
      differ_(
          fmt::format("the book lists {}, the naive one {}", told(listed[i]), told(expected[i])));
    }
  }
  if (!listed.empty()) ++matches_;
}

}  // namespace fallow::sim
