// The options of a market's server: the same for `server` and `up`.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/host.h"

namespace fallow::cli {

std::shared_ptr<ServerArguments> add_server_options(CLI::App& command);

}  // namespace fallow::cli
