// The blame table: for every ending of a lease, who it is charged to and what that means for the
// money and for the task. The one place where this is decided. Pure functions.
#pragma once

#include "fallow/v1/types.pb.h"

namespace fallow::core {

struct Ending {
  v1::Blame blame;
  bool refund;     // the proven time since the last checkpoint is given back
  bool retry;      // the task runs again elsewhere, as long as it has attempts left
  bool task_done;  // the task is finished and well
  bool by_node;    // this node or its owner ended it: its record counts it, the task avoids it
};

// Total over the endings: END_REASON_UNSPECIFIED and unknown numbers are a bug (CHECK).
Ending ending_of(v1::EndReason reason);

// May what ended the lease lie in the task itself, so that it ends others, too? A host that is gone
// or taken back says nothing of what ran there.
bool may_lie_in_task(v1::EndReason reason);

// What the market makes of a reason that a node gives. A node cannot say that the renter or the
// market ended a lease, which only the market knows: such words, and unknown ones, count as
// WORKLOAD_LOST. TIME_LIMIT passes here and is held against the meter by the caller.
v1::EndReason believed(v1::EndReason reported);

}  // namespace fallow::core
