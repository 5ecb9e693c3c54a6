// fallow sim spot: the spot laboratory.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/context.h"

namespace fallow::cli {

// Adds `spot` to the group `sim`.
void add_sim_spot(CLI::App& group, Context& context);

}  // namespace fallow::cli
