// fallow sim spot: the spot laboratory.
#pragma once

#include "cli/context.h"
#include "cli/parser.h"

namespace fallow::cli {

// Adds `spot` to the group `sim`.
void add_sim_spot(Parser& group, Context& context);

}  // namespace fallow::cli
