// fallow sim forecast: the forecast on real traces, beside what is cheaply said of them.
#pragma once

#include "cli/context.h"
#include "cli/parser.h"

namespace fallow::cli {

void add_sim_forecast(Parser& group, Context& context);

}  // namespace fallow::cli
