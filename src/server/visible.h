// What a caller may see: another's order, lease or node is as one that does not exist.
//
// On the market thread, within a visit or behind a command.
#pragma once

#include <cstdint>

#include "core/machine.h"
#include "server/call.h"

namespace fallow::server {

// Its renter, its provider, and operators.
bool may_see(const Call& call, const core::Lease& lease);
// 404 when there is none of the caller's.
Answer<const core::Lease*> visible_lease(const Call& call, const core::Machine& machine,
                                         std::uint64_t id);
// Its renter and operators.
Answer<const core::Order*> visible_order(const Call& call, const core::Machine& machine,
                                         std::uint64_t id);
// Its renter alone, for what is paid by him or known to nobody else: an operator who rents, too,
// sees the orders of others but spends nothing for them.
Answer<const core::Order*> own_order(const Call& call, const core::Machine& machine,
                                     std::uint64_t id);
// Its provider and operators.
Answer<const core::Node*> visible_node(const Call& call, const core::Machine& machine,
                                       std::uint64_t id);
// Any thread: the account that a request is about, 0 being the caller's own; for operators any.
Answer<AccountId> visible_account(const Call& call, std::uint64_t id);
// 404 when there is none.
Answer<const core::Account*> known_account(const core::Machine& machine, AccountId id);
tl::unexpected<v1::Problem> order_unknown(std::uint64_t order);
tl::unexpected<v1::Problem> node_unknown(std::uint64_t node);

}  // namespace fallow::server
