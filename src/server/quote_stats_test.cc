#include "server/quote_stats.h"

#include <gtest/gtest.h>

#include <vector>

namespace fallow::server {
namespace {

// One order under a quote that runs out at `until`, applied at 100 us with this answer.
void take(QuoteStats& stats, std::int64_t until, const v1::Event& answer, bool quoted = true) {
  v1::Command command;
  command.mutable_submit_order()->set_tasks(1);
  if (quoted) command.mutable_submit_order()->mutable_quote()->set_expires_at_us(until);
  const core::Events events(std::span(&answer, 1));
  const engine::Applied applied{LogIndex(1), Time{100}, &command, events};
  const core::Machine machine;
  stats.on_batch(engine::Batch{Time{100}, {}, {&applied, 1}}, machine);
}

TEST(QuoteStats, CountsWhatBecameOfQuotes) {
  QuoteStats stats;
  EXPECT_EQ(stats.counts().share_honoured(), 1);
  v1::Event accepted;
  accepted.mutable_order_accepted()->set_order(7);
  v1::Event gone;
  gone.mutable_refused()->set_code(v1::QUOTE_GONE);
  v1::Event poor;
  poor.mutable_refused()->set_code(v1::NO_FUNDS);
  take(stats, 200, accepted);
  take(stats, 200, accepted);
  take(stats, 200, accepted);
  take(stats, 200, gone);
  take(stats, 100, gone);
  take(stats, 200, poor);
  take(stats, 200, accepted, false);
  EXPECT_EQ(stats.counts().honoured, 3U);
  EXPECT_EQ(stats.counts().gone, 1U);
  EXPECT_EQ(stats.counts().late, 1U);
  EXPECT_EQ(stats.counts().share_honoured(), 0.75);
}

}  // namespace
}  // namespace fallow::server
