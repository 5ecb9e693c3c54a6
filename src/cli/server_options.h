// The options of a market's server: the same for `server` and `up`.
#pragma once

#include <memory>
#include <string>

#include "cli/host.h"
#include "cli/parser.h"

namespace fallow::cli {

std::shared_ptr<ServerArguments> add_server_options(Parser& command);

// Where a person finds the console, in a line.
std::string console_words(const ServerStarted& started);

}  // namespace fallow::cli
