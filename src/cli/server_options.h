// The options of a market's server: the same for `server` and `up`.
#pragma once

#include <memory>

#include "cli/host.h"
#include "cli/parser.h"

namespace fallow::cli {

std::shared_ptr<ServerArguments> add_server_options(Parser& command);

}  // namespace fallow::cli
