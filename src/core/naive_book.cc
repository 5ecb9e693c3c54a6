#include "core/naive_book.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <set>
#include <tuple>
#include <utility>

#include "core/book_digest.h"
#include "core/listing.h"
#include "core/naive_score.h"
#include "core/price_index.h"
#include "core/relaxation.h"
#include "core/row_key.h"

namespace fallow::core {

// A node that fits, and what ranks it: less is better.
struct NaiveBook::Row {
  Placement placement;
  std::int64_t first = 0;  // of the objective
  std::int64_t unreliability = 0;

  std::tuple<std::int64_t, std::int64_t, std::int64_t, std::uint64_t> rank() const {
    return {first, placement.rate_hour.value, unreliability, placement.node->id.value};
  }
};

namespace {

// A device's price less the discount of the demand's term.
Micros paid(const Demand& demand, Micros price, const Discounts& discounts) {
  std::int64_t off = 0;
  if (demand.requirements.tier() == v1::RESERVED) {
    constexpr std::array<std::int64_t, 4> kHours = {1, 24, 168, 720};
    for (std::size_t i = 0; i < kHours.size(); ++i) {
      if (demand.requirements.duration_us() >= kHours[i] * 3'600'000'000) off = discounts[i];
    }
  }
  return Micros(static_cast<std::int64_t>((Wide{price.value} * (10'000 - off) + 9'999) / 10'000));
}

void put_price(const Node& node, const Demand& demand, Placement& out) {
  const Offer& offer = node.offer;
  if (demand.requirements.tier() == v1::SPOT) {
    out.list_hour = offer.device_hour;
    out.disk_gb_hour = offer.disk_gb_hour;
    out.egress_gb = offer.egress_gb;
    out.device_hour = std::min(offer.spot_floor, offer.device_hour);
    if (node.counted.index != nullptr && !demand.at_floor) {
      out.device_hour = std::max(out.device_hour, node.counted.index->spot);
    }
    return;
  }
  out.list_hour = offer.device_hour;
  out.discounts = offer.discounts;
  out.device_hour = paid(demand, offer.device_hour, offer.discounts);
  out.disk_gb_hour = offer.disk_gb_hour;
  out.egress_gb = offer.egress_gb;
  if (demand.quoted_at.us <= 0) return;
  const auto raised =
      std::find_if(offer.former.begin(), offer.former.end(),
                   [&](const FormerPrice& price) { return price.raised_at > demand.quoted_at; });
  if (raised == offer.former.end()) return;
  const Micros then = paid(demand, raised->device_hour, raised->discounts);
  if (then < out.device_hour) {
    out.device_hour = then;
    out.list_hour = raised->device_hour;
    out.discounts = raised->discounts;
  }
  out.disk_gb_hour = std::min(out.disk_gb_hour, raised->disk_gb_hour);
  out.egress_gb = std::min(out.egress_gb, raised->egress_gb);
}

}  // namespace

std::optional<NaiveBook::Row> NaiveBook::row(const Node& node, const Demand& demand,
                                             bool free) const {
  const v1::Requirements& wanted = demand.requirements;
  const std::uint32_t gpus = wanted.gpus() == 0 ? 1 : wanted.gpus();
  const std::uint32_t share =
      wanted.device_thousandths() == 0 ? 1'000 : wanted.device_thousandths();
  if (node.removed || node.offer.id == OfferId(0)) return std::nullopt;
  if (wanted.tier() == v1::SPOT && !node.offer.spot) return std::nullopt;
  if (free && !node.connected) return std::nullopt;
  if (free && node.owner != v1::OWNER_AWAY) return std::nullopt;
  if (share < node.offer.share_thousandths_min) return std::nullopt;
  if (node.offer.duration_max.value > 0 && wanted.duration_us() > node.offer.duration_max.value) {
    return std::nullopt;
  }
  if (node.facts.isolation() < wanted.isolation_min()) return std::nullopt;
  if (node.facts.network() < wanted.network()) return std::nullopt;
  if (wanted.memory_mb() > (free ? node.memory_mb_free : node.facts.memory_mb())) {
    return std::nullopt;
  }
  if (wanted.cpu_thousandths() >
      (free ? node.cpu_thousandths_free : node.facts.cpu_thousandths())) {
    return std::nullopt;
  }
  if (wanted.disk_mb() > (free ? node.disk_mb_free : node.facts.disk_mb())) return std::nullopt;

  Row row;
  row.placement.node = &node;
  row.placement.free = free;
  put_price(node, demand, row.placement);
  row.placement.rate_hour = rate_of(wanted, row.placement.device_hour, row.placement.disk_gb_hour);
  for (const std::int64_t max : {wanted.price_per_hour_micros_max(), demand.rate_hour_max.value}) {
    if (max > 0 && row.placement.rate_hour.value > max) return std::nullopt;
  }
  if (wanted.network() == v1::EGRESS) {
    const Micros most = wanted.egress_mb_max() > 0 ? demand.egress_gb_max : Micros(0);
    if (row.placement.egress_gb > most) return std::nullopt;
  }
  if (!demand.query.admits(node, row.placement.device_hour, row.placement.egress_gb)) {
    return std::nullopt;
  }

  // (free share, index, position) of every admitted device with room.
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::size_t>> devices;
  std::uint32_t admitted = 0;
  for (std::size_t at = 0; at < node.devices.size(); ++at) {
    const NodeDevice& device = node.devices[at];
    if (!demand.query.admits(device.facts)) continue;
    ++admitted;
    const std::uint32_t room = free ? device.free_thousandths : 1'000;
    if (room >= share) devices.emplace(room, device.facts.index(), at);
  }
  if (!demand.query.admits_count(admitted) || devices.size() < gpus) return std::nullopt;
  std::int64_t speed = 0;
  for (const auto& [room, index, at] : devices) {
    if (row.placement.devices.size() == gpus) break;
    row.placement.devices.push_back(index);
    const std::int64_t own = scoring().speeds.of(node.devices[at].facts)[workload_of(wanted)];
    speed = speed == 0 ? own : std::min(speed, own);
  }
  std::sort(row.placement.devices.begin(), row.placement.devices.end());
  row.unreliability = -std::int64_t{reliability_ppm(node)};
  row.first = naive_first(demand, scoring(), row.placement, speed);
  return row;
}

std::vector<NaiveBook::Row> NaiveBook::rows(const Demand& demand, bool free) const {
  std::vector<Row> found;
  for (const auto& [id, node] : nodes_) {
    if (auto fitting = row(*node, demand, free)) found.push_back(*std::move(fitting));
  }
  std::sort(found.begin(), found.end(),
            [](const Row& a, const Row& b) { return a.rank() < b.rank(); });
  return found;
}

bool NaiveBook::holds(std::span<const NodeId> nodes, const Row& row) {
  return std::find(nodes.begin(), nodes.end(), row.placement.node->id) != nodes.end();
}

std::vector<NaiveBook::Row> NaiveBook::gang_of(const std::vector<Row>& rows, const Demand& demand) {
  const std::size_t nodes = std::max(demand.requirements.nodes(), 1U);
  const v1::Objective objective = objective_of(demand.requirements);
  enum Level { kRack, kLan, kRegion, kAnywhere };
  for (const Level level : {kRack, kLan, kRegion, kAnywhere}) {
    std::map<std::tuple<std::uint64_t, std::string, std::string, std::string>, std::vector<Row>>
        groups;
    for (const Row& row : rows) {
      const Node& node = *row.placement.node;
      const std::string region = canonical_word(node.facts.region());
      const std::string lan = canonical_word(node.facts.lan());
      const std::string rack = canonical_word(node.facts.rack());
      const std::uint64_t provider = node.provider.value;
      if (level == kRack && !rack.empty()) groups[{provider, region, lan, rack}].push_back(row);
      if (level == kLan && !lan.empty()) groups[{provider, region, lan, ""}].push_back(row);
      if (level == kRegion && !region.empty()) groups[{0, region, "", ""}].push_back(row);
      if (level == kAnywhere) groups[{0, "", "", ""}].push_back(row);
    }
    using Measure =
        std::pair<Wide, std::tuple<std::int64_t, std::int64_t, std::int64_t, std::uint64_t>>;
    std::optional<Measure> least;
    std::vector<Row> best;
    for (auto& [key, members] : groups) {
      if (members.size() < nodes) continue;
      members.resize(nodes);
      Measure measure{0, members.back().rank()};
      for (const Row& row : members) measure.first += row.first;
      if (objective == v1::FASTEST) measure.first = 0;  // the last one's is the slowest
      if (least && !(measure < *least)) continue;
      least = measure;
      best = members;
    }
    if (least) return best;
  }
  return {};
}

std::vector<Placement> NaiveBook::match_gang(const Demand& demand) const {
  std::vector<Row> found = rows(demand, true);
  std::erase_if(found, [&](const Row& row) { return holds(demand.barred, row); });
  std::vector<Row> liked = found;
  std::erase_if(liked, [&](const Row& row) { return holds(demand.avoid, row); });
  for (std::vector<Row>* of : {&liked, &found}) {
    if (of->size() > kGangOffersMax) of->resize(kGangOffersMax);
    std::vector<Placement> gang;
    for (const Row& row : gang_of(*of, demand)) gang.push_back(row.placement);
    if (!gang.empty()) return gang;
  }
  return {};
}

std::optional<Placement> NaiveBook::match(const Demand& demand) const {
  std::vector<Row> found = rows(demand, true);
  std::erase_if(found, [&](const Row& row) { return holds(demand.barred, row); });
  for (const Row& row : found) {
    const NodeId id = row.placement.node->id;
    if (std::find(demand.avoid.begin(), demand.avoid.end(), id) == demand.avoid.end()) {
      return row.placement;
    }
  }
  if (found.empty()) return std::nullopt;
  return found.front().placement;
}

Digest NaiveBook::digest() const {
  std::vector<KnownNode> all;
  for (const auto& [id, node] : nodes_) {
    KnownNode known;
    known.id = id;
    known.offered = !node->removed && node->offer.id != OfferId(0) && !node->devices.empty();
    known.provider = node->provider;
    known.device_hour = known.least_hour = node->offer.device_hour;
    known.discounts = node->offer.discounts;
    for (const FormerPrice& former : node->offer.former) {
      known.discounts = largest(known.discounts, former.discounts);
      known.least_hour = std::min(known.least_hour, former.device_hour);
    }
    known.disk_gb_hour = node->offer.disk_gb_hour;
    known.spot = node->offer.spot;
    if (known.spot) known.spot_floor = std::min(node->offer.spot_floor, node->offer.device_hour);
    known.duration_max = node->offer.duration_max;
    known.share_min = node->offer.share_thousandths_min;
    known.isolation = static_cast<std::uint32_t>(node->facts.isolation());
    known.images = node->facts.images();
    known.region = canonical_word(node->facts.region());
    known.lan = canonical_word(node->facts.lan());
    known.rack = canonical_word(node->facts.rack());
    known.survival = node->survival;
    known.reliability = reliability_ppm(*node);
    known.cpu_thousandths = node->facts.cpu_thousandths();
    known.memory_mb = node->facts.memory_mb();
    known.disk_mb = node->facts.disk_mb();
    known.download_mbps = node->facts.download_mbps();
    known.upload_mbps = node->facts.upload_mbps();
    known.cpu_thousandths_free = node->cpu_thousandths_free;
    known.memory_mb_free = node->memory_mb_free;
    known.disk_mb_free = node->disk_mb_free;
    bool open = false;
    for (std::size_t at = 0; at < node->devices.size(); ++at) {
      const NodeDevice& device = node->devices[at];
      known.devices.emplace_back(canonical_word(device.facts.model()), device.facts.memory_mb(),
                                 device.facts.kind(), is_verified(device.facts));
      open |= device.free_thousandths > 0 &&
              device.free_thousandths >= node->offer.share_thousandths_min;
      known.room = std::max(known.room, device.free_thousandths);
      if (device.free_thousandths < kWholeDevice) continue;
      ++known.whole;
      if (at < 64) known.whole_mask |= std::uint64_t{1} << at;
    }
    if (!open || !node->connected || node->owner != v1::OWNER_AWAY) {
      known.room = known.whole = 0;
      known.whole_mask = 0;
    }
    all.push_back(std::move(known));
  }
  return digest_of(all);
}

bool NaiveBook::possible(const Demand& demand) const {
  return rows(demand, false).size() >= std::max(demand.requirements.nodes(), 1U);
}

std::vector<Placement> NaiveBook::list(const Demand& demand, const ListOptions& options) const {
  const Matcher matcher(demand, scoring());
  const RowOrder order(matcher, options.order);
  std::vector<std::pair<RowKey, Placement>> found;
  for (const auto& [id, node] : nodes_) {
    std::optional<Row> fitting = row(*node, demand, true);
    if (!fitting && !options.free_only) fitting = row(*node, demand, false);
    if (!fitting) continue;
    RowKey key = cursor_of(demand, scoring(), options.order, fitting->placement);
    if (options.order.empty()) {
      const auto [first, rate, unreliability, last] = fitting->rank();
      key.values = {{first, ""}, {rate, ""}, {unreliability, ""}};
    }
    if (options.after && !order.before(*options.after, key)) continue;
    found.emplace_back(std::move(key), fitting->placement);
  }
  std::sort(found.begin(), found.end(),
            [&](const auto& a, const auto& b) { return order.before(a.first, b.first); });
  std::vector<Placement> page;
  for (auto& [key, placement] : found) {
    if (page.size() == options.count_max) break;
    page.push_back(std::move(placement));
  }
  return page;
}

// ---- relaxations: try every changed demand, keep the smallest change that matches ----------

std::optional<NaiveBook::Row> NaiveBook::cheapest(const Demand& demand) const {
  Demand plain = demand;
  plain.requirements.set_objective(v1::CHEAPEST);
  plain.by_price = true;
  std::vector<Row> found = rows(plain, true);
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::set<std::pair<std::int64_t, std::string>> NaiveBook::values_of(
    const Demand& demand, const Predicate& predicate) const {
  std::set<std::pair<std::int64_t, std::string>> values;
  for (const auto& [id, node] : nodes_) {
    if (predicate.field == Field::kNumGpus) {
      for (std::size_t n = 0; n <= node->devices.size(); ++n) values.emplace(n, "");
    } else if (is_of_device(predicate.field)) {
      for (const NodeDevice& device : node->devices) {
        if (is_word(predicate.field)) {
          values.emplace(0, word_of(device.facts, predicate.field));
        } else {
          values.emplace(number_of(device.facts, predicate.field), "");
        }
      }
    } else if (is_word(predicate.field)) {
      values.emplace(0, word_of(*node, predicate.field));
    } else {
      Placement priced;
      put_price(*node, demand, priced);
      values.emplace(number_of(*node, predicate.field, priced.device_hour, priced.egress_gb), "");
    }
  }
  return values;
}

void NaiveBook::relax_predicates(const Demand& demand, std::vector<v1::Relaxation>& out) const {
  const std::vector<Predicate>& predicates = demand.query.predicates();
  for (std::size_t i = 0; i < predicates.size(); ++i) {
    const Predicate& predicate = predicates[i];
    using Rating = std::tuple<std::int64_t,
                              std::tuple<std::int64_t, std::int64_t, std::int64_t, std::uint64_t>,
                              std::int64_t, std::string>;
    std::optional<std::pair<Rating, Micros>> best;
    for (const auto& [number, word] : values_of(demand, predicate)) {
      const bool is_words = is_word(predicate.field);
      if (is_words ? predicate.holds(word) : predicate.holds(number)) continue;
      std::vector<Predicate> changed = predicates;
      changed[i] = is_words ? widened(predicate, word) : widened(predicate, number);
      Demand relaxed = demand;
      relaxed.query = Query(changed);
      const std::optional<Row> row = cheapest(relaxed);
      if (!row) continue;
      const Rating rating{is_words ? 0 : distance_to(predicate, number), row->rank(), number, word};
      if (!best || rating < best->first) best = {rating, row->placement.rate_hour};
    }
    if (!best) continue;
    out.push_back(is_word(predicate.field)
                      ? relaxation_of(predicate, std::get<3>(best->first), best->second)
                      : relaxation_of(predicate, std::get<2>(best->first), best->second));
  }
}

void NaiveBook::relax_requirements(const Demand& demand, std::vector<v1::Relaxation>& out) const {
  const v1::Requirements& asked = demand.requirements;
  const auto tell = [&](Change change, std::int64_t number, Micros rate) {
    out.push_back(relaxation_of(change, asked, number, rate));
  };
  Demand unlimited = demand;
  unlimited.rate_hour_max = Micros(0);
  unlimited.requirements.set_price_per_hour_micros_max(0);
  if (const auto row = cheapest(unlimited)) {
    tell(Change::kPrice, row->placement.rate_hour.value, row->placement.rate_hour);
  }
  // The values in order of their distance from what was asked; the first distance at which one
  // matches counts, and of two the better row.
  const auto try_values = [&](Change change, std::int64_t wanted,
                              const std::set<std::int64_t>& values,
                              const std::function<void(v1::Requirements&, std::int64_t)>& set) {
    using Rating = std::tuple<std::int64_t,
                              std::tuple<std::int64_t, std::int64_t, std::int64_t, std::uint64_t>,
                              std::int64_t>;
    std::optional<std::pair<Rating, Micros>> best;
    for (const std::int64_t value : values) {
      Demand changed = demand;
      changed.requirements.set_objective(v1::CHEAPEST);
      changed.by_price = true;
      set(changed.requirements, value);
      for (const Row& row : rows(changed, true)) {
        // A shorter term is dearer: it is named for those only that end there.
        const Duration longest = row.placement.node->offer.duration_max;
        if (change == Change::kDuration && longest.value != value) continue;
        const Rating rating{std::abs(wanted - value), row.rank(), value};
        if (!best || rating < best->first) best = {rating, row.placement.rate_hour};
        break;
      }
    }
    if (best) tell(change, std::get<2>(best->first), best->second);
  };
  const auto up_to = [](std::int64_t below) {
    std::set<std::int64_t> values;
    for (std::int64_t value = 1; value < below; ++value) values.insert(value);
    return values;
  };
  const std::int64_t gpus = gpus_of(asked);
  try_values(Change::kGpus, gpus, up_to(gpus), [](v1::Requirements& changed, std::int64_t value) {
    changed.set_gpus(static_cast<std::uint32_t>(value));
  });
  const std::int64_t share = share_of(asked);
  std::set<std::int64_t> shares = up_to(kWholeDevice + 1);
  shares.erase(share);
  try_values(Change::kShare, share, shares, [](v1::Requirements& changed, std::int64_t value) {
    changed.set_device_thousandths(static_cast<std::uint32_t>(value));
  });
  // Only what some node offers can be the most that matches, and for disk what a limit pays for.
  std::set<std::int64_t> durations, memories, cpus, isolations;
  for (const auto& [id, node] : nodes_) {
    durations.insert(node->offer.duration_max.value);
    memories.insert(node->memory_mb_free);
    cpus.insert(node->cpu_thousandths_free);
    isolations.insert(node->facts.isolation());
  }
  const auto below = [](const std::set<std::int64_t>& values, std::int64_t asked_for) {
    return std::set<std::int64_t>(values.lower_bound(1),
                                  values.lower_bound(std::max<std::int64_t>(asked_for, 1)));
  };
  try_values(Change::kDuration, asked.duration_us(), below(durations, asked.duration_us()),
             [](v1::Requirements& changed, std::int64_t value) { changed.set_duration_us(value); });
  try_values(Change::kMemory, asked.memory_mb(), below(memories, asked.memory_mb()),
             [](v1::Requirements& changed, std::int64_t value) {
               changed.set_memory_mb(static_cast<std::uint32_t>(value));
             });
  try_values(Change::kCpu, asked.cpu_thousandths(), below(cpus, asked.cpu_thousandths()),
             [](v1::Requirements& changed, std::int64_t value) {
               changed.set_cpu_thousandths(static_cast<std::uint32_t>(value));
             });
  try_values(Change::kDisk, asked.disk_mb(), up_to(asked.disk_mb()),
             [](v1::Requirements& changed, std::int64_t value) {
               changed.set_disk_mb(static_cast<std::uint32_t>(value));
             });
  try_values(Change::kIsolation, asked.isolation_min(), below(isolations, asked.isolation_min()),
             [](v1::Requirements& changed, std::int64_t value) {
               changed.set_isolation_min(static_cast<v1::Isolation>(value));
             });
  if (asked.network() != v1::NETWORK_NONE) {
    try_values(Change::kNetwork, asked.network(), std::set<std::int64_t>{v1::NETWORK_NONE},
               [](v1::Requirements& changed, std::int64_t value) {
                 changed.set_network(static_cast<v1::Network>(value));
               });
  }
  Demand plain = demand;
  plain.requirements.set_objective(v1::CHEAPEST);
  plain.by_price = true;
  const std::vector<Row> waiting = rows(plain, false);
  if (!waiting.empty()) {
    tell(Change::kWait, static_cast<std::int64_t>(waiting.size()),
         waiting.front().placement.rate_hour);
  }
}

std::vector<v1::Relaxation> NaiveBook::relaxations(const Demand& demand) const {
  if (nodes_of(demand.requirements) > 1) return gang_relaxations(demand);
  std::vector<v1::Relaxation> answers;
  if (match(demand)) return answers;
  relax_predicates(demand, answers);
  relax_requirements(demand, answers);
  std::stable_sort(answers.begin(), answers.end(),
                   [](const v1::Relaxation& a, const v1::Relaxation& b) {
                     return a.task_hour_micros() < b.task_hour_micros();
                   });
  if (answers.size() > kRelaxationsMax) answers.resize(kRelaxationsMax);
  return answers;
}

}  // namespace fallow::core
