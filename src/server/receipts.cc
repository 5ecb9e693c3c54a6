#include "server/receipts.h"

#include <utility>

#include "base/check.h"
#include "base/merkle.h"
#include "base/meter_bytes.h"
#include "base/receipt_bytes.h"
#include "core/egress.h"
#include "core/meter.h"
#include "server/views.h"

namespace fallow::server {
v1::ReceiptBody receipt_facts(const core::Machine& machine, const core::Lease& lease) {
  FALLOW_CHECK(!core::is_open(lease), "lease {} has not ended", lease.id.value);
  const core::Node* node = machine.node(lease.node);
  FALLOW_CHECK(node != nullptr, "lease {} names an unknown node", lease.id.value);

  v1::ReceiptBody body;
  body.set_market_name(machine.found().market_name());
  body.set_currency(machine.found().currency());
  body.set_lease(lease.id.value);
  body.set_order(lease.order.value);
  body.set_task(lease.task);
  body.set_attempt(lease.attempt);
  body.set_renter(lease.renter.value);
  body.set_provider(lease.provider.value);
  body.set_node(lease.node.value);
  body.set_node_public_key(node->public_key);
  for (const std::uint32_t index : lease.devices) {
    if (index < node->devices.size()) *body.add_devices() = node->devices[index].facts;
  }
  body.set_device_thousandths(lease.device_thousandths);
  body.set_device_hour_micros(lease.device_hour.value);
  body.set_disk_gb_hour_micros(lease.disk_gb_hour.value);
  body.set_disk_mb(lease.disk_mb);
  body.set_rate_hour_micros(lease.rate_hour.value);
  body.set_fee_basis_points(lease.fee_basis_points);
  body.set_hold_micros(lease.hold.value);
  body.set_time_us_max(lease.time_max.value);
  body.set_image_digest(lease.image_digest);
  const core::Order* order = machine.order(lease.order);
  FALLOW_CHECK(order != nullptr, "lease {} names an unknown order", lease.id.value);
  body.set_volume_basis_points(lease.volume_basis_points);
  body.set_volume_discount_micros(core::bill_of(lease).let_off.value);
  body.set_tier(tier_of(lease, *order));
  if (order->requirements.tier() == v1::RESERVED) {
    *body.mutable_discounts() = core::message_of(lease.discounts);
    body.set_term_us(lease.term.value);
    body.set_term_before_us(lease.term_before.value);
    body.set_cut_short(lease.cut_short);
    body.set_rerated_hour_micros(lease.rerated_hour.value);
  }
  if (lease.spot) {
    body.set_spot_bid_micros(lease.spot_bid.value);
    body.set_spot_floor_micros(lease.spot_floor.value);
    for (const core::PriceRun& run : lease.runs) {
      v1::PriceRun& told = *body.add_price_runs();
      told.set_rate_hour_micros(run.rate_hour.value);
      told.set_until_us(run.until.value);
    }
  }
  body.set_placed_at_us(lease.placed_at.us);
  body.set_started_at_us(lease.started_at.us);
  body.set_ended_at_us(lease.ended_at.us);
  body.set_reason(lease.reason);
  body.set_blame(lease.blame);
  body.set_proven_us(lease.proven.value);
  body.set_charged_micros(lease.charged.value);
  body.set_refunded_micros(lease.refunded.value);
  body.set_fee_micros(lease.fee.value);
  body.set_credited_micros(lease.credited.value);
  body.set_slowed_us(lease.slowed.value);
  body.set_slow_basis_points(lease.slow_basis_points);
  body.set_credit_basis_points_max(lease.credit_basis_points_max);
  body.set_egress_gb_micros(lease.egress_gb.value);
  body.set_egress_bytes_max(lease.egress_bytes_max);
  body.set_egress_bytes(lease.egress_bytes);
  body.set_egress_micros(core::egress_cost(lease).value);
  body.set_paid_micros((lease.charged - lease.refunded).value);
  body.set_placed_index(lease.placed_index.value);
  body.set_ended_index(lease.ended_index.value);
  return body;
}

v1::Receipt sign_receipt(v1::ReceiptBody facts, std::vector<v1::MeterRecord> meters,
                         const Digest& log_head, const SigningKey& market_key) {
  const auto node_key = public_key_from_bytes(facts.node_public_key());
  FALLOW_CHECK(node_key.has_value(), "the node of lease {} has no key", facts.lease());
  MerkleTree tree;
  for (v1::MeterRecord& record : meters) {
    tree.append(meter_leaf(meter_bytes(*node_key, LeaseId(record.lease()), record.sequence(),
                                       Duration(record.running_us()), Time{record.measured_at_us()},
                                       Duration(record.slowed_us()), record.egress_bytes()),
                           record.signature()));
    *facts.add_meters() = std::move(record);
  }
  facts.set_meters_root(to_bytes(tree.root()));
  facts.set_log_head(to_bytes(log_head));
  v1::Receipt receipt;
  receipt.set_body(facts.SerializeAsString());
  receipt.set_signature(to_bytes(market_key.sign(receipt_bytes(receipt.body()))));
  receipt.set_market_public_key(
      std::string(market_key.public_key().begin(), market_key.public_key().end()));
  return receipt;
}

}  // namespace fallow::server
