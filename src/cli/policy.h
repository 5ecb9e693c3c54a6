// fallow market policy: the market's rules as they stand, changed, or tried on the log.
#pragma once

#include "cli/command.h"

namespace fallow::cli {

// Adds the sub-command to `fallow market`.
void add_policy(Parser& market, Context& context, Host& host);

}  // namespace fallow::cli
