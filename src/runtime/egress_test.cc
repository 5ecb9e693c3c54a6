#include "runtime/egress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/public_address.h"

namespace fallow::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Egress, WhatAProviderWritesIsChecked) {
  for (const char* range : {"192.0.2.0/24", "192.0.2.1", "0.0.0.0/0", "1.2.3.4/32"}) {
    EXPECT_TRUE(check_range(range)) << range;
  }
  for (const char* range : {"", "192.0.2.0/33", "192.0.2.0/", "192.0.2/24", "a", "fe80::/10",
                            "1.2.3.4/24; drop", "1.2.3.4 }"}) {
    EXPECT_FALSE(check_range(range)) << range;
  }
  EXPECT_FALSE(choose_resolvers({"127.0.0.53"}));
  EXPECT_FALSE(choose_resolvers({"9.9.9.9 }"}));
  EXPECT_FALSE(choose_resolvers({"1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"}));
  EXPECT_THAT(*choose_resolvers({"192.168.1.1"}), ElementsAre("192.168.1.1"));
}

TEST(Egress, ReadsResolvers) {
  EXPECT_THAT(resolvers_in("# nameserver 1.1.1.1\nnameserver 127.0.0.53\nnameserver 2001:db8::1\n"
                           "search lan\nnameserver\t10.0.0.1\nnameserver 9.9.9.9"),
              ElementsAre("10.0.0.1", "9.9.9.9"));
  EXPECT_THAT(resolvers_in(""), IsEmpty());
}

TEST(Egress, ReadsRoutes) {
  // A default, halves of the whole as tunnels write them, the network it stands in, one behind a
  // gateway, and a lease's.
  const HostRoutes routes = parse_routes(
      "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
      "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
      "tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
      "tun0\t00000080\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
      "eth0\t00075282\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
      "eth1\t00005EC6\t01075282\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
      "fw-abc\t040012C6\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0\n");
  EXPECT_THAT(routes.uplinks, ElementsAre("eth0", "tun0"));
  EXPECT_THAT(routes.ranges, ElementsAre("130.82.7.0/24", "198.94.0.0/16"));
}

TEST(Egress, NamesAreOfOneLeaseAndFit) {
  EgressPolicy policy;
  policy.owner = egress_owner("/var/lib/fallow/workloads");
  EXPECT_EQ(policy.owner.size(), 8U);
  EXPECT_NE(policy.owner, egress_owner("/var/lib/other/workloads"));
  const LeaseLink link = lease_link(policy, 5, 99);
  EXPECT_EQ(link.table, "fallow_" + policy.owner + "_5_99");
  EXPECT_EQ(link.block, "198.18.0.20/30");
  EXPECT_EQ(link.gateway, "198.18.0.21");
  EXPECT_EQ(link.address, "198.18.0.22");
  std::set<std::string> blocks;
  for (std::uint32_t attempt = 0; attempt < kLinkAttempts; ++attempt) {
    const LeaseLink other = lease_link(policy, ~std::uint64_t{0}, 4'194'304, attempt);
    EXPECT_LE(other.interface.size(), 15U);
    EXPECT_TRUE(other.interface.starts_with(kInterfacePrefix));
    EXPECT_FALSE(is_public_address(other.address))
        << "leases would see each other at " << other.address;
    blocks.insert(other.block);
  }
  EXPECT_EQ(blocks.size(), kLinkAttempts);
}

TEST(Egress, RulesHoldWhatIsDenied) {
  EgressPolicy policy;
  policy.resolvers = {"9.9.9.9"};
  policy.denied = {"198.51.0.0/16"};
  policy.mbps_max = 8;
  const std::string rules = egress_rules(policy, lease_link(policy, 5, 99), {"130.82.0.0/16"}, 0);
  for (const char* part : {"169.254.0.0/16", "198.51.0.0/16", "130.82.0.0/16", "25, 465, 587",
                           "elements = { 9.9.9.9 }", "over 1250000 bytes/second", "over 1024"}) {
    EXPECT_THAT(rules, HasSubstr(part));
  }
  EXPECT_THAT(rules, Not(HasSubstr("flush")));
  EXPECT_THAT(rules, Not(HasSubstr("th dport !=")));
  policy.ports = {80, 443};
  EXPECT_THAT(egress_rules(policy, lease_link(policy, 5, 99), {}, 0),
              HasSubstr("meta l4proto { tcp, udp } th dport != { 80, 443 } goto refuse\n  }\n"));
  EXPECT_THAT(resolv_conf(policy), HasSubstr("nameserver 9.9.9.9\n"));
}

TEST(Egress, RulesCountWhatGoesOut) {
  EgressPolicy policy;
  policy.resolvers = {"9.9.9.9"};
  const auto rules = [&](std::uint64_t bytes_max) {
    return egress_rules(policy, lease_link(policy, 5, 99), {}, bytes_max);
  };
  EXPECT_THAT(rules(2'000'000), HasSubstr("quota sent { over 2000000 bytes }"));
  EXPECT_THAT(rules(0), HasSubstr("quota sent { over 9223372036854775807 bytes }"));
  // Neither what is denied nor what comes in counts; what a resolver is asked does.
  EXPECT_THAT(rules(0), HasSubstr("@resolvers goto outgo\n"));
  EXPECT_THAT(rules(0), HasSubstr("ip daddr @denied drop\n    iifname \"fw-"));
}

}  // namespace
}  // namespace fallow::runtime
