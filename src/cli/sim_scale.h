// fallow sim scale: the scale laboratory.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/context.h"

namespace fallow::cli {

// Adds `scale` to the group `sim`.
void add_sim_scale(CLI::App& group, Context& context);

}  // namespace fallow::cli
