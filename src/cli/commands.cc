// The list of commands, and the program around them.
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "cli/command.h"

namespace fallow::cli {
namespace {

constexpr AddCommand kCommands[] = {
    add_up,     add_server,       add_agent, add_offers,  add_quote,   add_run,        add_jobs,
    add_leases, add_nodes,        add_logs,  add_stop,    add_wallet,  add_receipt,    add_account,
    add_market, add_audit,        add_sim,   add_bench,   add_openapi, add_completion, add_validate,
    add_exec,   add_port_forward, add_copy,  add_ssh,     add_speeds,  add_forecast,   add_manual,
    add_keys,   add_webhooks,     add_team,  add_secrets, add_extend,  add_events,
};

void add_common_options(Parser& app, Context& context) {
  app.add_flag("--json", context.json, "print JSON, one document a line");
  app.add_option("--url", context.url, "the market; default: FALLOW_URL, then the config file");
  app.add_option("--api-key", context.api_key, "default: FALLOW_API_KEY, then the config file");
  app.add_option("--certificate", context.certificate,
                 "SHA-256 of the server's certificate, in hex");
  app.add_option(
      "--team", context.team,
      "the account to act for as its member; default: FALLOW_TEAM, then the config file");
}

}  // namespace

int run_program(int argc, const char* const* argv, Host& host) {
  // Everything behind `--` is a workload's command and none of our options.
  Context context;
  const auto end = argv + argc;
  const auto dashes = std::find(argv, end, std::string_view("--"));
  for (auto word = dashes; word != end && ++word != end;) context.command.emplace_back(*word);
  context.terminal = ::isatty(STDOUT_FILENO) == 1;
  context.random = &host.random();
  context.clock = &host.clock();

  Parser app("Fallow puts idle GPUs to work: rent, run, and pay per proven second.", "fallow");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", std::string("fallow ") + FALLOW_VERSION);
  add_common_options(app, context);
  for (const AddCommand add : kCommands) add(app, context, host);
  for (const auto& command : app.subcommands()) command->fallthrough();
  app.footer(
      "Settings: ~/.config/fallow/config.toml; FALLOW_URL, FALLOW_API_KEY, FALLOW_CERTIFICATE, "
      "FALLOW_TEAM.\n"
      "Exit codes: 0 done, 1 the job failed, 2 usage, 3 refused by the market, 4 no server.");
  if (const auto ended = app.parse(static_cast<int>(dashes - argv), argv)) {
    return *ended == 0 ? kDone : kUsage;
  }
  return context.run();
}

}  // namespace fallow::cli
