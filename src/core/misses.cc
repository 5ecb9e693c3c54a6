#include "core/misses.h"

#include <algorithm>
#include <limits>
#include <string>

#include "core/term.h"

namespace fallow::core {
namespace {

std::string kind_of_demand(const Demand& demand) {
  v1::Requirements kind = demand.requirements;
  kind.clear_duration_us();
  kind.clear_price_per_hour_micros_max();
  std::string key = kind.SerializeAsString();
  key += static_cast<char>(bracket_of(demand.requirements));
  key += std::to_string(demand.egress_gb_max.value);
  return key;
}

Micros limit_or_none(Micros most) {
  return most.value > 0 ? most : Micros(std::numeric_limits<std::int64_t>::max());
}

Miss miss_of(const Demand& demand, NodeId node) {
  return {Duration(demand.requirements.duration_us()),
          limit_or_none(Micros(demand.requirements.price_per_hour_micros_max())),
          limit_or_none(demand.rate_hour_max), node};
}

// Whatever would do for `b` would do for `a`.
bool asks_no_more(const Miss& a, const Miss& b) {
  return a.time <= b.time && a.task_hour_max >= b.task_hour_max &&
         a.rate_hour_max >= b.rate_hour_max;
}

}  // namespace

const Miss* Misses::find(std::uint64_t search, const Demand& demand) {
  begin(search);
  if (kinds_.empty()) return nullptr;
  const auto kind = kinds_.find(kind_of_demand(demand));
  if (kind == kinds_.end()) return nullptr;
  const Miss wanted = miss_of(demand, {});
  const auto known = std::find_if(kind->second.begin(), kind->second.end(),
                                  [&](const Miss& miss) { return asks_no_more(miss, wanted); });
  return known == kind->second.end() ? nullptr : &*known;
}

void Misses::add(std::uint64_t search, const Demand& demand, NodeId node) {
  begin(search);
  if (kept_max_ == 0) return;
  const Miss added = miss_of(demand, node);
  std::vector<Miss>& kept = kinds_[kind_of_demand(demand)];
  std::erase_if(kept, [&](const Miss& miss) { return asks_no_more(added, miss); });
  if (kept.size() < kept_max_) kept.push_back(added);
}

void Misses::begin(std::uint64_t search) {
  if (search_ == search) return;
  search_ = search;
  kinds_.clear();
}

}  // namespace fallow::core
