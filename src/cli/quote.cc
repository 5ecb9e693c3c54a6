// fallow quote: a firm all-in price with a time to live.
#include "cli/command.h"
#include "cli/requirement_options.h"

namespace fallow::cli {
namespace {

int quote(const Context& context, const RequirementOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto quote = api->call<v1::QuoteView>("Market.CreateQuote", to_request(options));
  if (!quote) return report(context, quote.error());
  if (context.json) {
    print_json(*quote);
    return kDone;
  }
  std::printf("quote: %s\n", describe_quote(*quote).c_str());
  for (const v1::PricePart& part : quote->parts()) {
    const std::string by_time =
        part.price_per_hour().empty() ? "" : part.price_per_hour() + " per hour and task, ";
    std::printf("  %-16s %s%s in all\n", part.name().c_str(), by_time.c_str(),
                part.total().c_str());
  }
  std::printf("  %u of %u tasks could start now\n", quote->tasks_at_once(), quote->tasks());
  std::printf("take it with:  fallow run --quote %s -- COMMAND\n", quote->id().c_str());
  return kDone;
}

}  // namespace

void add_quote(Parser& app, Context& context, Host& /*host*/) {
  Parser* command = app.add_subcommand("quote", "a firm all-in price; the bill is never above it");
  const auto options = add_requirement_options(*command);
  command->footer(
      "Examples:\n  fallow quote 'gpu_ram>=24' --gpus 2 --hours 3 --max-price 0.90\n"
      "  fallow quote 'gpu_ram>=24' --tier reserved --term week\n"
      "  fallow quote 'gpu_ram>=24' --tier spot --bid 0.20");
  command->callback([options, &context] {
    context.run = [options, &context] { return quote(context, *options); };
  });
}

}  // namespace fallow::cli
