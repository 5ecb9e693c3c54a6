// fallow sim market: the market laboratory.
#pragma once

#include "cli/context.h"
#include "cli/parser.h"

namespace fallow::cli {

// Adds `market` to the group `sim`.
void add_sim_market(Parser& group, Context& context);

}  // namespace fallow::cli
