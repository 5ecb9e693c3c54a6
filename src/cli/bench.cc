// fallow bench: how fast this market answers, measured from here.
#include <algorithm>
#include <chrono>

#include "cli/command.h"
#include "cli/requirement_options.h"

namespace fallow::cli {
namespace {

struct BenchOptions {
  std::vector<std::string> query;
  std::uint32_t count = 1'000;
};

struct Latency {
  std::vector<double> us;

  double percentile(double p) {
    std::sort(us.begin(), us.end());
    const auto at = static_cast<std::size_t>(p * static_cast<double>(us.size() - 1));
    return us[at];
  }
};

template <class Call>
client::ApiResult<Latency> measure(std::uint32_t count, Call&& call) {
  Latency latency;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (auto answer = call(); !answer && answer.error().kind != client::ApiError::Kind::kRefused) {
      return tl::unexpected(answer.error());
    }
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    latency.us.push_back(took.count());
  }
  return latency;
}

int bench(const Context& context, const BenchOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::CreateQuoteRequest request;
  request.set_query(join(options.query));
  request.set_hours(1);
  const std::uint32_t count = options.count;
  auto plain = measure(
      count, [&] { return api->call<v1::MarketView>("Market.GetMarket", v1::GetMarketRequest()); });
  if (!plain) return report(context, plain.error());
  auto quotes =
      measure(count, [&] { return api->call<v1::QuoteView>("Market.CreateQuote", request); });
  if (!quotes) return report(context, quotes.error());
  if (context.json) {
    std::printf(
        "{\"calls\":%u,\"market_p50_us\":%.0f,\"market_p99_us\":%.0f,\"quote_p50_us\":%.0f,"
        "\"quote_p99_us\":%.0f}\n",
        count, plain->percentile(0.5), plain->percentile(0.99), quotes->percentile(0.5),
        quotes->percentile(0.99));
    return kDone;
  }
  std::printf("%u calls over one connection\n", count);
  std::printf("  a read of the market   p50 %6.0f us   p99 %6.0f us\n", plain->percentile(0.5),
              plain->percentile(0.99));
  std::printf("  a quote                p50 %6.0f us   p99 %6.0f us\n", quotes->percentile(0.5),
              quotes->percentile(0.99));
  return kDone;
}

}  // namespace

void add_bench(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<BenchOptions>();
  Parser* command = app.add_subcommand("bench", "measure how fast the market answers from here");
  command->add_option("query", options->query, "of the quotes");
  command->add_option("-n,--count", options->count, "calls of each kind")
      ->check(range(1U, kCountMax))
      ->capture_default_str();
  command->footer("Example:\n  fallow bench 'gpu_ram>=24' -n 2000\nA key's rate limit applies.");
  command->callback(
      [=, &context] { context.run = [=, &context] { return bench(context, *options); }; });
}

}  // namespace fallow::cli
