#include "server/visible.h"

namespace fallow::server {

bool may_see(const Call& call, const core::Lease& lease) {
  return call.caller().may_see(lease.renter) || call.caller().may_see(lease.provider);
}

Answer<const core::Lease*> visible_lease(const Call& call, const core::Machine& machine,
                                         std::uint64_t id) {
  const core::Lease* lease = machine.lease(LeaseId(id));
  if (lease == nullptr || !may_see(call, *lease)) {
    return refuse(404, "not_found", "there is no lease {} of yours; GET /v1/leases lists them", id);
  }
  return lease;
}

tl::unexpected<v1::Problem> order_unknown(std::uint64_t order) {
  return refuse(404, "not_found", "there is no order {} of yours; GET /v1/orders lists them",
                order);
}

Answer<const core::Order*> visible_order(const Call& call, const core::Machine& machine,
                                         std::uint64_t id) {
  const core::Order* order = machine.order(OrderId(id));
  if (order == nullptr || !call.caller().may_see(order->account)) return order_unknown(id);
  return order;
}

Answer<const core::Order*> own_order(const Call& call, const core::Machine& machine,
                                     std::uint64_t id) {
  const core::Order* order = machine.order(OrderId(id));
  if (order == nullptr || order->account != call.caller().account) return order_unknown(id);
  return order;
}

Answer<AccountId> visible_account(const Call& call, std::uint64_t id) {
  const AccountId account = id == 0 ? call.caller().account : AccountId(id);
  if (call.caller().may_see(account)) return account;
  return refuse(404, "not_found", "account {} is not yours; leave it out for your own", id);
}

Answer<const core::Account*> known_account(const core::Machine& machine, AccountId id) {
  const core::Account* account = machine.account(id);
  if (account == nullptr) {
    return refuse(404, "account_unknown", "there is no account {}", id.value);
  }
  return account;
}

tl::unexpected<v1::Problem> node_unknown(std::uint64_t node) {
  return refuse(404, "not_found", "there is no node {} of yours; GET /v1/nodes lists them", node);
}

Answer<const core::Node*> visible_node(const Call& call, const core::Machine& machine,
                                       std::uint64_t id) {
  const core::Node* node = machine.node(NodeId(id));
  if (node == nullptr || !call.caller().may_see(node->provider)) return node_unknown(id);
  return node;
}

}  // namespace fallow::server
