// Ways into leases, to a market that does not give one.
#include "client/tunnel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "net/loopback_test_support.h"
#include "net/notifier.h"

namespace fallow::client {
namespace {

Config config_of_tunnels(const net::LoopbackServer& server) {
  Config config;
  config.url = "http://127.0.0.1:" + std::to_string(server.server->port());
  return config;
}

// Opens a tunnel that is cancelled once the market has been asked so often.
void expect_cancelled(net::HttpHandler handler, std::atomic<int>& asked, int times) {
  const net::LoopbackServer market(std::move(handler));
  std::atomic<bool> cancelled = false;
  std::thread leaver([&] {
    EXPECT_TRUE(net::eventually([&] { return asked >= times; }));
    cancelled = true;
  });
  const auto tunnel = Tunnel::open(config_of_tunnels(market), LeaseId(7), &cancelled);
  leaver.join();
  ASSERT_FALSE(tunnel);
  EXPECT_EQ(tunnel.error().kind, ApiError::Kind::kCancelled) << tunnel.error().message;
}

TEST(Tunnel, WhoHasEnoughDoesNotWaitForAnAnswer) {
  std::atomic<int> asked = 0;
  expect_cancelled(
      [&asked](net::Exchange& exchange) -> net::Task<void> {
        ++asked;
        const net::Notifier nobody(exchange.executor());
        for (;;) {
          const auto wake = co_await exchange.wait(nobody, seconds(60));
          if (wake != net::Exchange::Wake::kTimeout) co_return;
        }
      },
      asked, 1);
}

TEST(Tunnel, WhoHasEnoughDoesNotAskAgain) {
  std::atomic<int> asked = 0;
  expect_cancelled(
      [&asked](net::Exchange& exchange) -> net::Task<void> {
        ++asked;
        co_await exchange.respond_problem(503, "every tunnel is taken");
      },
      asked, 2);
  EXPECT_LE(asked, 3);

  std::atomic<bool> cancelled = true;
  asked = 0;
  const net::LoopbackServer market([&asked](net::Exchange& exchange) -> net::Task<void> {
    ++asked;
    co_await exchange.respond_problem(503, "every tunnel is taken");
  });
  EXPECT_FALSE(Tunnel::open(config_of_tunnels(market), LeaseId(7), &cancelled));
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace fallow::client
