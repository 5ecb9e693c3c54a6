// `--plot DIR` of the laboratories.
#pragma once

#include <string>

#include "cli/context.h"
#include "sim/chart.h"

namespace fallow::cli {

// Draws the chart as `name`.svg in the folder and says where it is; nothing for an empty folder.
// Gives the exit code.
int draw_chart(const Context& context, const sim::Chart& chart, const std::string& folder,
               const std::string& name);

}  // namespace fallow::cli
