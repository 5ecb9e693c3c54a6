// For tests of what watches a market: an engine on a log in memory, with a clock that the test
// sets.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "core/test_market.h"
#include "engine/engine.h"
#include "engine/market_test.h"

namespace fallow::server {

// A market whose nodes come and go, up to what it says of them.
class WatchedMarket {
 public:
  explicit WatchedMarket(v1::Found found = engine::test_found(),
                         std::vector<engine::Subscriber*> subscribers = {})
      : found_(std::move(found)) {
    start(std::move(subscribers));
  }

  // Ends, and starts again on the same log.
  void restart(std::vector<engine::Subscriber*> subscribers) {
    engine_.reset();
    start(std::move(subscribers));
  }
  void stop() { engine_.reset(); }

  std::uint64_t do_it(v1::Command command) {
    const auto answer = engine_->execute(command);
    EXPECT_TRUE(answer.has_value());
    for (const v1::Event& event : answer->events) {
      EXPECT_FALSE(event.has_refused()) << event.refused().message();
    }
    return answer->index.value * 4'096;
  }
  std::uint64_t join(std::uint64_t key) {
    v1::Command account;
    account.mutable_open_account()->set_name("bob");
    account.mutable_open_account()->add_scopes(v1::PROVIDER);
    v1::Command token;
    token.mutable_create_join_token()->set_account(do_it(account));
    token.mutable_create_join_token()->set_secret_hash(core::test_hash(key));
    token.mutable_create_join_token()->set_uses_max(1);
    do_it(token);
    v1::Command joined;
    joined.mutable_join_node()->set_secret_hash(core::test_hash(key));
    joined.mutable_join_node()->set_public_key(core::test_hash(1'000 + key));
    *joined.mutable_join_node()->mutable_facts() = core::test_facts(1);
    return do_it(joined);
  }
  void link(std::uint64_t node, bool connected) {
    v1::Command command;
    command.mutable_set_node_link()->set_node(node);
    command.mutable_set_node_link()->set_connected(connected);
    do_it(command);
  }
  void up_for(std::uint64_t node, Duration time) {
    link(node, true);
    clock_.pass(time);
    link(node, false);
  }
  template <class Look>
  auto look(Look&& look) {
    std::promise<decltype(look(std::declval<const core::Machine&>()))> seen;
    EXPECT_TRUE(
        engine_->read([&](const core::Machine& machine) { seen.set_value(look(machine)); }));
    return seen.get_future().get();
  }
  core::Survival survival(std::uint64_t node) {
    return look([&](const core::Machine& machine) { return machine.node(NodeId(node))->survival; });
  }
  engine::Engine& engine() { return *engine_; }
  engine::ManualClock& clock() { return clock_; }

 private:
  void start(std::vector<engine::Subscriber*> subscribers) {
    engine::EngineParts parts;
    parts.log = &log_;
    parts.clock = &clock_;
    parts.subscribers = std::move(subscribers);
    auto started = engine::Engine::start(std::move(parts), {}, found_);
    ASSERT_TRUE(started.has_value()) << started.error().message;
    engine_ = std::move(*started);
  }

  const v1::Found found_;
  log::MemoryLog log_;
  engine::ManualClock clock_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace fallow::server
