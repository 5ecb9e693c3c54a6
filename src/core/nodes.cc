#include "core/nodes.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/authority.h"
#include "core/checks.h"
#include "core/deadlines.h"
#include "core/device_records.h"
#include "core/handlers.h"
#include "core/leases.h"
#include "core/node_facts.h"
#include "core/offers.h"
#include "core/proofs.h"
#include "core/repricing.h"
#include "core/reservation.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

// The node that the market's own word is about, or nullptr after refusing.
Node* reported_node(Step& step, NodeId id) {
  if (!require_market(step)) return nullptr;
  Node* const node = step.state.nodes.find(id);
  if (node != nullptr && !node->removed) return node;
  step.refuse(v1::NOT_FOUND, "node", "no node {} exists", id.value);
  return nullptr;
}

NodeDevice& device_at(Node& node, std::uint32_t index) {
  FALLOW_CHECK(index < node.devices.size(), "node {} has no device {}", node.id.value, index);
  return node.devices[index];
}

std::uint32_t rest(std::uint32_t whole, std::uint32_t used) {
  return whole > used ? whole - used : 0;
}

}  // namespace

void refresh_free(Node& node) {
  node.cpu_thousandths_free = rest(node.facts.cpu_thousandths(), node.cpu_thousandths_used);
  node.memory_mb_free = rest(node.facts.memory_mb(), node.memory_mb_used);
  node.disk_mb_free = rest(node.facts.disk_mb(), node.disk_mb_used);
}

void reserve(Node& node, const Lease& lease) {
  node.proof_disturbed = static_cast<bool>(node.proof);
  for (const std::uint32_t index : lease.devices) {
    NodeDevice& device = device_at(node, index);
    FALLOW_CHECK(device.free_thousandths >= lease.device_thousandths,
                 "device {} of node {} has only {} thousandths free", index, node.id.value,
                 device.free_thousandths);
    device.free_thousandths -= lease.device_thousandths;
  }
  FALLOW_CHECK(node.cpu_thousandths_free >= lease.cpu_thousandths &&
                   node.memory_mb_free >= lease.memory_mb && node.disk_mb_free >= lease.disk_mb,
               "node {} has not what lease {} needs", node.id.value, lease.id.value);
  node.cpu_thousandths_used += lease.cpu_thousandths;
  node.memory_mb_used += lease.memory_mb;
  node.disk_mb_used += lease.disk_mb;
  refresh_free(node);
}

void give_back(Node& node, const Lease& lease) {
  for (const std::uint32_t index : lease.devices) {
    device_at(node, index).free_thousandths += lease.device_thousandths;
  }
  node.cpu_thousandths_used -= lease.cpu_thousandths;
  node.memory_mb_used -= lease.memory_mb;
  node.disk_mb_used -= lease.disk_mb;
  refresh_free(node);
}

void offer_changed(MarketState& state, Node& node) {
  state.indexes.count(node, state.now);
  state.book->update(node);
  touch_reservation(state, node.id);
}

void load_changed(MarketState& state, Node& node) {
  state.indexes.count(node, state.now);
  state.book->update_load(node);
  touch_reservation(state, node.id);
}

bool takes_leases(const Node& node) {
  return node.connected && !node.removed && node.owner == v1::OWNER_AWAY &&
         node.offer.id.value != 0;
}

void follow_uptime(const MarketState& state, Node& node, bool cut) {
  const bool usable = node.connected && !node.removed && node.owner == v1::OWNER_AWAY;
  node.uptime.follow(usable, state.now, cut);
}

bool set_link(MarketState& state, Node& node, bool connected, bool cut) {
  node.silent = false;
  if (node.connected == connected) return false;
  node.connected = connected;
  if (connected) {
    ++state.nodes_connected;
  } else {
    --state.nodes_connected;
  }
  follow_uptime(state, node, cut);
  load_changed(state, node);
  return true;
}

void tell_changed(Step& step, const Node& node) {
  v1::NodeChanged& told = *step.tell().mutable_node_changed();
  told.set_node(node.id.value);
  told.set_connected(node.connected);
  told.set_owner(node.owner);
}

void fall_silent(Step& step, Node& node) {
  if (!node.connected) return;
  set_link(step.state, node, false);
  node.silent = true;
  tell_changed(step, node);
}

void forget_if_unused(MarketState& state, NodeId id) {
  const Node* const node = state.nodes.find(id);
  if (node != nullptr && node->removed && node->leases_known == 0) state.nodes.erase(id);
}

