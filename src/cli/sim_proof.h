// fallow sim proof: the laboratory of proofs.
#pragma once

#include "cli/context.h"
#include "cli/parser.h"

namespace fallow::cli {

// Adds `proof` to the group `sim`.
void add_sim_proof(Parser& group, Context& context);

}  // namespace fallow::cli
