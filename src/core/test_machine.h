// For tests only: a machine and short ways to people, nodes and orders in it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>

#include "core/machine.h"
#include "core/test_market.h"

namespace fallow::core {

class MachineTest : public testing::Test {
 protected:
  MachineTest() = default;
  explicit MachineTest(const Limits& limits) : limits_(limits) {}

  // Applies and gives the events; the clock moves on by a millisecond.
  const Events& apply(v1::Command command, std::uint64_t actor = 0) {
    command.set_actor(actor);
    now_ = now_ + milliseconds(1);
    events_.clear();
    machine_.apply(LogIndex(machine_.last_index().value + 1), now_, command, events_);
    machine_.check_invariants();
    return events_;
  }
  // NONE (0) when it was not refused.
  v1::Refusal refusal_of(const v1::Command& command, std::uint64_t actor = 0) {
    apply(command, actor);
    return !events_.empty() && events_[0].has_refused() ? events_[0].refused().code()
                                                        : v1::REFUSAL_UNSPECIFIED;
  }
  std::uint64_t next_id() const { return (machine_.last_index().value + 1) * 4'096; }

  // Another machine that goes on where this one stands.
  std::unique_ptr<Machine> restored() const {
    std::string bytes;
    machine_.snapshot([&](std::string_view piece) { bytes += piece; });
    auto other = std::make_unique<Machine>(limits_);
    std::size_t at = 0;
    const Status status = other->restore([&](char* into, std::size_t size) -> Result<std::size_t> {
      const std::size_t count = bytes.copy(into, size, at);
      at += count;
      return count;
    });
    EXPECT_TRUE(status) << status.error().message;
    EXPECT_EQ(other->digest(), machine_.digest());
    EXPECT_EQ(other->next_deadline(), machine_.next_deadline());
    return other;
  }
  // With another rule from now on.
  template <class Change>
  void change_policy(Change&& change) {
    v1::Command command;
    *command.mutable_set_policy()->mutable_policy() = machine_.policy();
    change(*command.mutable_set_policy()->mutable_policy());
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }

  void found() { ASSERT_EQ(refusal_of(test_found()), v1::REFUSAL_UNSPECIFIED); }
  std::uint64_t open(v1::Scope scope) {
    v1::Command command;
    command.mutable_open_account()->set_name("somebody");
    command.mutable_open_account()->add_scopes(scope);
    const std::uint64_t id = next_id();
    apply(command);
    return id;
  }
  void deposit(std::uint64_t account, std::int64_t micros) {
    v1::Command command;
    command.mutable_deposit()->set_account(account);
    command.mutable_deposit()->set_amount_micros(micros);
    command.mutable_deposit()->set_reference("r" + std::to_string(next_id()));
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  v1::Command token(std::uint64_t account, std::uint64_t secret, std::uint32_t uses = 1) {
    v1::Command command;
    command.mutable_create_join_token()->set_account(account);
    command.mutable_create_join_token()->set_secret_hash(test_hash(secret));
    command.mutable_create_join_token()->set_uses_max(uses);
    return command;
  }
  v1::Command join(std::uint64_t secret, std::uint64_t key, std::uint32_t devices = 1) {
    v1::Command command;
    command.mutable_join_node()->set_secret_hash(test_hash(secret));
    command.mutable_join_node()->set_public_key(test_hash(key));
    *command.mutable_join_node()->mutable_facts() = test_facts(devices);
    return command;
  }
  std::uint64_t node(std::uint64_t provider, std::int64_t price, std::uint32_t devices = 1) {
    apply(token(provider, next_id()));
    const std::uint64_t secret = machine_.last_index().value * 4'096;
    const std::uint64_t id = next_id();
    apply(join(secret, id, devices));
    v1::Command link;
    link.mutable_set_node_link()->set_node(id);
    link.mutable_set_node_link()->set_connected(true);
    apply(link);
    offer(id, price);
    return id;
  }
  v1::Refusal offer(std::uint64_t node, std::int64_t price) {
    v1::Command command;
    command.mutable_set_offer()->set_node(node);
    command.mutable_set_offer()->set_device_hour_micros(price);
    return refusal_of(command);
  }
  v1::Command submit(std::uint64_t account, std::uint32_t tasks = 1) {
    v1::Command command;
    v1::SubmitOrder& submit = *command.mutable_submit_order();
    submit.set_account(account);
    submit.set_tasks(tasks);
    submit.set_wait(true);
    submit.mutable_workload()->add_command("true");
    submit.mutable_requirements()->set_duration_us(kHour.value);
    return command;
  }

  const Limits limits_{};
  Machine machine_{limits_};
  Events events_;
  Time now_{1'700'000'000'000'000};
};

}  // namespace fallow::core
