// Gangs: tasks of an order that start together, each on a node of its own, and end together.
//
// A gang is no thing of its own. Of an order whose requirements ask for N nodes, the tasks [0, N)
// are the first gang, [N, 2N) the second and so on; a member's rank is its task modulo N. Leases,
// meters and receipts are each member's own. All members are placed by one command. When a member's
// lease stops or ends otherwise than done or at its own time limit, the others are told to stop;
// once none of them runs any more, the gang is tried again or has failed.
#pragma once

#include "core/blame.h"
#include "core/step.h"

namespace fallow::core {

bool is_gang(const Order& order);
// Does a lease end for this reason because of another member's?
bool is_of_gang(v1::EndReason reason);
// The first task of the task's gang; those of the gang follow it.
std::uint32_t gang_start(const Order& order, std::uint32_t task);

// The first task of the first gang of which every member waits: none, while the rest of those that
// wait still end. Of an order without gangs the first task that waits.
std::optional<std::uint32_t> next_placeable(Order& order);

// The lease stops or has ended for this reason: what that means for the other members.
void stop_gang(Step& step, const Lease& lease, v1::EndReason reason);

// A member's lease has ended and its task says how: when it was the last, the gang is tried again
// as a whole, or what of it is not done has failed or is stopped.
void judge_gang(Step& step, Order& order, std::uint32_t task);

// It was told to stop because of another member, and its node was not heard of since before then:
// so it may be what brought the gang down, and it counts as a lost host.
bool is_lost_with_gang(const Lease& lease);

// Nodes that failed members of the gang.
std::vector<NodeId> avoided_by(const Order& order, std::uint32_t task);

}  // namespace fallow::core
