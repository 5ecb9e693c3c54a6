// What may be spent, and what is: of a project, or of an account as a whole.
//
// Values; owner: Machine, market thread only.
#pragma once

#include "base/types.h"

namespace fallow::core {

struct Budget {
  Micros max;   // 0: no limit
  Micros used;  // held or charged ever, net of what was voided or refunded
};

}  // namespace fallow::core
