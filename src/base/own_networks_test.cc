#include "base/own_networks.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <memory>

namespace fallow {
namespace {

TEST(OwnNetworks, TheLoopbackIsOwnAndStrangersAreNot) {
  for (const char* own : {"127.0.0.1", "127.200.3.4", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(is_of_own_network(own)) << own;
  }
  // Of documentation and of nobody: no link of a machine stands there.
  for (const char* other : {"203.0.113.77", "2001:db8:77::1", "::ffff:203.0.113.77"}) {
    EXPECT_FALSE(is_of_own_network(other)) << other;
  }
  EXPECT_TRUE(is_of_own_network("nonsense"));
}

TEST(OwnNetworks, EveryAddressOfTheMachineIsOwn) {
  ifaddrs* raw = nullptr;
  ASSERT_EQ(::getifaddrs(&raw), 0);
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> list(raw, ::freeifaddrs);
  int asked = 0;
  for (const ifaddrs* link = list.get(); link != nullptr; link = link->ifa_next) {
    if (link->ifa_addr == nullptr) continue;
    const int family = link->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    std::array<char, INET6_ADDRSTRLEN + 32> text{};
    ASSERT_EQ(::getnameinfo(link->ifa_addr,
                            family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6),
                            text.data(), text.size(), nullptr, 0, NI_NUMERICHOST),
              0);
    EXPECT_TRUE(is_of_own_network(text.data())) << text.data();
    ++asked;
  }
  EXPECT_GT(asked, 0);
}

}  // namespace
}  // namespace fallow
