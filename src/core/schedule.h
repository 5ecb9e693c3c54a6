// Which waiting task is placed next, and when the book is asked at all.
//
// Fairness: every order with a waiting task has a turn. A new one gets the turn behind the later of
// its account's last and the one served last; after each placement it gets one behind again. So
// accounts alternate, however many orders or tasks each of them has.
//
// Spot orders stand apart: they get what the others leave, the highest bid first, and a turn
// decides between equal bids. Who finds nothing may preempt spot leases: core/spot.h.
//
// Gangs (core/gangs.h) are placed as a whole or not at all. Who needs more than one device, or with
// fair turns (the policy's) at least a whole one, and finds no place may have others kept off what
// it waits for: core/reservation.h.
//
// Work: an order is matched when it becomes `dirty` (new, a task waits again, money came back), and
// a node's gain of capacity (`fresh`) is tested against the waiting orders, in their turn, before
// the book is asked. Those who ask for the same are tested together (core/waiting_orders.h), and
// who asks for no less than another who just found nothing is not searched for (core/misses.h),
// which changes no answer: the limits count them one by one. What the per-command limits leave
// over is done in the next Tick, which is due at once.
//
// With fair turns the tests of fresh nodes have half of what a command may do, one node after the
// other, and matching has the rest: around nodes that are still to be tested, for those who wait
// longer come first there. Who would have a place only on such a node stays dirty; with firm turns
// also who has a deadline and would have it on spot, as long as it can wait. A node that gains more
// while it is tested is tested to the end first, and then anew.
#pragma once

#include "core/step.h"

namespace fallow::core {

// A lease that made room for the order has ended: the order is served before all others.
void take_room(Step& step, OrderId claimant);

bool schedule_pending(const MarketState& state);
// Places what can be placed. At the end of every command that was carried out.
void schedule(Step& step);

}  // namespace fallow::core
