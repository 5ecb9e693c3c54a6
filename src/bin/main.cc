#include <google/protobuf/stubs/logging.h>
#include <sodium.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <memory>
#include <string_view>

#include "agent/inventory.h"
#include "agent/prove.h"
#include "bin/market_host.h"
#include "cli/command.h"

int main(int argc, char** argv) {
  if (sodium_init() < 0) {
    std::fprintf(stderr, "fallow: libsodium finds no source of randomness on this machine\n");
    return fallow::cli::kJobFailed;
  }
  // Text that is not UTF-8 is refused where it comes in; protobuf's own line about it says no more.
  google::protobuf::SetLogHandler(nullptr);
  // Two modes that the program starts itself in; people never type them.
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == fallow::agent::kProbeMode) return fallow::agent::probe_devices_main();
  if (mode == fallow::agent::kProveMode) {
    return fallow::agent::prove_devices_main(argc - 2, argv + 2);
  }

  // The output is for answers, which may be JSON; what happens meanwhile is told beside it.
  spdlog::default_logger()->sinks() = {std::make_shared<spdlog::sinks::stderr_color_sink_mt>()};
  fallow::bin::MarketHost host;
  return fallow::cli::run_program(argc, argv, host);
}
