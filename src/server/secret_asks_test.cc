#include "server/secret_asks.h"

#include <gtest/gtest.h>

#include <string>

namespace fallow::server {
namespace {

v1::SecretAsk secret_ask(std::uint64_t lease, std::uint64_t order, char key = 'k') {
  v1::SecretAsk ask;
  ask.set_lease(lease);
  ask.set_order(order);
  ask.set_public_key(std::string(32, key));
  ask.set_signature(std::string(64, 's'));
  return ask;
}

constexpr Time kAskedAt{1'000'000};
const NodeId kHere(1);
const NodeId kThere(2);

TEST(SecretAsks, AnAskStaysWhileItIsRepeated) {
  SecretAsks asks({8, seconds(20)});
  EXPECT_TRUE(asks.put(kHere, secret_ask(7, 3), kAskedAt));
  EXPECT_EQ(asks.of(OrderId(3), kAskedAt + seconds(19)).size(), 1);
  EXPECT_TRUE(asks.put(kHere, secret_ask(7, 3, 'n'), kAskedAt + seconds(10)));
  const auto repeated = asks.of(OrderId(3), kAskedAt + seconds(29));
  ASSERT_EQ(repeated.size(), 1);
  EXPECT_EQ(repeated[0].said.public_key(), std::string(32, 'n'));
  EXPECT_TRUE(asks.of(OrderId(3), kAskedAt + seconds(30)).empty());
  EXPECT_FALSE(asks.take(kHere, LeaseId(7), kAskedAt + seconds(30)));
  EXPECT_TRUE(asks.of(OrderId(2), kAskedAt).empty());
  EXPECT_TRUE(asks.of(OrderId(4), kAskedAt).empty());
}

TEST(SecretAsks, IsAnsweredOnce) {
  SecretAsks asks;
  asks.put(kHere, secret_ask(7, 3), kAskedAt);
  EXPECT_FALSE(asks.take(kThere, LeaseId(7), kAskedAt));
  EXPECT_FALSE(asks.take(kHere, LeaseId(8), kAskedAt));
  EXPECT_TRUE(asks.take(kHere, LeaseId(7), kAskedAt));
  EXPECT_FALSE(asks.take(kHere, LeaseId(7), kAskedAt));
  EXPECT_TRUE(asks.of(OrderId(3), kAskedAt).empty());
}

TEST(SecretAsks, WhatAnotherNodeSaysOfALeaseHidesNothing) {
  SecretAsks asks;
  asks.put(kHere, secret_ask(7, 3), kAskedAt);
  asks.put(kThere, secret_ask(7, 3), kAskedAt);
  EXPECT_EQ(asks.of(OrderId(3), kAskedAt).size(), 2);
  asks.drop(kThere);
  const auto left = asks.of(OrderId(3), kAskedAt);
  ASSERT_EQ(left.size(), 1);
  EXPECT_EQ(left[0].node, kHere);
  // An order that it took for another one before.
  asks.put(kHere, secret_ask(7, 4), kAskedAt);
  EXPECT_TRUE(asks.of(OrderId(3), kAskedAt).empty());
  EXPECT_EQ(asks.of(OrderId(4), kAskedAt).size(), 1);
  asks.drop(kHere);
  asks.drop(kHere);
  EXPECT_TRUE(asks.of(OrderId(4), kAskedAt).empty());
}

TEST(SecretAsks, ANodeHasSoManyAndOldOnesGiveWay) {
  SecretAsks asks({2, seconds(20)});
  asks.put(kHere, secret_ask(1, 3), kAskedAt);
  asks.put(kHere, secret_ask(2, 3), kAskedAt + seconds(15));
  asks.put(kHere, secret_ask(9, 3), kAskedAt + seconds(15));
  EXPECT_EQ(asks.of(OrderId(3), kAskedAt + seconds(15)).size(), 2);
  asks.put(kThere, secret_ask(5, 3), kAskedAt + seconds(15));
  EXPECT_EQ(asks.of(OrderId(3), kAskedAt + seconds(15)).size(), 3);
  asks.put(kHere, secret_ask(9, 3), kAskedAt + seconds(25));
  const auto left = asks.of(OrderId(3), kAskedAt + seconds(25));
  ASSERT_EQ(left.size(), 3);
  EXPECT_EQ(left.back().said.lease(), 9);
}

TEST(SecretAsks, WhatNoAgentSendsIsRefused) {
  SecretAsks asks;
  EXPECT_FALSE(asks.put(kHere, secret_ask(0, 3), kAskedAt));
  EXPECT_FALSE(asks.put(kHere, secret_ask(7, 0), kAskedAt));
  v1::SecretAsk short_key = secret_ask(7, 3);
  short_key.set_public_key("k");
  EXPECT_FALSE(asks.put(kHere, short_key, kAskedAt));
  v1::SecretAsk unsigned_ask = secret_ask(7, 3);
  unsigned_ask.clear_signature();
  EXPECT_FALSE(asks.put(kHere, unsigned_ask, kAskedAt));
}

}  // namespace
}  // namespace fallow::server
