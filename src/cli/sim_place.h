// fallow sim place: the placement laboratory.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/context.h"

namespace fallow::cli {

// Adds `place` to the group `sim`.
void add_sim_place(CLI::App& group, Context& context);

}  // namespace fallow::cli
