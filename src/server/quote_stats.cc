#include "server/quote_stats.h"

namespace fallow::server {

double QuoteStats::Counts::share_honoured() const {
  const std::uint64_t taken = honoured + gone;
  return taken == 0 ? 1 : static_cast<double>(honoured) / static_cast<double>(taken);
}

void QuoteStats::on_batch(const engine::Batch& batch, const core::Machine&) {
  for (const engine::Applied& applied : batch.commands) {
    if (!applied.command->has_submit_order() || !applied.command->submit_order().has_quote()) {
      continue;
    }
    const Time until{applied.command->submit_order().quote().expires_at_us()};
    for (const v1::Event& event : applied.events) {
      if (event.has_order_accepted()) ++honoured_;
      if (!event.has_refused() || event.refused().code() != v1::QUOTE_GONE) continue;
      ++(until > applied.time ? gone_ : late_);
    }
  }
}

}  // namespace fallow::server
