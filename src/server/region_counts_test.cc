#include "server/region_counts.h"

#include <gtest/gtest.h>

#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

core::Node counted_node(const char* region, std::initializer_list<const char*> models) {
  core::Node node;
  node.facts.set_region(region);
  for (const char* model : models) node.devices.emplace_back().facts.set_model(model);
  node.connected = true;
  node.offer.id = OfferId(1);
  return node;
}

TEST(RegionCounts, CountNodesOnceAndDevicesByWhatTheyDo) {
  RegionCounts counts;
  core::Node busy = counted_node("EU", {"RTX 4090", "RTX_4090", "H100"});
  busy.devices[0].free_thousandths = 0;
  busy.devices[1].free_thousandths = 250;
  counts.add(busy);
  counts.add(counted_node("eu", {"h100"}));
  core::Node occupied = counted_node("us", {"h100"});
  occupied.owner = v1::OWNER_PRESENT;
  counts.add(occupied);
  core::Node away = counted_node("us", {"h100"});
  away.connected = false;
  counts.add(away);
  core::Node unoffered = counted_node("us", {"h100"});
  unoffered.offer.id = OfferId(0);
  counts.add(unoffered);
  core::Node removed = counted_node("moon", {"h100"});
  removed.removed = true;
  counts.add(removed);

  const v1::ListRegionsResponse told = counts.view();
  ASSERT_EQ(told.regions_size(), 2);
  const v1::RegionView& eu = told.regions(0);
  EXPECT_EQ(eu.region(), "eu");
  EXPECT_EQ(eu.counts().nodes(), 2U);
  EXPECT_EQ(eu.counts().devices(), 4U);
  EXPECT_DOUBLE_EQ(eu.counts().devices_leased(), 1.75);
  EXPECT_DOUBLE_EQ(eu.counts().devices_free(), 2.25);
  ASSERT_EQ(eu.models_size(), 2);
  EXPECT_EQ(eu.models(0).model(), "h100");
  EXPECT_EQ(eu.models(0).counts().nodes(), 2U);
  EXPECT_EQ(eu.models(1).model(), "rtx_4090");
  EXPECT_EQ(eu.models(1).counts().nodes(), 1U) << "it has two of them";
  EXPECT_EQ(eu.models(1).counts().devices(), 2U);
  const v1::RegionView& us = told.regions(1);
  EXPECT_EQ(us.counts().nodes(), 3U);
  EXPECT_EQ(us.counts().nodes_connected(), 2U);
  EXPECT_EQ(us.counts().nodes_occupied(), 1U);
  EXPECT_DOUBLE_EQ(us.counts().devices_free(), 0);
  EXPECT_EQ(told.counts().nodes(), 5U);
  EXPECT_EQ(told.counts().devices(), 7U);
  EXPECT_EQ(told.others().nodes(), 0U);
}

TEST(RegionCounts, WhatProvidersInventIsCountedTogether) {
  RegionCounts counts(2);
  counts.add(counted_node("a", {"one"}));
  counts.add(counted_node("b", {"two", "three"}));
  counts.add(counted_node("c", {"four"}));
  const v1::ListRegionsResponse told = counts.view();
  ASSERT_EQ(told.regions_size(), 2);
  EXPECT_EQ(told.regions(1).counts().devices(), 2U);
  ASSERT_EQ(told.regions(1).models_size(), 1);
  EXPECT_EQ(told.others().nodes(), 1U);
  EXPECT_EQ(told.others().devices(), 2U) << "three and four";
  EXPECT_EQ(told.counts().devices(), 4U);
}

TEST(RegionCounts, AreOfTheWholeMarket) {
  LoopbackMarket market;
  const std::string renter = market.add_account("alice", "RENTER");
  const std::string provider = market.add_account("dora", "PROVIDER");
  market.deposit(renter, "10.00");
  market.add_node(provider, "0.90");
  market.add_node(provider, "0.80");
  const Reply order = market.post("/v1/orders", renter,
                                  R"({"requirements": {}, "workload": {"command": ["true"]}})");
  ASSERT_EQ(order.status, 200) << order.body;
  const Reply told = market.get("/v1/regions", market.operator_key());
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(told.at("counts.nodes"), "2");
  EXPECT_EQ(told.at("regions.0.region"), "eu");
  EXPECT_EQ(told.at("regions.0.models.0.model"), "rtx_4090");
  EXPECT_EQ(std::stod(told.at("regions.0.models.0.counts.devices_leased")), 1);
  EXPECT_EQ(std::stod(told.at("regions.0.counts.devices_free")), 1);
  EXPECT_EQ(market.get("/v1/regions", provider).status, 403);
}

}  // namespace
}  // namespace fallow::server
