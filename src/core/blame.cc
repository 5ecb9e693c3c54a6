#include "core/blame.h"

#include "base/check.h"

namespace fallow::core {

Ending ending_of(v1::EndReason reason) {
  //                                         refund retry  task_done by_node
  constexpr Ending kDone{v1::BLAME_NONE, false, false, true, false};
  constexpr Ending kRenter{v1::BLAME_RENTER, false, false, false, false};
  constexpr Ending kProvider{v1::BLAME_PROVIDER, true, true, false, true};
  constexpr Ending kOwner{v1::BLAME_OWNER, false, true, false, true};
  constexpr Ending kPreempted{v1::BLAME_MARKET, false, true, false, false};
  constexpr Ending kMarket{v1::BLAME_MARKET, true, true, false, false};
  // A gang ends as a whole. Who failed it gives back what all of its nodes earned by it; providers
  // who did their part keep theirs, for else a renter with one node of a gang could have the others
  // for nothing. See docs/decisions/0007-gangs.md.
  constexpr Ending kGangLost{v1::BLAME_PROVIDER, true, true, false, false};
  switch (reason) {
    case v1::COMPLETED:
      return kDone;
    case v1::EXIT_CODE:
    case v1::OUT_OF_MEMORY:
    case v1::TIME_LIMIT:
    case v1::FUNDS:
    case v1::STOPPED:
    case v1::INPUT_INVALID:
    case v1::DISK_LIMIT:
    case v1::GANG_FAILED:
      return kRenter;
    case v1::DEVICE_FAULT:
    case v1::HOST_LOST:
    case v1::START_FAILED:
    case v1::WORKLOAD_LOST:
    case v1::NODE_WITHDRAWN:
      return kProvider;
    case v1::OWNER_RETURNED:
      return kOwner;
    case v1::PREEMPTED:
    case v1::GANG_BROKEN:
    case v1::IMAGE_UNAVAILABLE:  // before the start, so that nothing was charged
    case v1::STORE_FULL:         // a node's word alone must not spend the market's fees
      return kPreempted;
    case v1::GANG_LOST:
      return kGangLost;
    case v1::MARKET_FAULT:
      return kMarket;
    default:
      break;
  }
  FALLOW_CHECK(false, "a lease cannot end for reason {}", static_cast<int>(reason));
  return kMarket;
}

bool may_lie_in_task(v1::EndReason reason) {
  return reason == v1::START_FAILED || reason == v1::DEVICE_FAULT || reason == v1::WORKLOAD_LOST ||
         reason == v1::IMAGE_UNAVAILABLE || reason == v1::STORE_FULL;
}

v1::EndReason believed(v1::EndReason reported) {
  switch (reported) {
    case v1::COMPLETED:
    case v1::EXIT_CODE:
    case v1::OUT_OF_MEMORY:
    case v1::TIME_LIMIT:
    case v1::INPUT_INVALID:
    case v1::DISK_LIMIT:
    case v1::DEVICE_FAULT:
    case v1::HOST_LOST:
    case v1::START_FAILED:
    case v1::WORKLOAD_LOST:
    case v1::OWNER_RETURNED:
    case v1::IMAGE_UNAVAILABLE:
    case v1::STORE_FULL:
      return reported;
    default:
      return v1::WORKLOAD_LOST;
  }
}

}  // namespace fallow::core
