// Marks: rare branches that a run has gone through. A test asks that every one was reached, so that
// the simulator cannot quietly stop to simulate something.
//
// A value; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fallow::sim {

enum class Mark : std::uint8_t {
  kServerCrashed,
  kServerStopped,
  kTornWriteDropped,
  kUnansweredLost,
  kUnansweredKept,
  kDiskFull,
  kSnapshotRestored,
  kTornSnapshotPassedOver,
  kClockSetBack,
  kMessageLost,
  kMessageDoubled,
  kMessageReordered,
  kMessageDelayed,
  kGarbageRefused,
  kPartitioned,
  kConnectionCut,
  kAgentCrashed,
  kAgentCrashedMidway,
  kAgentFrozen,
  kAgentFenced,
  kMachineRebooted,
  kReadopted,
  kOwnerSuspended,
  kOwnerEvicted,
  kKilledAfterGrace,
  kDuplicateMeterIgnored,
  kLeaseSuspendedBySilence,
  kLeaseClosedBySilence,
  kSuspendedLeaseResumed,
  kStopNeverConfirmed,
  kMarketFault,
  kWorkloadLost,
  kNodeWithdrawn,
  kStartFailed,
  kInputInvalid,
  kDiskLimit,
  kOutOfMemory,
  kExitCode,
  kTimeLimit,
  kFunds,
  kStopped,
  kCompleted,
  kRetriedElsewhere,
  kRequestRepeated,
  kFormerPriceHonoured,
  kQuoteGone,
  kNoFunds,
  kOverBudget,
  kNoMatch,
  kPayoutReturned,
  kEarningsReleased,
  kTermRerated,
  kPreempted,
  kSpotOutbid,
  kSpotPriceAboveFloor,
  kGangEnded,
  kClockSetForward,
  kSilenceRuleChanged,
  kRetryWaitsForFence,
  kEndedInAnswer,
  kCheckpointTaken,
  kCheckpointCarriedOn,
  kPaidAfterFaults,
  kOrderExtended,
};
constexpr std::size_t kMarkCount = static_cast<std::size_t>(Mark::kOrderExtended) + 1;

// "torn write dropped": for people, in reports.
std::string_view name_of(Mark mark);

class Marks {
 public:
  void reach(Mark mark) { ++counts_[static_cast<std::size_t>(mark)]; }
  std::uint64_t count(Mark mark) const { return counts_[static_cast<std::size_t>(mark)]; }
  void add(const Marks& other) {
    for (std::size_t i = 0; i < kMarkCount; ++i) counts_[i] += other.counts_[i];
  }

 private:
  std::array<std::uint64_t, kMarkCount> counts_{};
};

}  // namespace fallow::sim
