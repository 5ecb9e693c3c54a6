// Tunnels over real WebSockets, with an agent and a market that do what a test wants.
#include "server/tunnels.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "net/dial.h"
#include "net/loopback_test_support.h"
#include "net/timer.h"
#include "server/still_clock_test.h"

namespace fallow::server {
namespace {

using net::Task;
using Socket = std::shared_ptr<net::WebSocket>;

class TunnelsTest : public testing::Test {
 protected:
  void make(TunnelLimits limits = {}) {
    tunnels_.emplace(
        [this](NodeId, LeaseId, std::string_view token) {
          ++asked_;
          if (agent_comes_) net::spawn(loopback_.pool.executor(1), be_agent(std::string(token)));
          return true;
        },
        clock_, *random_, limits);
  }

  // What a WebSocket to the path ends with: its close reason, or the refusal's status.
  struct End {
    std::string reason;
    int status = 0;
  };
  End reach() { return net::block_on<End>(clients_.executor(0), follow("/renter", {})); }

  Task<End> follow(std::string path, std::string token) {
    net::Url url = loopback_.url();
    url.target = std::move(path);
    net::Headers headers;
    if (!token.empty()) headers.set("Authorization", "Bearer " + token);
    net::Response refused{0, {}, {}};
    const auto socket = co_await net::connect_websocket(
        url, nullptr, std::move(headers), net::bulk_socket_options(), seconds(20), &refused);
    End end;
    end.status = refused.status;
    if (!socket) co_return end;
    for (;;) {
      const auto message = co_await (*socket)->receive();
      if (!message) break;
    }
    end.reason = (*socket)->close_reason();
    co_return end;
  }

  Task<void> be_agent(std::string token) {
    const End end = co_await follow("/agent", std::move(token));
    const std::lock_guard lock(mutex_);
    agent_end_ = end.reason;
  }

  Task<void> serve(net::Exchange& exchange) {
    Answer<int> status = 0;
    if (exchange.request().parts.path == "/agent") {
      status = co_await tunnels_->serve_agent(exchange);
    } else {
      const Tunnels::Recheck recheck = [this]() -> Task<Answer<void>> {
        if (still_) co_return Answer<void>();
        co_return refuse(409, "not_running", "lease 7 does not run any more");
      };
      Tunnels::Way way{Caller{}, LeaseId(7), NodeId(1)};
      way.caller.account = AccountId(3);
      way.caller.session = session_;
      status = co_await tunnels_->serve_renter(exchange, std::move(way), recheck);
    }
    if (!status)
      co_await exchange.respond_problem(static_cast<int>(status.error().status()),
                                        status.error().detail());
  }

  std::string agent_end() {
    const std::lock_guard lock(mutex_);
    return agent_end_;
  }

  StillClock clock_;
  std::unique_ptr<Random> random_ = seeded_random(7);
  std::optional<Tunnels> tunnels_;
  std::optional<Digest> session_;
  std::atomic<int> asked_ = 0;
  std::atomic<bool> still_ = true;
  bool agent_comes_ = true;
  std::mutex mutex_;
  std::string agent_end_;
  net::IoPool clients_{1};
  net::LoopbackServer loopback_{[this](net::Exchange& exchange) { return serve(exchange); }};
};

TEST_F(TunnelsTest, WhatEndedWhileItWasOpenedEndsIt) {
  make();
  still_ = false;
  EXPECT_EQ(reach().reason, "lease 7 does not run any more");
  EXPECT_TRUE(net::eventually([&] { return agent_end() == "lease 7 does not run any more"; }));
  EXPECT_TRUE(net::eventually([&] { return tunnels_->counts().open == 0; }));
}

TEST_F(TunnelsTest, SigningOutEndsWhatTheSessionOpened) {
  make();
  session_ = digest_of(std::string_view("cookie"));
  std::atomic<bool> signed_out = false;
  std::thread person([&] {
    EXPECT_TRUE(net::eventually([&] { return tunnels_->counts().opened == 1; }));
    const auto stands = [&](const Digest& session) {
      EXPECT_EQ(session, *session_);
      return !signed_out;
    };
    tunnels_->tick(stands);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(tunnels_->counts().open, 1U);
    signed_out = true;
    tunnels_->tick(stands);
  });
  EXPECT_EQ(reach().reason, "you are signed out, or the session has expired");
  EXPECT_TRUE(signed_out);
  person.join();
  EXPECT_TRUE(net::eventually([&] { return tunnels_->counts().open == 0; }));

  // What a key opened is not a session's.
  session_.reset();
  std::thread agent([&] {
    EXPECT_TRUE(net::eventually([&] { return tunnels_->counts().opened == 2; }));
    tunnels_->tick([](const Digest&) { return false; });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(tunnels_->counts().open, 1U);
    loopback_.server->stop(milliseconds(1));
  });
  EXPECT_NE(reach().reason, "you are signed out, or the session has expired");
  agent.join();
}

TEST_F(TunnelsTest, NoAgentDialsForWhatIsNoWebSocket) {
  make();
  net::RawClient client(loopback_.server->port());
  client.send("GET /renter HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(client.read_all().find(" 426 "), std::string::npos);
  EXPECT_EQ(asked_, 0);
}

TEST_F(TunnelsTest, ALeasesTunnelsAreNotOpenedWithoutBound) {
  TunnelLimits limits;
  limits.meeting_time_max = milliseconds(1);
  limits.opened_per_lease = {1, 3};
  agent_comes_ = false;
  make(limits);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reach().status, 504);
  EXPECT_EQ(reach().status, 429);
  EXPECT_EQ(asked_, 3);
  EXPECT_EQ(tunnels_->counts().open, 0U);
}

TEST_F(TunnelsTest, AShutdownDoesNotWaitForASilentNode) {
  TunnelLimits limits;
  limits.meeting_time_max = minutes(10);
  agent_comes_ = false;
  make(limits);
  std::thread stopper([this] {
    EXPECT_TRUE(net::eventually([&] { return asked_ == 1; }));
    tunnels_->shut_down();
  });
  EXPECT_EQ(reach().status, 503);
  stopper.join();
  EXPECT_EQ(reach().status, 503);
  EXPECT_EQ(asked_, 1);
}

}  // namespace
}  // namespace fallow::server
