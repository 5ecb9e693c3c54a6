// fallow sim market: the market laboratory.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/context.h"

namespace fallow::cli {

// Adds `market` to the group `sim`.
void add_sim_market(CLI::App& group, Context& context);

}  // namespace fallow::cli
