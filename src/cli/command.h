// One command of `fallow`. Each lives in a file of its own and is listed in commands.cc.
//
// A command adds its options and sub-commands to the parser when it is made; run() is called when
// it was chosen. Exit codes are the design's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/context.h"
#include "cli/host.h"
#include "cli/parser.h"

namespace fallow::cli {

enum ExitCode : int {
  kDone = 0,
  kJobFailed = 1,    // the job, or what was asked for, failed
  kUsage = 2,        // the command line, a file or a setting is wrong
  kRefused = 3,      // the market said no: no match, no funds, not allowed
  kUnreachable = 4,  // the server cannot be reached
};

// Of a list that is one answer of the server, and of what is asked for again and again.
constexpr std::uint32_t kPageMax = 1'000;
constexpr std::uint32_t kCountMax = 1'000'000;

// Adds a command to `app`. The context and the host outlive the parsing and the run; the command
// sets context.run to what shall happen.
using AddCommand = void (*)(Parser& app, Context& context, Host& host);

void add_account(Parser& app, Context& context, Host& host);
void add_agent(Parser& app, Context& context, Host& host);
void add_audit(Parser& app, Context& context, Host& host);
void add_bench(Parser& app, Context& context, Host& host);
void add_completion(Parser& app, Context& context, Host& host);
void add_copy(Parser& app, Context& context, Host& host);
void add_events(Parser& app, Context& context, Host& host);
void add_exec(Parser& app, Context& context, Host& host);
void add_extend(Parser& app, Context& context, Host& host);
void add_forecast(Parser& app, Context& context, Host& host);
void add_jobs(Parser& app, Context& context, Host& host);
void add_keys(Parser& app, Context& context, Host& host);
void add_leases(Parser& app, Context& context, Host& host);
void add_logs(Parser& app, Context& context, Host& host);
void add_manual(Parser& app, Context& context, Host& host);
void add_market(Parser& app, Context& context, Host& host);
void add_nodes(Parser& app, Context& context, Host& host);
void add_offers(Parser& app, Context& context, Host& host);
void add_openapi(Parser& app, Context& context, Host& host);
void add_port_forward(Parser& app, Context& context, Host& host);
void add_quote(Parser& app, Context& context, Host& host);
void add_receipt(Parser& app, Context& context, Host& host);
void add_run(Parser& app, Context& context, Host& host);
void add_secrets(Parser& app, Context& context, Host& host);
void add_server(Parser& app, Context& context, Host& host);
void add_sim(Parser& app, Context& context, Host& host);
void add_ssh(Parser& app, Context& context, Host& host);
void add_stop(Parser& app, Context& context, Host& host);
void add_up(Parser& app, Context& context, Host& host);
void add_validate(Parser& app, Context& context, Host& host);
void add_speeds(Parser& app, Context& context, Host& host);
void add_team(Parser& app, Context& context, Host& host);
void add_wallet(Parser& app, Context& context, Host& host);
void add_webhooks(Parser& app, Context& context, Host& host);

// The whole program: parses, runs, answers the exit code. `host` does what only bin/ can wire.
int run_program(int argc, const char* const* argv, Host& host);

}  // namespace fallow::cli
