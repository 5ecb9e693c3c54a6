#include "core/egress.h"

#include <algorithm>

#include "base/money.h"

namespace fallow::core {
namespace {

constexpr std::int64_t kBytesPerMb = 1'000'000;

}  // namespace

std::int64_t egress_bytes_max(const v1::Requirements& requirements) {
  return requirements.network() == v1::EGRESS ? requirements.egress_mb_max() * kBytesPerMb : 0;
}

std::int64_t egress_left(const Order& order, const Task& task) {
  return egress_bytes_max(order.requirements) - task.egress_bytes;
}

bool takes_egress(const Demand& demand, Micros egress_gb) {
  if (egress_gb.value == 0 || demand.requirements.network() != v1::EGRESS) return true;
  return demand.requirements.egress_mb_max() > 0 && egress_gb <= demand.egress_gb_max;
}

Micros egress_hold(const Lease& lease) {
  return price_of_bytes(lease.egress_gb, lease.egress_bytes_max);
}

std::int64_t charged_egress(const Lease& lease) {
  return std::min(lease.egress_bytes, lease.egress_bytes_max);
}

Micros egress_cost(const Lease& lease) {
  return price_of_bytes(lease.egress_gb, charged_egress(lease));
}

}  // namespace fallow::core
