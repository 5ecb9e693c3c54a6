#include "core/offers.h"

#include <algorithm>
#include <functional>

#include "core/authority.h"
#include "core/checks.h"
#include "core/handlers.h"
#include "core/nodes.h"
#include "core/repricing.h"
#include "core/turns.h"

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

// What an offer asks for all that it asks anything for.
struct OfferPrices {
  Micros device_hour;
  Micros disk_gb_hour;
  Discounts discounts{};
  Micros egress_gb{};
};

bool is_less_anywhere(const Discounts& discounts, const Discounts& than) {
  for (std::size_t i = 0; i < kBrackets; ++i) {
    if (discounts[i] < than[i]) return true;
  }
  return false;
}

// Lets the offer ask for the price, as far as quotes allow.
bool ask(const Step& step, Offer& offer, const OfferPrices& asked) {
  const Time oldest_quote = step.now - Duration(step.state.policy.quote_ttl_us());
  const bool raised =
      offer.id.value != 0 &&
      (asked.device_hour > offer.device_hour || asked.disk_gb_hour > offer.disk_gb_hour ||
       asked.egress_gb > offer.egress_gb || is_less_anywhere(asked.discounts, offer.discounts));
  const auto outlived = [&](const FormerPrice& former) { return former.raised_at <= oldest_quote; };
  const auto standing = static_cast<std::size_t>(
      std::count_if(offer.former.begin(), offer.former.end(), std::not_fn(outlived)));
  if (raised && standing >= kFormerPricesMax) return false;
  std::erase_if(offer.former, outlived);
  if (raised) {
    offer.former.push_back(
        {step.now, offer.device_hour, offer.disk_gb_hour, offer.discounts, offer.egress_gb});
  }
  offer.device_hour = asked.device_hour;
  offer.disk_gb_hour = asked.disk_gb_hour;
  offer.discounts = asked.discounts;
  offer.egress_gb = asked.egress_gb;
  return true;
}

std::optional<Refusal> check_offer(const v1::SetOffer& command, const MarketState& state) {
  const struct {
    const char* field;
    std::int64_t micros;
  } prices[] = {{"device_hour_micros", command.device_hour_micros()},
                {"disk_gb_hour_micros", command.disk_gb_hour_micros()},
                {"device_hour_micros_min", command.device_hour_micros_min()},
                {"device_hour_micros_max", command.device_hour_micros_max()},
                {"spot_floor_micros", command.spot_floor_micros()},
                {"egress_gb_micros", command.egress_gb_micros()}};
  for (const auto& price : prices) {
    if (auto why = check_price(price.field, price.micros, state.limits)) return why;
  }
  if (command.device_hour_micros_min() > command.device_hour_micros_max()) {
    return refusal(v1::VALUE_INVALID, "device_hour_micros_min",
                   "a price that follows the market needs a floor that is not above its ceiling");
  }
  if (command.device_hour_micros_max() > 0 && !keeps_index(state.policy)) {
    return refusal(v1::VALUE_INVALID, "device_hour_micros_max",
                   "this market keeps no price index to follow: give a fixed price");
  }
  const std::int64_t dearest =
      std::max(command.device_hour_micros(), command.device_hour_micros_max());
  if (command.spot_floor_micros() > (command.spot() ? dearest : 0)) {
    return refusal(v1::VALUE_INVALID, "spot_floor_micros",
                   "the least that spot pays is not above the price, and stands only where spot "
                   "is taken");
  }
  if (command.egress_gb_micros() > 0 && !state.policy.prices_egress()) {
    return refusal(v1::VALUE_INVALID, "egress_gb_micros",
                   "in this market nothing is charged for what leases send: leave that price out");
  }
  if (!are_discounts(command.discounts())) {
    return refusal(v1::VALUE_INVALID, "discounts",
                   "a longer term has no smaller discount than a shorter one, and none has more "
                   "than {} basis points",
                   kDiscountMax);
  }
  if (command.share_thousandths_min() > kWholeDevice) {
    return refusal(v1::VALUE_INVALID, "share_thousandths_min",
                   "a share of {} thousandths is more than a device",
                   command.share_thousandths_min());
  }
  if (command.duration_us_max() < 0 || command.duration_us_max() >= kTimeMax.us) {
    return refusal(v1::VALUE_INVALID, "duration_us_max",
                   "the longest lease must be 0 (no limit) or a positive time");
  }
  return std::nullopt;
}

void follow(MarketState& state, const Node& node) {
  if (node.offer.ceiling.value > 0) {
    state.followers.insert(node.id);
  } else {
    state.followers.erase(node.id);
  }
}

}  // namespace

bool change_price(Step& step, Node& node, Micros device_hour, Micros disk_gb_hour) {
  Offer& offer = node.offer;
  if (device_hour == offer.device_hour && disk_gb_hour == offer.disk_gb_hour) return true;
  const bool lowered = device_hour < offer.device_hour || disk_gb_hour < offer.disk_gb_hour;
  if (!ask(step, offer, {device_hour, disk_gb_hour, offer.discounts, offer.egress_gb})) {
    return false;
  }
  offer_changed(step.state, node);
  if (lowered) node_gained(step.state, node);
  tell_offer(step, node, false);
  return true;
}

void clear_offer(Step& step, Node& node) {
  if (node.offer.id.value == 0) return;
  tell_offer(step, node, true);
  node.offer = Offer{};
  follow(step.state, node);
}

void handle(Step& step, const v1::SetOffer& command) {
  MarketState& state = step.state;
  if (auto why = check_offer(command, state)) return step.refuse(std::move(*why));
  Node* const node = owned_node(step, NodeId(command.node()));
  if (node == nullptr) return;
  const Micros floor(command.device_hour_micros_min());
  const Micros ceiling(command.device_hour_micros_max());
  Micros device_hour(command.device_hour_micros());
  if (ceiling.value > 0) device_hour = price_within(*node, floor, ceiling, device_hour);
  Offer& offer = node->offer;
  if (!ask(step, offer,
           {device_hour, Micros(command.disk_gb_hour_micros()), discounts_of(command.discounts()),
            Micros(command.egress_gb_micros())})) {
    return step.refuse(v1::LIMIT_REACHED, "device_hour_micros",
                       "the price was raised {} times while quotes at the former ones stand: "
                       "try again in a few minutes",
                       kFormerPricesMax);
  }
  if (offer.id.value == 0) offer.id = step.next_id<OfferId>();
  offer.floor = floor;
  offer.ceiling = ceiling;
  offer.spot = command.spot();
  offer.spot_floor = Micros(command.spot_floor_micros());
  offer.share_thousandths_min =
      command.share_thousandths_min() == 0 ? kWholeDevice : command.share_thousandths_min();
  offer.duration_max = Duration(command.duration_us_max());
  follow(state, *node);
  offer_changed(state, *node);
  state.indexes.offered(*node, offer.device_hour);
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
  offer_changed(step.state, *node);
}

}  // namespace fallow::core
