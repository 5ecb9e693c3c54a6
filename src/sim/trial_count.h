// TrialCount: what a span of a market came to, counted from its commands and events: in fact, and
// in the model of a trial, by the same rules.
//
// Owner: try_policy; one thread. Holds some bytes for each order of the span.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/trial.pb.h"

namespace fallow::sim {

// What became of one ask for an order of the span, in the order of the asks.
struct TrialOrder {
  bool repeated = false;  // the same request again: nothing became of this one
  v1::Refusal refusal = v1::REFUSAL_UNSPECIFIED;  // it was accepted
  Time placed_at;                                 // its first lease; 0: none
  std::int64_t charged = 0;                       // less refunds
};

class TrialCount {
 public:
  // A command with its events.
  void see(const v1::Command& command, core::EventSpan events, Time now);
  // The span is over.
  void finish(const core::Machine& machine);

  v1::TrialFigures figures() const;
  const std::vector<TrialOrder>& orders() const { return orders_; }

 private:
  void see_order(core::EventSpan events, Time now);
  void see_event(const v1::Event& event, Time now);
  void see_transfer(const v1::Transferred& transfer);

  struct Asked {
    std::size_t number;  // in orders_
    Time at;
  };
  std::vector<TrialOrder> orders_;
  std::unordered_map<std::uint64_t, Asked> asked_;  // by order; those that were accepted
  std::uint64_t placed_ = 0, waiting_ = 0, leases_ = 0, lost_ = 0, preempted_ = 0, done_ = 0,
                failed_ = 0;
  Wide waited_us_ = 0;
  std::int64_t charged_ = 0, refunded_ = 0, fee_ = 0, earned_ = 0;
};

// The second beside the first; of the same orders.
v1::TrialDifference difference_of(const std::vector<TrialOrder>& now,
                                  const std::vector<TrialOrder>& tried);
// Refused orders by code.
std::vector<v1::TrialRefusal> refusals_of(const std::vector<TrialOrder>& now,
                                          const std::vector<TrialOrder>& tried);

}  // namespace fallow::sim
