// verify: walks a whole log and believes nothing.
#pragma once

#include "log/log.h"

namespace fallow::log {

// Reads every entry from the first and checks form, order and chain. Returns where the sound log
// ends; kCorrupt names the first entry that is not sound. Holds a few MB at a time.
Result<Head> verify(LogReader& log);

}  // namespace fallow::log