void handle(Step& step, const v1::JoinNode& command) {
  MarketState& state = step.state;
  if (auto why = check_hash("secret_hash", command.secret_hash())) {
    return step.refuse(std::move(*why));
  }
  if (auto why = check_hash("public_key", command.public_key())) {
    return step.refuse(std::move(*why));
  }
  if (auto why = check_facts(command.facts(), state.limits)) return step.refuse(std::move(*why));
  const auto token = state.join_tokens.find(digest_of_checked(command.secret_hash()));
  if (token == state.join_tokens.end() ||
      (token->second.expires_at.us != 0 && token->second.expires_at <= step.now)) {
    return step.refuse(v1::TOKEN_INVALID, "secret_hash",
                       "the join token is unknown, used up or expired: ask for a new one");
  }
  const Digest public_key = digest_of_checked(command.public_key());
  if (state.node_keys.contains(public_key)) {
    return step.refuse(v1::NODE_KEY_TAKEN, "public_key", "a node with this key has joined already");
  }
  if (state.nodes.size() >= state.limits.nodes_max) {
    return step.refuse(v1::LIMIT_REACHED, "", "the market has its most nodes, {}",
                       state.limits.nodes_max);
  }

  const auto id = step.next_id<NodeId>();
  Node& node = state.nodes.insert(id, Node{});
  node.id = id;
  node.provider = token->second.account;
  node.public_key = command.public_key();
  node.joined_at = step.now;
  node.seen_at = step.now;
  node.owner_since = step.now;
  merge_facts(node, command.facts());
  inherit_record(state, node, {});
  refresh_free(node);
  if (--token->second.uses_left == 0) state.join_tokens.erase(token);
  state.node_keys.emplace(public_key, id);
  ++state.nodes_present;
  state.devices += node.devices.size();
  place_in_class(state, node);
  state.book->update(node);
  step.entity = id.value;
  v1::NodeJoined& told = *step.tell().mutable_node_joined();
  told.set_node(id.value);
  told.set_account(node.provider.value);
}

void handle(Step& step, const v1::ReportNode& command) {
  MarketState& state = step.state;
  Node* const node = reported_node(step, NodeId(command.node()));
  if (node == nullptr) return;
  if (auto why = check_facts(command.facts(), state.limits)) return step.refuse(std::move(*why));
  state.devices -= node->devices.size();
  forget_shown_devices(state, *node);
  const std::vector<std::string> had = names_of_devices(*node);
  merge_facts(*node, command.facts());
  note_shown_devices(state, *node);
  inherit_record(state, *node, had);
  state.devices += node->devices.size();
  refresh_free(*node);
  node->seen_at = step.now;
  place_in_class(state, *node);
  state.book->update(*node);
  touch_reservation(state, node->id);
  node_gained(state, *node);
  step.entity = node->id.value;
  tell_changed(step, *node);
}

void handle(Step& step, const v1::SetNodeLink& command) {
  Node* const node = reported_node(step, NodeId(command.node()));
  if (node == nullptr) return;
  step.entity = node->id.value;
  if (command.connected()) node->seen_at = step.now;
  if (!set_link(step.state, *node, command.connected(), command.by_market())) return;
  if (node->connected) {
    lapse_proofs(step, *node);
    node_gained(step.state, *node);
  }
  tell_changed(step, *node);
}

void handle(Step& step, const v1::RemoveNode& command) {
  MarketState& state = step.state;
  Node* const node = state.nodes.find(NodeId(command.node()));
  if (node == nullptr || node->removed) {
    return step.refuse(v1::NOT_FOUND, "node", "no node {} exists", command.node());
  }
  if (acting_for(step, node->provider, v1::SCOPE_UNSPECIFIED) == nullptr) return;
  step.entity = node->id.value;

  node->removed = true;
  set_link(state, *node, false);
  clear_offer(step, *node);
  state.book->remove(node->id);
  forget_shown_devices(state, *node);
  // Off the node's list at once: one by one each of them would move all that stand behind it.
  const std::vector<LeaseId> leases = std::exchange(node->leases, {});
  for (const LeaseId id : leases) {
    Lease& lease = *state.leases.find(id);
    const bool stopping = lease.state == v1::STOPPING;
    end_lease(step, lease, stopping ? lease.stop_reason : v1::NODE_WITHDRAWN,
              {0, "the provider took the node away", ""});
  }
  place_in_class(state, *node);
  state.node_keys.erase(digest_of_checked(node->public_key));
  --state.nodes_present;
  state.devices -= node->devices.size();
  step.tell().mutable_node_removed()->set_node(node->id.value);
  forget_if_unused(state, node->id);
}

}  // namespace fallow::core
