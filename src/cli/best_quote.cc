#include "cli/best_quote.h"

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "base/money.h"
#include "cli/command.h"

namespace fallow::cli {
namespace {

constexpr std::string_view kNoMatch = "no_match";

// The less the better: that it can start, then what it costs.
std::pair<bool, Micros> rank_of(const v1::QuoteView& quote) {
  constexpr Micros kUnknown(std::numeric_limits<std::int64_t>::max());
  return {quote.tasks_at_once() == 0, parse_money(quote.total()).value_or(kUnknown)};
}

}  // namespace

client::ApiResult<v1::QuoteView> best_quote(const Context& context, client::Api& api,
                                            const Job& job) {
  const std::vector<RequirementOptions> wishes = job.wishes();
  client::ApiResult<v1::QuoteView> best = tl::unexpected(client::ApiError());
  std::size_t taken = 0;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    v1::CreateQuoteRequest wanted = to_request(wishes[i]);
    // Only some nodes run images, and a quote is for those that match.
    wanted.set_images(!job.image.empty());
    auto quote = api.call<v1::QuoteView>("Market.CreateQuote", wanted);
    // That nobody offers one of them is why there are others; anything else is wrong with all.
    if (!quote && quote.error().problem.code() != kNoMatch) return quote;
    if (quote ? best && rank_of(*best) <= rank_of(*quote) : i > 0) continue;
    best = std::move(quote);
    taken = i;
  }
  if (!job.alternatives.empty() && best && !context.json) {
    std::fprintf(stderr, "any_of: taking alternative %zu of %zu: %s\n", taken + 1, wishes.size(),
                 printable(join(wishes[taken].query)).c_str());
  }
  return best;
}

}  // namespace fallow::cli
