// The service Nodes: providers' machines, how they join and what they ask for.
#include <cmath>

#include "base/join_token.h"
#include "base/signing.h"
#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/pages.h"
#include "server/region_counts.h"
#include "server/requirements.h"
#include "server/scan.h"
#include "server/views.h"
#include "server/visible.h"

namespace fallow::server {
namespace {

constexpr double kTokenHoursMax = 24 * 365;
constexpr std::uint32_t kTokenUsesMax = 10'000;

net::Task<Answer<v1::JoinTokenResponse>> create_join_token(
    Call& call, const v1::CreateJoinTokenRequest& request) {
  FALLOW_CO_ASSIGN(const Duration time,
                   hours_of("hours", request.hours(), hours(24), kTokenHoursMax));
  if (request.uses_max() > kTokenUsesMax) {
    co_return refuse_field("uses_max", "uses_max is at most {}", kTokenUsesMax);
  }
  JoinToken token;
  token.url = call.parts().url;
  token.certificate = call.parts().certificate;
  const std::string secret = call.secret_for("join token");
  std::copy(secret.begin(), secret.end(), token.secret.begin());
  const Time expires_at = call.now() + time;

  v1::Command command;
  v1::CreateJoinToken& out = *command.mutable_create_join_token();
  out.set_account(call.caller().account.value);
  out.set_secret_hash(to_bytes(token.secret_hash()));
  out.set_expires_at_us(expires_at.us);
  out.set_uses_max(request.uses_max() == 0 ? 1 : request.uses_max());
  const std::function<Answer<v1::JoinTokenResponse>(const Done&)> take =
      [&](const Done& done) -> Answer<v1::JoinTokenResponse> {
    v1::JoinTokenResponse response;
    response.set_token(to_text(token));
    // Of a repeated call the first one's answer holds; the market keeps no copy of it.
    if (done.repeated == 0) *response.mutable_expires_at() = timestamp_of(expires_at);
    return response;
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::NodeView>> join_node(Call& call, const v1::JoinNodeRequest& request) {
  const auto secret = from_hex(request.secret());
  if (!secret || secret->size() != 32) {
    co_return refuse_field("secret", "secret is the join token's 32 bytes in hex");
  }
  const auto key = from_hex(request.public_key());
  if (!key || key->size() != 32) {
    co_return refuse_field("public_key", "public_key is an Ed25519 key, 32 bytes in hex");
  }
  Micros price;
  if (!request.price_per_hour().empty()) {
    FALLOW_CO_ASSIGN(price, positive_money_of("price_per_hour", request.price_per_hour()));
  }
  FALLOW_CO_ASSIGN(const Micros egress,
                   money_of("egress_price_per_gb", request.egress_price_per_gb()));
  if (egress.value > 0 && price == Micros()) {
    co_return refuse_field("price_per_hour",
                           "a price of egress alone offers nothing: give price_per_hour, too");
  }
  v1::Command command;
  v1::JoinNode& out = *command.mutable_join_node();
  out.set_secret_hash(to_bytes(digest_of(std::string_view(*secret))));
  out.set_public_key(*key);
  *out.mutable_facts() = request.facts();
  const std::function<Answer<v1::NodeView>(const Done&)> take =
      [](const Done& done) -> Answer<v1::NodeView> {
    const std::uint64_t id =
        done.entity(&v1::Event::node_joined, v1::Event::kNodeJoined, &v1::NodeJoined::node);
    const core::Node* node = done.machine.node(NodeId(id));
    if (node == nullptr) return node_unknown(id);
    return node_view(*node, done.machine);
  };
  if (price == Micros()) co_return co_await call.submit(std::move(command), take);

  // The token speaks for its provider, so it may say the first price, too.
  FALLOW_CO_ASSIGN(const v1::NodeView joined, co_await call.submit(std::move(command), take));
  v1::Command offering;
  offering.mutable_set_offer()->set_node(joined.id());
  offering.mutable_set_offer()->set_device_hour_micros(price.value);
  offering.mutable_set_offer()->set_egress_gb_micros(egress.value);
  const std::function<Answer<v1::NodeView>(const Done&)> take_offer =
      [&](const Done& done) -> Answer<v1::NodeView> {
    const core::Node* node = done.machine.node(NodeId(joined.id()));
    if (node == nullptr) return node_unknown(joined.id());
    return node_view(*node, done.machine);
  };
  co_return co_await call.submit(std::move(offering), take_offer, "offer");
}

net::Task<Answer<v1::ListNodesResponse>> list_nodes(Call& call,
                                                    const v1::ListNodesRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t after, page_position("nodes", request.page_token()));
  v1::ListNodesResponse response;
  const auto step = [&](const core::Machine& machine, Scan& scan) {
    machine.visit_nodes(NodeId(scan.position), [&](const core::Node& node) {
      if (!scan.look_at(node.id.value)) return false;
      if (node.removed || !call.caller().may_see(node.provider)) return true;
      *response.add_nodes() = node_view(node, machine);
      return scan.take();
    });
  };
  FALLOW_CO_ASSIGN(const Scan scan, co_await scan_all(call, after, size, step));
  if (scan.is_full()) response.set_next_page_token(page_token("nodes", scan.position));
  co_return response;
}

// The node's view, if the caller may see it: before a command about it, and for its answer.
net::Task<Answer<v1::NodeView>> look_at_node(Call& call, std::uint64_t id) {
  const std::function<Answer<v1::NodeView>(const core::Machine&)> look =
      [&call, id](const core::Machine& machine) -> Answer<v1::NodeView> {
    FALLOW_ASSIGN(const core::Node* node, visible_node(call, machine, id));
    return node_view(*node, machine);
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::ListRegionsResponse>> list_regions(Call& call, const v1::ListRegionsRequest&) {
  RegionCounts counts;
  const auto step = [&counts](const core::Machine& machine, Scan& scan) {
    machine.visit_nodes(NodeId(scan.position), [&](const core::Node& node) {
      if (!scan.look_at(node.id.value)) return false;
      counts.add(node);
      return true;
    });
  };
  FALLOW_CO_TRY(co_await scan_all(call, 0, 1, step));
  co_return counts.view();
}

net::Task<Answer<v1::NodeView>> get_node(Call& call, const v1::GetNodeRequest& request) {
  co_return co_await look_at_node(call, request.node());
}

net::Task<Answer<v1::NodeView>> submit_about(Call& call, v1::Command command, v1::NodeView before) {
  const std::function<Answer<v1::NodeView>(const Done&)> take =
      [&before](const Done& done) -> Answer<v1::NodeView> {
    const core::Node* node = done.machine.node(NodeId(before.id()));
    if (node != nullptr) return node_view(*node, done.machine);
    before.set_connected(false);  // forgotten at once: as it was, but gone
    before.clear_offer();
    return before;
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::NodeView>> remove_node(Call& call, const v1::RemoveNodeRequest& request) {
  FALLOW_CO_ASSIGN(v1::NodeView before, co_await look_at_node(call, request.node()));
  v1::Command command;
  command.mutable_remove_node()->set_node(request.node());
  co_return co_await submit_about(call, std::move(command), std::move(before));
}

net::Task<Answer<v1::NodeView>> withdraw_offer(Call& call,
                                               const v1::WithdrawOfferRequest& request) {
  FALLOW_CO_ASSIGN(v1::NodeView before, co_await look_at_node(call, request.node()));
  v1::Command command;
  command.mutable_withdraw_offer()->set_node(request.node());
  co_return co_await submit_about(call, std::move(command), std::move(before));
}

net::Task<Answer<v1::OfferView>> set_offer(Call& call, const v1::SetOfferRequest& request) {
  const bool follows = !request.price_ceiling_per_hour().empty();
  FALLOW_CO_ASSIGN(const Micros price,
                   follows ? money_of("price_per_hour", request.price_per_hour())
                           : positive_money_of("price_per_hour", request.price_per_hour()));
  FALLOW_CO_ASSIGN(const Micros floor,
                   money_of("price_floor_per_hour", request.price_floor_per_hour()));
  FALLOW_CO_ASSIGN(const Micros ceiling,
                   money_of("price_ceiling_per_hour", request.price_ceiling_per_hour()));
  FALLOW_CO_ASSIGN(const Micros disk,
                   money_of("disk_price_per_gb_hour", request.disk_price_per_gb_hour()));
  FALLOW_CO_ASSIGN(const Micros egress,
                   money_of("egress_price_per_gb", request.egress_price_per_gb()));
  if (follows && (ceiling.value == 0 || floor > ceiling)) {
    co_return refuse_field("price_ceiling_per_hour",
                           "a price that follows the market has a ceiling above 0 and not below "
                           "its floor");
  }
  if (!follows && floor.value > 0) {
    co_return refuse_field("price_ceiling_per_hour",
                           "a floor alone fixes nothing: give a ceiling, too");
  }
  const double share = request.share_min();
  if (!std::isfinite(share) || share < 0 || share > 1) {
    co_return refuse_field("share_min", "share_min is a part of a GPU: above 0 and at most 1");
  }
  FALLOW_CO_ASSIGN(const Duration longest,
                   hours_of("hours_max", request.hours_max(), Duration(), 24 * 366));
  FALLOW_CO_TRY(co_await look_at_node(call, request.node()));

  v1::Command command;
  v1::SetOffer& out = *command.mutable_set_offer();
  out.set_node(request.node());
  out.set_device_hour_micros(price.value);
  out.set_device_hour_micros_min(floor.value);
  out.set_device_hour_micros_max(ceiling.value);
  out.set_disk_gb_hour_micros(disk.value);
  out.set_egress_gb_micros(egress.value);
  out.set_share_thousandths_min(
      share == 0 ? core::kWholeDevice : static_cast<std::uint32_t>(std::ceil(share * 1000 - 1e-6)));
  out.set_duration_us_max(longest.value);
  if (!request.spot_floor_per_hour().empty()) {
    FALLOW_CO_ASSIGN(const Micros spot,
                     money_of("spot_floor_per_hour", request.spot_floor_per_hour()));
    out.set_spot(true);
    out.set_spot_floor_micros(spot.value);
  }
  if (request.has_discounts()) *out.mutable_discounts() = request.discounts();
  const std::function<Answer<v1::OfferView>(const Done&)> take =
      [&](const Done& done) -> Answer<v1::OfferView> {
    FALLOW_ASSIGN(const core::Node* node, visible_node(call, done.machine, request.node()));
    return offer_view(*node);
  };
  co_return co_await call.submit(std::move(command), take);
}

}  // namespace

void add_node_handlers(Handlers& handlers) {
  handlers.add("Nodes.CreateJoinToken", create_join_token);
  handlers.add("Nodes.JoinNode", join_node);
  handlers.add("Nodes.ListNodes", list_nodes);
  handlers.add("Nodes.ListRegions", list_regions);
  handlers.add("Nodes.GetNode", get_node);
  handlers.add("Nodes.RemoveNode", remove_node);
  handlers.add("Nodes.SetOffer", set_offer);
  handlers.add("Nodes.WithdrawOffer", withdraw_offer);
}

}  // namespace fallow::server
