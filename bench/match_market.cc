#include "match_market.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "base/check.h"
#include "core/policy.h"

namespace fallow::bench {
namespace {

// What a node has and what an order wants, each as often as it stands here.
constexpr std::array<std::uint8_t, 10> kDevices = {1, 1, 1, 1, 2, 2, 4, 4, 8, 8};
constexpr std::array<std::uint8_t, 20> kGpus = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                                1, 1, 1, 1, 2, 2, 2, 4, 4, 8};

}  // namespace

MatchMarket::MatchMarket(std::uint64_t offers) : random_(seeded_random(1)) {
  for (std::uint32_t i = 0; i < kModels; ++i) models_.push_back(fmt::format("model_{}", i));
  for (std::uint32_t i = 0; i < kRegions; ++i) regions_.push_back(fmt::format("region-{}", i));
  std::uint64_t i = 0;
  for (; i < offers; ++i) {
    core::Node& node = nodes_.emplace_back();
    node.id = NodeId((i + 1) * 4'096);
    node.provider = AccountId(1 + random_->below(1'000));
    const std::uint64_t region = random_->below(kRegions);
    node.facts.set_region(regions_[region]);
    node.facts.set_cpu_thousandths(static_cast<std::uint32_t>(8 + random_->below(57)) * 1'000);
    node.facts.set_memory_mb(static_cast<std::uint32_t>(16 + random_->below(497)) * 1'000);
    node.facts.set_disk_mb(static_cast<std::uint32_t>(100 + random_->below(3'901)) * 1'000);
    node.facts.set_download_mbps(static_cast<std::uint32_t>(50 + random_->below(9'951)));
    node.facts.set_isolation(v1::BUBBLEWRAP);
    node.cpu_thousandths_free = node.facts.cpu_thousandths();
    node.memory_mb_free = node.facts.memory_mb();
    node.disk_mb_free = node.facts.disk_mb();
    node.connected = true;
    node.leases_kept = static_cast<std::uint32_t>(random_->below(300));
    node.leases_broken = static_cast<std::uint32_t>(random_->below(20));
    const std::uint32_t model = skewed_model();
    const std::uint64_t devices = kDevices[random_->below(kDevices.size())];
    for (std::uint64_t d = 0; d < devices; ++d) {
      core::NodeDevice& device = node.devices.emplace_back();
      device.facts.set_index(static_cast<std::uint32_t>(d));
      device.facts.set_model(models_[model]);
      device.facts.set_kind(v1::GPU);
      device.facts.set_memory_mb(8'192 * (1 + model % 10));
    }
    devices_ += devices;
    node.offer.id = OfferId(i + 1);
    node.offer.device_hour =
        Micros(static_cast<std::int64_t>((50 + 20 * model) * (700 + random_->below(900))));
    book_.update(node);
    columns_.price.push_back(static_cast<std::uint32_t>(node.offer.device_hour.value));
    columns_.reliability.push_back(core::reliability_ppm(node));
    columns_.download.push_back(node.facts.download_mbps());
    columns_.memory.push_back(node.facts.memory_mb());
    columns_.model.push_back(static_cast<std::uint8_t>(model));
    columns_.region.push_back(static_cast<std::uint8_t>(region));
    columns_.whole.push_back(static_cast<std::uint8_t>(devices));
  }
}

void MatchMarket::weigh() {
  scoring_.follow(core::default_policy());
  for (const std::uint8_t gpus : kGpus) {
    scoring_.mix.count({gpus, core::kWholeDevice}, 1, Time{});
  }
  for (core::Node& node : nodes_) {
    std::uint32_t ppm = core::kSurely;
    for (core::SurvivalCode& code : node.survival.codes) {
      ppm -= static_cast<std::uint32_t>(random_->below(ppm / 3));
      code = core::survival_code(ppm);
    }
    book_.update(node);
  }
}

void MatchMarket::level() {
  for (core::Node& node : nodes_) {
    node.offer.device_hour = Micros(100'000 + node.devices[0].facts.memory_mb());
    book_.update(node);
  }
}

// Of a draw's square: the first model is a tenth of the market, the last a two-hundredth.
std::uint32_t MatchMarket::skewed_model() {
  constexpr std::uint64_t kDraws = 1'000'000;
  const std::uint64_t draw = random_->below(kDraws);
  return static_cast<std::uint32_t>(kModels * draw * draw / (kDraws * kDraws));
}

Wanted MatchMarket::order() {
  Wanted wanted;
  wanted.model = static_cast<std::uint8_t>(skewed_model());
  wanted.gpus = kGpus[random_->below(kGpus.size())];
  wanted.reliability = static_cast<std::uint32_t>(800'000 + random_->below(150'000));
  wanted.download = static_cast<std::uint32_t>(random_->below(2'000));
  wanted.memory = static_cast<std::uint32_t>(random_->below(100'000));
  wanted.regions = static_cast<std::uint32_t>(random_->below(std::uint64_t{1} << kRegions)) | 1U;

  const auto number = [](core::Field field, core::Operator op, std::int64_t value) {
    core::Predicate predicate;
    predicate.field = field;
    predicate.op = op;
    predicate.numbers = {value};
    return predicate;
  };
  core::Predicate model;
  model.words = {models_[wanted.model]};
  core::Predicate regions;
  regions.field = core::Field::kRegion;
  regions.op = core::Operator::kIn;
  for (std::uint32_t region = 0; region < kRegions; ++region) {
    if ((wanted.regions >> region & 1U) != 0) regions.words.push_back(regions_[region]);
  }
  wanted.demand.query = core::Query(
      {model, number(core::Field::kReliability, core::Operator::kGreaterEqual, wanted.reliability),
       number(core::Field::kInetDown, core::Operator::kGreaterEqual,
              std::int64_t{wanted.download} * 1'000),
       number(core::Field::kCpuRam, core::Operator::kGreaterEqual, wanted.memory), regions});
  wanted.demand.requirements.set_gpus(wanted.gpus);
  wanted.demand.requirements.set_duration_us(hours(1).value);
  return wanted;
}

// Blocks of a fixed length, which the compiler turns into vector code.
std::uint32_t scan(const Columns& columns, const Wanted& wanted) {
  constexpr std::size_t kLanes = 64;
  constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::array<std::uint32_t, kLanes> best;
  best.fill(kNone);
  const std::size_t size = columns.price.size();
  const auto one = [&](std::size_t i, std::uint32_t& least) {
    // Numbers, not conditions: without a branch the loop is made of vectors.
    std::uint32_t fits = columns.model[i] == wanted.model ? 1U : 0U;
    fits &= columns.whole[i] >= wanted.gpus ? 1U : 0U;
    fits &= columns.reliability[i] >= wanted.reliability ? 1U : 0U;
    fits &= columns.download[i] >= wanted.download ? 1U : 0U;
    fits &= columns.memory[i] >= wanted.memory ? 1U : 0U;
    fits &= static_cast<std::uint32_t>(wanted.regions >> columns.region[i]) & 1U;
    least = std::min(least, fits != 0 ? columns.price[i] : kNone);
  };
  std::size_t from = 0;
  for (; from + kLanes <= size; from += kLanes) {
    for (std::size_t i = 0; i < kLanes; ++i) one(from + i, best[i]);
  }
  for (; from < size; ++from) one(from, best[0]);
  return *std::min_element(best.begin(), best.end());
}

core::Demand demand_of(std::string_view query, v1::Objective objective) {
  core::QueryError error;
  const auto parsed = core::Query::parse(query, error);
  FALLOW_CHECK(parsed.has_value(), "column {}: {}", error.column, error.message);
  core::Demand demand;
  demand.query = *parsed;
  demand.requirements.set_gpus(1);
  demand.requirements.set_objective(objective);
  demand.requirements.set_duration_us(hours(1).value);
  return demand;
}

}  // namespace fallow::bench
