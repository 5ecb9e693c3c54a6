// fallow audit: replay a market's log from nothing and compare everything.
#include "cli/command.h"

namespace fallow::cli {
namespace {

int audit(const Context& context, Host& host, const std::string& data) {
  const auto report_ = host.audit(data);
  if (!report_) {
    std::fprintf(stderr, "fallow: %s\n", report_.error().message.c_str());
    return kJobFailed;
  }
  if (context.json) {
    std::printf(
        "{\"entries\":%llu,\"commands\":%llu,\"accounts\":%llu,\"leases\":%llu,"
        "\"head\":\"%s\",\"digest\":\"%s\",\"chain\":\"ok\",\"ledger\":\"balanced\"}\n",
        static_cast<unsigned long long>(report_->entries),
        static_cast<unsigned long long>(report_->commands),
        static_cast<unsigned long long>(report_->accounts),
        static_cast<unsigned long long>(report_->leases), report_->head.c_str(),
        report_->digest.c_str());
    return kDone;
  }
  std::printf("audit: %llu commands in %llu entries replayed from nothing\n",
              static_cast<unsigned long long>(report_->commands),
              static_cast<unsigned long long>(report_->entries));
  std::printf("  chain    ok, head %s\n  digest   %s\n  ledger   balanced over %llu accounts\n",
              report_->head.c_str(), report_->digest.c_str(),
              static_cast<unsigned long long>(report_->accounts));
  return kDone;
}

}  // namespace

void add_audit(Parser& app, Context& context, Host& host) {
  auto data = std::make_shared<std::string>();
  Parser* command =
      app.add_subcommand("audit", "replay a market's log from nothing: chain, digest, ledger");
  command->add_option("--data", *data, "the server's data folder")->required();
  command->footer("Example:\n  fallow audit --data /var/lib/fallow");
  command->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return audit(context, host, *data); };
  });
}

}  // namespace fallow::cli
