// Machine::apply in memory: a realistic mix, and each kind of command alone. One core.
//
// The mix, of 100 commands: 88 Observe (one node, all its leases, a meter record each), 8 that
// begin (SubmitOrder) or end (Observe) a lease, as many of one as of the other, 2 SetOffer, 1
// Deposit, 1 Tick. Every node reports once in five seconds of the market's time, so every record is
// charged. Commands are made outside the measured time, as the server makes them on other threads.
#include <benchmark/benchmark.h>
#include <sodium.h>

#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/env.h"
#include "core/machine.h"
#include "core/policy.h"

namespace fallow::core {
namespace {

constexpr Time kStart{1'700'000'000'000'000};
constexpr std::size_t kBatch = 256;  // as hot in the cache as commands that were just parsed

std::string bytes32(std::uint64_t number) {
  std::string bytes(32, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  return bytes;
}

v1::Command found() {
  v1::Command command;
  v1::Found& found = *command.mutable_found();
  found.set_market_name("bench");
  found.set_market_public_key(bytes32(1));
  found.set_currency("TEST");
  found.set_operator_key_hash(bytes32(2));
  v1::Policy& policy = *found.mutable_policy();
  policy = default_policy();
  policy.set_close_after_us(hours(200).value);
  policy.set_start_timeout_us(hours(200).value);
  return command;
}

// A market with nodes of four devices, about two in three of them leased.
class Market {
 public:
  explicit Market(std::uint32_t nodes) : random_(seeded_random(7)) {
    FALLOW_CHECK(sodium_init() >= 0, "libsodium cannot start");  // as the program does
    apply(found());
    v1::Command open;
    open.mutable_open_account()->set_name("provider");
    open.mutable_open_account()->add_scopes(v1::PROVIDER);
    provider_ = id_of_next();
    apply(open);
    open.mutable_open_account()->set_name("renter");
    open.mutable_open_account()->set_scopes(0, v1::RENTER);
    renter_ = id_of_next();
    apply(open);
    apply(deposit(900'000'000'000'000));
    for (std::uint32_t i = 0; i < nodes; ++i) join(i);
    leases_target_ = std::size_t{nodes} * 8 / 3;
    for (std::size_t i = 0; i < leases_target_; ++i) apply(submit());
    per_command_ = Duration(seconds(5).value / nodes);
  }

  v1::Command mixed() {
    const std::uint64_t kind = random_->below(100);
    if (kind < 88) return observe(false);
    if (kind < 96) {
      return machine_.counts().leases_open < leases_target_ ? submit() : observe(true);
    }
    if (kind < 98) return offer(nodes_[random_->below(nodes_.size())]);
    if (kind < 99) return deposit(1'000'000);
    v1::Command tick;
    tick.mutable_tick();
    return tick;
  }

  v1::Command observe(bool ends) {
    v1::Command command;
    v1::Observe& observe = *command.mutable_observe();
    const Node& node = *machine_.node(nodes_[next_node_++ % nodes_.size()]);
    observe.set_node(node.id.value);
    observe.set_owner(v1::OWNER_AWAY);
    observe.set_desired_revision(node.desired_revision);
    for (const LeaseId id : node.leases) {
      const Lease& lease = *machine_.lease(id);
      v1::WorkloadReport& report = *observe.add_workloads();
      report.set_lease(id.value);
      report.set_state(v1::RUNNING);
      v1::MeterRecord& meter = *report.add_meters();
      meter.set_lease(id.value);
      meter.set_sequence(lease.meter_sequence + 1);
      meter.set_running_us((machine_.now() - lease.placed_at).value);
      meter.set_measured_at_us(machine_.now().us);
      meter.set_signature(std::string(64, 's'));
      if (!ends) continue;
      report.set_state(v1::ENDED);
      report.set_reason(v1::COMPLETED);
      ends = false;
    }
    return command;
  }

  v1::Command submit() {
    v1::Command command;
    v1::SubmitOrder& submit = *command.mutable_submit_order();
    submit.set_account(renter_);
    submit.set_name("job");
    submit.set_tasks(1);
    submit.set_wait(true);
    submit.mutable_workload()->add_command("render");
    submit.mutable_requirements()->set_query("gpu_ram>=16 region in [eu,us]");
    submit.mutable_requirements()->set_duration_us(hours(100).value);
    return command;
  }

  void apply(const v1::Command& command) {
    now_ = now_ + per_command_;
    if (events_.size() >= kBatch) events_.clear();  // with a batch, as the engine does
    const std::size_t first = events_.size();
    machine_.apply(LogIndex(machine_.last_index().value + 1), now_, command, events_);
    if (events_.size() > first && events_[first].has_refused()) ++refused_;
  }

  const Machine& machine() const { return machine_; }
  std::uint64_t refused() const { return refused_; }

 private:
  std::uint64_t id_of_next() const { return (machine_.last_index().value + 1) * 4'096; }

  v1::Command deposit(std::int64_t micros) {
    v1::Command command;
    command.mutable_deposit()->set_account(renter_);
    command.mutable_deposit()->set_amount_micros(micros);
    command.mutable_deposit()->set_reference(std::to_string(++references_));
    return command;
  }

  v1::Command offer(NodeId node) {
    v1::Command command;
    command.mutable_set_offer()->set_node(node.value);
    command.mutable_set_offer()->set_device_hour_micros(
        300'000 + static_cast<std::int64_t>(random_->below(200'000)));
    return command;
  }

  void join(std::uint32_t number) {
    v1::Command token;
    token.mutable_create_join_token()->set_account(provider_);
    token.mutable_create_join_token()->set_secret_hash(bytes32(1'000 + number));
    token.mutable_create_join_token()->set_uses_max(1);
    apply(token);
    v1::Command join;
    join.mutable_join_node()->set_secret_hash(bytes32(1'000 + number));
    join.mutable_join_node()->set_public_key(bytes32(10'000'000 + number));
    v1::NodeFacts& facts = *join.mutable_join_node()->mutable_facts();
    facts.set_region("eu");
    facts.set_cpu_thousandths(32'000);
    facts.set_memory_mb(128'000);
    facts.set_disk_mb(1'000'000);
    for (std::uint32_t i = 0; i < 4; ++i) {
      v1::Device& device = *facts.add_devices();
      device.set_index(i);
      device.set_model("RTX_4090");
      device.set_kind(v1::GPU);
      device.set_memory_mb(24'000);
    }
    facts.set_isolation(v1::BUBBLEWRAP);
    nodes_.push_back(NodeId(id_of_next()));
    apply(join);
    v1::Command link;
    link.mutable_set_node_link()->set_node(nodes_.back().value);
    link.mutable_set_node_link()->set_connected(true);
    apply(link);
    apply(offer(nodes_.back()));
  }

  Machine machine_;
  Events events_;
  std::unique_ptr<Random> random_;
  Time now_ = kStart;
  Duration per_command_ = microseconds(3);
  std::size_t leases_target_ = 0;
  std::size_t next_node_ = 0;
  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::vector<NodeId> nodes_;
  std::uint64_t references_ = 0;
  std::uint64_t refused_ = 0;
};

template <class Make>
void measure(benchmark::State& state, Make&& make) {
  Market market(static_cast<std::uint32_t>(state.range(0)));
  std::vector<v1::Command> batch(kBatch);
  std::size_t at = kBatch;
  for (auto unused : state) {
    if (at == kBatch) {
      state.PauseTiming();
      for (v1::Command& command : batch) command = make(market);
      at = 0;
      state.ResumeTiming();
    }
    market.apply(batch[at++]);
  }
  market.machine().check_invariants();
  state.SetItemsProcessed(state.iterations());
  state.counters["refused"] = static_cast<double>(market.refused());
  state.counters["leases"] = static_cast<double>(market.machine().counts().leases_open);
}

void mix(benchmark::State& state) {
  measure(state, [](Market& market) { return market.mixed(); });
}
void observe(benchmark::State& state) {
  measure(state, [](Market& market) { return market.observe(false); });
}
void tick(benchmark::State& state) {
  measure(state, [](Market&) {
    v1::Command tick;
    tick.mutable_tick();
    return tick;
  });
}

// The whole state as bytes and its hash: what a replica compares.
void digest(benchmark::State& state) {
  const Market market(static_cast<std::uint32_t>(state.range(0)));
  for (auto unused : state) benchmark::DoNotOptimize(market.machine().digest());
}

BENCHMARK(mix)->Arg(100)->Arg(1'000)->Arg(10'000);
BENCHMARK(observe)->Arg(1'000);
BENCHMARK(tick)->Arg(1'000);
BENCHMARK(digest)->Arg(1'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fallow::core

BENCHMARK_MAIN();
