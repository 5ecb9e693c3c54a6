// fallow openapi: the API's description, as docs/openapi.json has it.
#include "cli/command.h"

namespace fallow::cli {

void add_openapi(Parser& app, Context& context, Host& host) {
  Parser* command = app.add_subcommand("openapi", "print the API's OpenAPI document");
  command->footer("Example:\n  fallow openapi > openapi.json");
  command->callback([&context, &host] {
    context.run = [&host] {
      std::printf("%s\n", host.openapi().c_str());
      return static_cast<int>(kDone);
    };
  });
}

}  // namespace fallow::cli
