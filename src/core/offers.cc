#include "core/offers.h"

#include <algorithm>
#include <functional>

#include "core/authority.h"
#include "core/checks.h"
#include "core/handlers.h"
#include "core/schedule.h"

namespace fallow::core {
namespace {

std::optional<Refusal> check_price(std::string_view field, std::int64_t micros,
                                   const Limits& limits) {
  Limits of_prices = limits;
  of_prices.money_max = limits.price_hour_max;
  return check_money(field, micros, true, of_prices);
}

// The provider's own node, or nullptr after refusing.
Node* owned_node(Step& step, NodeId id) {
  Node* const node = step.state.nodes.find(id);
  if (node == nullptr || node->removed) {
    step.refuse(v1::NOT_FOUND, "node", "no node {} exists", id.value);
    return nullptr;
  }
  return acting_for(step, node->provider, v1::PROVIDER) == nullptr ? nullptr : node;
}

void tell_offer(Step& step, const Node& node, bool withdrawn) {
  v1::OfferChanged& told = *step.tell().mutable_offer_changed();
  told.set_offer(node.offer.id.value);
  told.set_node(node.id.value);
  told.set_withdrawn(withdrawn);
}

}  // namespace

void clear_offer(Step& step, Node& node) {
  if (node.offer.id.value == 0) return;
  tell_offer(step, node, true);
  node.offer = Offer{};
}

void handle(Step& step, const v1::SetOffer& command) {
  MarketState& state = step.state;
  if (auto why = check_price("device_hour_micros", command.device_hour_micros(), state.limits)) {
    return step.refuse(std::move(*why));
  }
  if (auto why = check_price("disk_gb_hour_micros", command.disk_gb_hour_micros(), state.limits)) {
    return step.refuse(std::move(*why));
  }
  if (command.share_thousandths_min() > kWholeDevice) {
    return step.refuse(v1::VALUE_INVALID, "share_thousandths_min",
                       "a share of {} thousandths is more than a device",
                       command.share_thousandths_min());
  }
  if (command.duration_us_max() < 0 || command.duration_us_max() >= kTimeMax.us) {
    return step.refuse(v1::VALUE_INVALID, "duration_us_max",
                       "the longest lease must be 0 (no limit) or a positive time");
  }
  Node* const node = owned_node(step, NodeId(command.node()));
  if (node == nullptr) return;
  const Micros device_hour(command.device_hour_micros());
  const Micros disk_gb_hour(command.disk_gb_hour_micros());
  Offer& offer = node->offer;
  const Time oldest_quote = step.now - Duration(state.policy.quote_ttl_us());
  const bool raised =
      offer.id.value != 0 && (device_hour > offer.device_hour || disk_gb_hour > offer.disk_gb_hour);
  const auto outlived = [&](const FormerPrice& former) { return former.raised_at <= oldest_quote; };
  const auto standing = static_cast<std::size_t>(
      std::count_if(offer.former.begin(), offer.former.end(), std::not_fn(outlived)));
  if (raised && standing >= kFormerPricesMax) {
    return step.refuse(v1::LIMIT_REACHED, "device_hour_micros",
                       "the price was raised {} times while quotes at the former ones stand: "
                       "try again in a few minutes",
                       kFormerPricesMax);
  }

  std::erase_if(offer.former, outlived);
  if (raised) offer.former.push_back({step.now, offer.device_hour, offer.disk_gb_hour});
  if (offer.id.value == 0) offer.id = step.next_id<OfferId>();
  offer.device_hour = device_hour;
  offer.disk_gb_hour = disk_gb_hour;
  offer.share_thousandths_min =
      command.share_thousandths_min() == 0 ? kWholeDevice : command.share_thousandths_min();
  offer.duration_max = Duration(command.duration_us_max());
  state.book->update(*node);
  node_gained(state, *node);
  step.entity = offer.id.value;
  tell_offer(step, *node, false);
}

void handle(Step& step, const v1::WithdrawOffer& command) {
  Node* const node = owned_node(step, NodeId(command.node()));
  if (node == nullptr) return;
  if (node->offer.id.value == 0) {
    return step.refuse(v1::NOT_FOUND, "node", "node {} is not offered", node->id.value);
  }
  step.entity = node->offer.id.value;
  clear_offer(step, *node);
  step.state.book->update(*node);
}

}  // namespace fallow::core
