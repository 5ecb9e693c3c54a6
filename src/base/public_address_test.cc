#include "base/public_address.h"

#include <gtest/gtest.h>

namespace fallow {
namespace {

TEST(PublicAddress, WhatSomebodyOwnsIsNot) {
  for (const char* address : {"0.0.0.0",
                              "10.1.2.3",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.0.0.53",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.2.1",
                              "192.88.99.1",
                              "192.168.1.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "203.0.113.9",
                              "224.0.0.251",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::1",
                              "::",
                              "fe80::1",
                              "fe80::1%eth0",
                              "fd00::1",
                              "ff02::1",
                              "nonsense",
                              "::ffff:127.0.0.1",
                              "64:ff9b::a00:1",
                              "2002:7f00:1::",
                              "",
                              "1.1.1"}) {
    EXPECT_FALSE(is_public_address(address)) << address;
  }
  for (const char* address : {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1",
                              "172.32.0.1", "192.0.1.1", "192.167.0.1", "198.20.0.1",
                              "223.255.255.255", "2606:4700::1111", "::ffff:8.8.8.8"}) {
    EXPECT_TRUE(is_public_address(address)) << address;
  }
}

TEST(PublicAddress, RangesAreRead) {
  for (const char* range : {"192.0.2.0/24", "192.0.2.1", "0.0.0.0/0", "1.2.3.4/32"}) {
    EXPECT_TRUE(parse_ipv4_range(range)) << range;
  }
  for (const char* range : {"", "/8", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3/8", "::/0"}) {
    EXPECT_FALSE(parse_ipv4_range(range)) << range;
  }
  EXPECT_TRUE(parse_ipv4_range("0.0.0.0/0")->holds(0xFFFFFFFF));
  EXPECT_FALSE(parse_ipv4_range("192.0.2.0/24")->holds(0xC0000300));
}

}  // namespace
}  // namespace fallow
