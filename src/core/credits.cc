#include "core/credits.h"

#include <algorithm>

#include "base/money.h"
#include "core/meter.h"

namespace fallow::core {

std::uint32_t slow_basis_points(const Node& node, const std::vector<std::uint32_t>& devices) {
  Wide lacked = 0;
  for (const std::uint32_t place : devices) {
    const NodeDevice& device = node.devices[place];
    const std::uint64_t measured = device.facts.proof().speeds().int8_mops();
    const std::uint64_t verified = device.verified_int8_mops;
    if (device.facts.proof().state() != v1::SLOW || measured >= verified) continue;
    lacked += Wide{verified - measured} * kBasisPoints / verified;
  }
  return static_cast<std::uint32_t>(lacked / static_cast<std::int64_t>(devices.size()));
}

Duration slowed_time(const Lease& lease) {
  const Wide by_proof = Wide{lease.proven.value} * lease.slow_basis_points / kBasisPoints;
  return std::max(lease.slowed, Duration(static_cast<std::int64_t>(by_proof)));
}

Micros credit_of(const Lease& lease) {
  if (lease.proven.value == 0) return Micros(0);
  const Bill time = bill_of_time(lease);
  const Wide lost = Wide{time.charged.value} * slowed_time(lease).value;
  const Micros whole(
      static_cast<std::int64_t>((lost + lease.proven.value - 1) / lease.proven.value));
  const Micros most = fraction_of(time.charged, lease.credit_basis_points_max, kBasisPoints);
  return std::min({whole, most, time.charged - time.fee});
}

Micros credit_slowed(Step& step, Lease& lease) {
  const Micros earned = lease.charged - lease.fee;
  const Micros credit = credit_of(lease);
  if (credit.value == 0) return earned;
  step.move({lease.provider, v1::PENDING}, {lease.renter, v1::HELD}, credit, v1::REFUNDED,
            lease.id);
  take_back(step, lease, credit);
  lease.credited = credit;
  v1::LeaseCredited& told = *step.tell().mutable_lease_credited();
  told.set_lease(lease.id.value);
  told.set_order(lease.order.value);
  told.set_node(lease.node.value);
  told.set_account(lease.renter.value);
  told.set_slowed_us(slowed_time(lease).value);
  told.set_proven_us(lease.proven.value);
  told.set_credited_micros(credit.value);
  return earned - credit;
}

}  // namespace fallow::core
