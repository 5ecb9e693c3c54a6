#include "client/agent_socket.h"

#include <gtest/gtest.h>

#include <atomic>

#include "net/loopback_test_support.h"
#include "net/websocket.h"

namespace fallow::client {
namespace {

net::HttpHandler until_the_end() {
  return [](net::Exchange& exchange) -> net::Task<void> {
    const auto socket = co_await exchange.upgrade({});
    if (!socket) co_return;
    for (;;) {
      const auto message = co_await (*socket)->receive();
      if (!message) co_return;
    }
  };
}

// An agent that ends does not wait for the market's answer to its farewell.
TEST(AgentSocket, MayEndAtAnyMomentOfItsConnection) {
  net::LoopbackServer market(until_the_end());
  Config config;
  config.url = "http://127.0.0.1:" + std::to_string(market.server->port());
  for (int round = 0; round < 30; ++round) {
    std::atomic<bool> is_open = false;
    std::atomic<int> ends = 0;
    auto socket = AgentSocket::make(config).value();
    socket->open({.opened = [&] { is_open = true; },
                  .received = [](const std::string&) {},
                  .closed = [&](const Error&) { ++ends; }});
    if (round % 3 != 0) {
      EXPECT_TRUE(net::eventually([&] { return is_open.load(); }));
      EXPECT_TRUE(socket->send("a word"));
    }
    if (round % 3 == 2) socket->close();
    socket = nullptr;
    EXPECT_LE(ends, 1);
  }
}

}  // namespace
}  // namespace fallow::client
