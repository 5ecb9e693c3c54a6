// fallow sim scale: the scale laboratory.
#pragma once

#include "cli/context.h"
#include "cli/parser.h"

namespace fallow::cli {

// Adds `scale` to the group `sim`.
void add_sim_scale(Parser& group, Context& context);

}  // namespace fallow::cli
