// A file that the market sends, as it is.
#pragma once

#include <google/protobuf/message.h>

#include <string_view>

#include "cli/command.h"

namespace fallow::cli {

// To the standard output, all of it; the exit code. `rpc`: one whose answer is a file.
int print_download(const Context& context, client::Api& api, std::string_view rpc,
                   const google::protobuf::Message& request);

}  // namespace fallow::cli
