// SecretAsks: which leases wait for their secrets, as their nodes last said.
//
// In memory, and nothing else ever comes here: the secrets themselves pass by, sealed, and are not
// kept. A node repeats what it asks; what it does not repeat is forgotten, as is all of a node
// whose connection ends. What a node says of a lease counts only if the lease is its own: that is
// for whoever reads it to look up in the market.
//
// Owner: Hub. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <vector>

#include "base/types.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::server {

enum class SecretDelivery : std::uint8_t { kSent, kNotAsked, kNodeAway };

struct SecretAskLimits {
  std::size_t of_node_max = 1'024;
  Duration life = seconds(20);  // without a repetition
};

class SecretAsks {
 public:
  explicit SecretAsks(SecretAskLimits limits = {}) : limits_(limits) {}

  // False: it is malformed, and no agent of ours sends such. One too many is passed over.
  bool put(NodeId node, const v1::SecretAsk& ask, Time now);
  struct Ask {
    NodeId node;
    v1::SecretAsk said;
  };
  // Those that say they are of the order.
  std::vector<Ask> of(OrderId order, Time now) const;
  // It is answered: true when the node had asked and nobody was quicker.
  bool take(NodeId node, LeaseId lease, Time now);
  void drop(NodeId node);

 private:
  struct Kept {
    v1::SecretAsk said;
    Time until;
  };
  using OfNode = std::map<LeaseId, Kept>;

  const SecretAskLimits limits_;
  mutable std::mutex mutex_;
  std::map<NodeId, OfNode> asks_;
  std::set<std::tuple<OrderId, LeaseId, NodeId>> by_order_;  // each entry of asks_
};

}  // namespace fallow::server
