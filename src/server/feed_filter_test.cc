#include "server/feed_filter.h"

#include <gtest/gtest.h>

namespace fallow::server {
namespace {

// The machine knows no payout any more that is settled.
TEST(FeedFilter, APayoutsEndIsToldToWhoAskedForIt) {
  const core::Machine machine{core::Limits()};
  v1::Event event;
  event.mutable_payout_settled()->set_payout(7);
  event.mutable_payout_settled()->set_account(4096);
  const Concerned concerned = concerned_by(event, machine);
  EXPECT_TRUE(concerned.contains(AccountId(4096)));
  EXPECT_FALSE(concerned.contains(AccountId(8192)));
}

}  // namespace
}  // namespace fallow::server
