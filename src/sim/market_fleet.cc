#include "sim/market_fleet.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <set>
#include <utility>

#include "base/money.h"
#include "core/query.h"
#include "core/speed.h"
#include "sim/exact_math.h"
#include "sim/lab_commands.h"

namespace fallow::sim {
namespace {

constexpr Duration kSpanMin = minutes(1);
constexpr double kSpanHoursMax = 24 * 3'650;
// Devices of a node, as many entries as it is likely.
constexpr std::array kHomeDevices = {1U, 1U, 1U, 1U, 2U};
constexpr std::array kVerifiedDevices = {1U, 1U, 2U, 4U, 8U, 8U};
// Nobody who may come home promises a term, so home hosts give none. In basis points.
constexpr std::uint32_t kDayDiscount = 500;
constexpr std::uint32_t kWeekDiscount = 1'000;
constexpr std::uint32_t kMonthDiscount = 2'000;

// The price at a place between 0 and 1 of the book's order of prices.
Micros price_at(const BookRow& row, double place) {
  const auto between = [](Micros low, Micros high, double part) {
    return Micros(low.value +
                  static_cast<std::int64_t>(static_cast<double>((high - low).value) * part));
  };
  return place < 0.5 ? between(row.p10, row.median, place * 2)
                     : between(row.median, row.p90, place * 2 - 1);
}

}  // namespace

MarketFleet::MarketFleet(const std::vector<BookRow>& book, const ChurnFit& home,
                         const ChurnFit& verified, std::uint32_t nodes, std::uint64_t seed)
    : book_(book), home_(home), verified_(verified), random_(seeded_random(seed)) {
  for (const bool verified_host : {false, true}) {
    const ChurnFit& churn = fit(verified_host);
    const double up = weibull_mean(churn.up_shape, churn.up_scale);
    const double down = weibull_mean(churn.down_shape, churn.down_scale);
    there_[verified_host ? 1 : 0] = up / (up + down);
  }
  // Nodes are as likely as there are nodes of the kind: devices / devices of a node in the mean.
  std::vector<double> sums;
  for (const BookRow& row : book) {
    const double a_node = row.verified ? 4.0 : 1.2;
    sums.push_back((sums.empty() ? 0 : sums.back()) + row.count / a_node);
  }
  for (std::uint32_t i = 0; i < nodes; ++i) {
    const auto at = std::upper_bound(sums.begin(), sums.end(), uniform() * sums.back());
    MarketNode node;
    node.row = static_cast<std::uint32_t>(
        std::min(at - sums.begin(), static_cast<std::ptrdiff_t>(sums.size()) - 1));
    const BookRow& row = book[node.row];
    node.verified = row.verified;
    node.devices = row.verified ? kVerifiedDevices[random_->below(kVerifiedDevices.size())]
                                : kHomeDevices[random_->below(kHomeDevices.size())];
    node.speed = core::vendor_speeds(row.model, row.memory_mb, v1::GPU)[v1::GENERAL];
    node.device_hour = std::max(Micros(1), price_at(row, uniform()));
    node.away = uniform() >= there_[node.verified ? 1 : 0];
    nodes_.push_back(node);
  }
}

double MarketFleet::uniform() { return even_uniform(random_->next_u64()); }

v1::NodeFacts MarketFleet::facts(std::uint32_t number) const {
  const MarketNode& node = nodes_[number];
  const BookRow& row = book_[node.row];
  return facts_of({.number = number,
                   .region = node.verified ? kVerifiedRegion : kHomeRegion,
                   .model = row.model,
                   .device_memory_mb = row.memory_mb,
                   .devices = node.devices,
                   .cpu_thousandths = 8'000,
                   .memory_mb = 32'000,
                   .disk_mb = 200'000});
}

v1::Command MarketFleet::offer(std::uint32_t number, std::uint32_t spot_floor_pct) const {
  const MarketNode& node = nodes_[number];
  v1::Command command = offer_command(node.id, node.device_hour);
  v1::SetOffer& offer = *command.mutable_set_offer();
  offer.set_spot(true);
  offer.set_spot_floor_micros(fraction_of(node.device_hour, spot_floor_pct, 100).value);
  if (node.verified) {
    offer.mutable_discounts()->set_day_basis_points(kDayDiscount);
    offer.mutable_discounts()->set_week_basis_points(kWeekDiscount);
    offer.mutable_discounts()->set_month_basis_points(kMonthDiscount);
  }
  return command;
}

Duration MarketFleet::span(const MarketNode& node) {
  const ChurnFit& churn = fit(node.verified);
  const double span = node.away ? weibull_value(churn.down_shape, churn.down_scale, uniform())
                                : weibull_value(churn.up_shape, churn.up_scale, uniform());
  return std::max(kSpanMin,
                  Duration(static_cast<std::int64_t>(std::min(span, kSpanHoursMax) * 3'600e6)));
}

double MarketFleet::capacity() const {
  double capacity = 0;
  for (const MarketNode& node : nodes_) {
    capacity += there_[node.verified ? 1 : 0] * node.devices * static_cast<double>(node.speed) /
                core::kSpeedUnit;
  }
  return capacity;
}

std::int64_t MarketFleet::slowest() const {
  std::int64_t slowest = std::numeric_limits<std::int64_t>::max();
  for (const MarketNode& node : nodes_) slowest = std::min(slowest, node.speed);
  return slowest;
}

std::int64_t MarketFleet::fastest() const {
  std::int64_t fastest = 0;
  for (const MarketNode& node : nodes_) fastest = std::max(fastest, node.speed);
  return fastest;
}

std::vector<std::string> MarketFleet::models_from(std::int64_t speed) const {
  std::set<std::pair<std::int64_t, std::string>, std::greater<>> fast;
  for (const MarketNode& node : nodes_) {
    if (node.speed >= speed) {
      fast.emplace(node.speed, core::canonical_word(book_[node.row].model));
    }
  }
  std::vector<std::string> models;
  for (const auto& [of_model, model] : fast) {
    if (models.size() < core::kListValuesMax) models.push_back(model);
  }
  return models;
}

}  // namespace fallow::sim
