// fallow sim place: the placement laboratory.
#pragma once

#include "cli/context.h"
#include "cli/parser.h"

namespace fallow::cli {

// Adds `place` to the group `sim`.
void add_sim_place(Parser& group, Context& context);

}  // namespace fallow::cli
