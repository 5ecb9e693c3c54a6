#include "agent/tunnels.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace fallow::agent {
namespace {

// A market that takes connections and never answers.
struct SilentMarket {
  SilentMarket() : listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener.get(), 64), 0);
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    config.url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  Fd listener;
  client::Config config;
};

// The near end is hung up on at once: the tunnel was refused.
bool is_refused(MarketTunnels& tunnels, LeaseId lease, std::vector<Fd>& held) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  tunnels.open(lease, "token", Fd(ends[0]));
  held.emplace_back(ends[1]);
  pollfd hung_up{ends[1], POLLIN, 0};
  return ::poll(&hung_up, 1, 0) == 1;
}

TEST(MarketTunnels, OneLeaseTakesNoneFromAnother) {
  const SilentMarket market;
  auto tunnels = MarketTunnels::make(market.config);
  ASSERT_TRUE(tunnels) << tunnels.error().message;
  std::vector<Fd> held;
  for (std::size_t i = 0; i < MarketTunnels::kOpenPerLeaseMax; ++i) {
    EXPECT_FALSE(is_refused(**tunnels, LeaseId(1), held)) << i;
  }
  for (int i = 0; i < 80; ++i) EXPECT_TRUE(is_refused(**tunnels, LeaseId(1), held));
  EXPECT_FALSE(is_refused(**tunnels, LeaseId(2), held));
}

TEST(MarketTunnels, ARenterIsToldNoPathOfTheProviders) {
  for (const ErrorCode code : {ErrorCode::kNotFound, ErrorCode::kBusy, ErrorCode::kFailed,
                               ErrorCode::kDenied, ErrorCode::kInvalid}) {
    EXPECT_EQ(told_to_renter(code).find('/'), std::string_view::npos);
    EXPECT_FALSE(told_to_renter(code).empty());
  }
}

}  // namespace
}  // namespace fallow::agent
