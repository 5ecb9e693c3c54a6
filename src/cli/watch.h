// What devices and workloads do, for a terminal: of a lease or of a node, live or by the minute.
#pragma once

#include <cstdint>

#include "cli/context.h"
#include "cli/parser.h"

namespace fallow::cli {

enum class Watched : std::uint8_t { kLease, kNode };

// Adds `watch ID [--minutes]` to the command.
void add_watch(Parser& command, Context& context, Watched what);

}  // namespace fallow::cli
