// A small market for the engine's tests: the commands that open it, and what the tests watch with.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"
#include "core/machine.h"
#include "core/policy.h"
#include "engine/batch.h"
#include "engine/sequencer.h"
#include "log/memory_log.h"

namespace fallow::engine {

// Stands still unless told; may be set back. Told by the test's thread while the engine's threads
// look.
class ManualClock final : public Clock {
 public:
  Time now() const override { return Time{wall_us_}; }
  Time monotonic() const override { return Time{monotonic_us_ += per_look.value}; }
  void pass(Duration duration) {
    wall_us_ += duration.value;
    monotonic_us_ += duration.value;
  }
  // Sets the time of day alone, as an operator or a time service does.
  void set_wall(Time now) { wall_us_ = now.us; }
  // Lets time go by of which the time of day knows nothing.
  void pass_monotonic(Duration duration) { monotonic_us_ += duration.value; }

  Duration per_look;  // what each look at the monotonic clock takes; set before the threads start

 private:
  std::atomic<std::int64_t> wall_us_ = 1'700'000'000'000'000;
  mutable std::atomic<std::int64_t> monotonic_us_ = 5'000'000;
};

// A log whose disk can be filled, or fail.
class FlakyLog final : public log::Log {
 public:
  Result<log::Head> head() override { return inner.head(); }
  Result<log::Head> head_at(LogIndex last) override { return inner.head_at(last); }
  Result<std::vector<log::Entry>> read(LogIndex from, std::size_t bytes_max) override {
    return inner.read(from, bytes_max);
  }
  Result<log::Appended> append(const log::EncodedBatch& batch, Time now) override {
    ++appends;
    if (failure) return tl::unexpected(*failure);
    return inner.append(batch, now);
  }

  log::MemoryLog inner;
  std::optional<Error> failure;
  int appends = 0;
};

// Keeps what it was told.
class Recorder final : public Subscriber {
 public:
  explicit Recorder(std::optional<LogIndex> from = std::nullopt) : from_(from) {}
  std::string_view name() const override { return "history.db"; }
  std::optional<LogIndex> cursor() const override { return from_; }
  void on_batch(const Batch& batch, const core::Machine& machine) override {
    ++batches;
    EXPECT_EQ(machine.last_index(), batch.last());
    chain = batch.chain;
    for (const Applied& applied : batch.commands) {
      indexes.push_back(applied.index.value);
      kinds.push_back(applied.command->kind_case());
      events.insert(events.end(), applied.events.begin(), applied.events.end());
    }
  }

  int batches = 0;
  Digest chain{};
  std::vector<std::uint64_t> indexes;
  std::vector<v1::Command::KindCase> kinds;
  std::vector<v1::Event> events;

 private:
  std::optional<LogIndex> from_;
};

class TempFolder {
 public:
  TempFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fallow-engine-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data()) == nullptr ? std::string() : pattern;
    EXPECT_FALSE(path_.empty());
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr std::uint64_t kOperator = 4096;  // command 1 makes it

inline v1::Found test_found() {
  v1::Found found;
  found.set_market_name("test");
  found.set_market_public_key(std::string(32, 'm'));
  found.set_currency("TEST");
  *found.mutable_policy() = core::default_policy();
  found.mutable_policy()->set_price_interval_us(0);  // no deadline but those a test makes
  found.set_operator_key_hash(std::string(32, 'o'));
  return found;
}

inline v1::Command found_command() {
  v1::Command command;
  *command.mutable_found() = test_found();
  return command;
}

inline v1::Command open_account(std::string_view name) {
  v1::Command command;
  command.set_actor(kOperator);
  command.mutable_open_account()->set_name(std::string(name));
  command.mutable_open_account()->add_scopes(v1::RENTER);
  command.mutable_open_account()->add_scopes(v1::PROVIDER);
  return command;
}

inline v1::Command deposit(std::uint64_t account, std::int64_t micros, std::string_view reference) {
  v1::Command command;
  command.set_actor(kOperator);
  command.mutable_deposit()->set_account(account);
  command.mutable_deposit()->set_amount_micros(micros);
  command.mutable_deposit()->set_reference(std::string(reference));
  return command;
}

// The commands after which a lease is placed, beginning right after Found: an account (command 2),
// its money, a node (command 5) that is connected, its offer, an order. The node never answers, so
// the lease ends when the policy's silence has passed.
inline std::vector<v1::Command> commands_to_a_lease() {
  constexpr std::uint64_t kAccount = 2 * 4096;
  constexpr std::uint64_t kNode = 5 * 4096;
  std::vector<v1::Command> commands{open_account("both"), deposit(kAccount, 10'000'000, "r1")};

  v1::Command token;
  token.set_actor(kAccount);
  token.mutable_create_join_token()->set_account(kAccount);
  token.mutable_create_join_token()->set_secret_hash(std::string(32, 't'));
  token.mutable_create_join_token()->set_expires_at_us(4'000'000'000'000'000);
  token.mutable_create_join_token()->set_uses_max(1);
  commands.push_back(token);

  v1::Command join;
  join.mutable_join_node()->set_secret_hash(std::string(32, 't'));
  join.mutable_join_node()->set_public_key(std::string(32, 'k'));
  v1::NodeFacts& facts = *join.mutable_join_node()->mutable_facts();
  facts.set_name("n1");
  facts.set_region("eu");
  facts.set_cpu_thousandths(8'000);
  facts.set_memory_mb(32'000);
  facts.set_disk_mb(100'000);
  facts.set_isolation(v1::BUBBLEWRAP);
  v1::Device& device = *facts.add_devices();
  device.set_uuid("GPU-1");
  device.set_model("RTX_4090");
  device.set_kind(v1::GPU);
  device.set_memory_mb(24'000);
  commands.push_back(join);

  v1::Command link;
  link.mutable_set_node_link()->set_node(kNode);
  link.mutable_set_node_link()->set_connected(true);
  commands.push_back(link);

  v1::Command offer;
  offer.set_actor(kAccount);
  offer.mutable_set_offer()->set_node(kNode);
  offer.mutable_set_offer()->set_device_hour_micros(400'000);
  offer.mutable_set_offer()->set_share_thousandths_min(1'000);
  commands.push_back(offer);

  v1::Command order;
  order.set_actor(kAccount);
  order.mutable_submit_order()->set_account(kAccount);
  order.mutable_submit_order()->set_name("job");
  v1::Requirements& wanted = *order.mutable_submit_order()->mutable_requirements();
  wanted.set_gpus(1);
  wanted.set_device_thousandths(1'000);
  wanted.set_duration_us(hours(1).value);
  wanted.set_memory_mb(1'000);
  wanted.set_cpu_thousandths(1'000);
  wanted.set_disk_mb(1'000);
  order.mutable_submit_order()->set_tasks(1);
  order.mutable_submit_order()->set_attempts_max(1);
  order.mutable_submit_order()->mutable_workload()->add_command("true");
  commands.push_back(order);
  return commands;
}

inline std::size_t count_of(const std::vector<v1::Event>& events, v1::Event::KindCase kind) {
  std::size_t count = 0;
  for (const v1::Event& event : events) count += event.kind_case() == kind ? 1 : 0;
  return count;
}

}  // namespace fallow::engine
