#include "server/secret_asks.h"

#include <iterator>

#include "base/signing.h"

namespace fallow::server {

bool SecretAsks::put(NodeId node, const v1::SecretAsk& ask, Time now) {
  if (ask.lease() == 0 || ask.order() == 0 || ask.public_key().size() != sizeof(PublicKey) ||
      ask.signature().size() != sizeof(Signature)) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  OfNode& of_node = asks_[node];
  const auto forget = [&](OfNode::iterator kept) {
    by_order_.erase({OrderId(kept->second.said.order()), kept->first, node});
    return of_node.erase(kept);
  };
  const LeaseId lease(ask.lease());
  if (const auto before = of_node.find(lease); before != of_node.end()) forget(before);
  if (of_node.size() >= limits_.of_node_max) {
    for (auto kept = of_node.begin(); kept != of_node.end();) {
      kept = kept->second.until <= now ? forget(kept) : std::next(kept);
    }
    if (of_node.size() >= limits_.of_node_max) return true;
  }
  // Only what is known of it: a stranger's message may hold more.
  Kept& kept = of_node[lease];
  kept.until = now + limits_.life;
  kept.said.set_lease(ask.lease());
  kept.said.set_order(ask.order());
  kept.said.set_public_key(ask.public_key());
  kept.said.set_signature(ask.signature());
  by_order_.emplace(OrderId(ask.order()), lease, node);
  return true;
}

std::vector<SecretAsks::Ask> SecretAsks::of(OrderId order, Time now) const {
  std::vector<Ask> found;
  const std::lock_guard lock(mutex_);
  for (auto named = by_order_.lower_bound({order, LeaseId(), NodeId()});
       named != by_order_.end() && std::get<OrderId>(*named) == order; ++named) {
    const NodeId node = std::get<NodeId>(*named);
    const Kept& kept = asks_.at(node).at(std::get<LeaseId>(*named));
    if (kept.until > now) found.push_back({node, kept.said});
  }
  return found;
}

bool SecretAsks::take(NodeId node, LeaseId lease, Time now) {
  const std::lock_guard lock(mutex_);
  const auto of_node = asks_.find(node);
  if (of_node == asks_.end()) return false;
  const auto kept = of_node->second.find(lease);
  if (kept == of_node->second.end() || kept->second.until <= now) return false;
  by_order_.erase({OrderId(kept->second.said.order()), lease, node});
  of_node->second.erase(kept);
  return true;
}

void SecretAsks::drop(NodeId node) {
  const std::lock_guard lock(mutex_);
  const auto of_node = asks_.find(node);
  if (of_node == asks_.end()) return;
  for (const auto& [lease, kept] : of_node->second) {
    by_order_.erase({OrderId(kept.said.order()), lease, node});
  }
  asks_.erase(of_node);
}

}  // namespace fallow::server
