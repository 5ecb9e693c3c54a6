// What a freed device costs the market while one renter has 100,000 open orders that it does not
// serve: with every waiting order asked for itself, and by groups. From the command that frees it
// to the last Tick that it makes due, by this thread's own time. Meanwhile an order of another
// renter comes for a device that stands free, and has it at once; so has one for the freed device
// then.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "base/check.h"
#include "bench_report.h"
#include "core/machine.h"
#include "core/policy.h"
#include "sim/lab_commands.h"

namespace fallow::bench {
namespace {

constexpr Time kStart{1'700'000'000'000'000};
constexpr Micros kWallet(900'000'000'000);
constexpr const char* kScarce = "gpu_name=Scarce";

// What the orders of the crowd ask for.
enum class Crowd { kAlike, kAllDifferent };

class Market {
 public:
  Market(std::size_t grouped_min, std::uint32_t nodes) : machine_(limits(grouped_min)) {
    v1::Policy policy = core::default_policy();
    policy.set_price_interval_us(0);
    policy.set_suspend_after_us(hours(200).value);
    policy.set_close_after_us(hours(200).value);
    policy.set_start_timeout_us(hours(200).value);
    apply(sim::found_command("bench", policy));
    const std::uint64_t provider = open(v1::PROVIDER);
    crowd_ = open(v1::RENTER);
    other_ = open(v1::RENTER);
    for (const std::uint64_t renter : {crowd_, other_}) {
      apply(sim::deposit_command(renter, kWallet, renter));
    }
    join(provider, "Scarce");
    for (std::uint32_t i = 0; i < nodes; ++i) join(provider, "Common");
    for (std::uint32_t i = 0; i < nodes; ++i) join(provider, "Idle");
    for (std::uint32_t i = 0; i <= nodes; ++i) {
      submit(other_, i == 0 ? kScarce : "gpu_name=Common", 0);
    }
    FALLOW_CHECK(machine_.counts().leases_open == nodes + 1, "the market is not full");
  }

  void crowd(std::uint32_t orders, Crowd kind) {
    for (std::uint32_t i = 0; i < orders; ++i) {
      submit(crowd_, kScarce, kind == Crowd::kAllDifferent ? i % 60'000 + 1 : 0,
             Micros(i / 60'000));
    }
    FALLOW_CHECK(machine_.counts().orders_waiting == orders, "not all of the crowd wait");
  }

  struct Taken {
    double all_us = 0;
    double longest_us = 0;  // of one command
    std::uint32_t commands = 0;
  };
  // The lease of a common node ends, and another one takes its place.
  Taken free_one(std::uint32_t number) {
    const core::Node& node = *machine_.node(nodes_.at(number + 1));
    FALLOW_CHECK(node.leases.size() == 1, "the node is not leased");
    v1::Command command;
    command.mutable_observe()->set_node(node.id.value);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(node.leases[0].value);
    report.set_state(v1::ENDED);
    report.set_reason(v1::EXIT_CODE);
    report.set_exit_code(1);
    Taken taken;
    measure(command, taken);
    v1::Command tick;
    tick.mutable_tick();
    submit(other_, "gpu_name=Idle", 0);
    FALLOW_CHECK(machine_.counts().leases_open == nodes_.size() / 2 + 1 + number,
                 "the crowd holds up the other renter");
    while (machine_.next_deadline() && *machine_.next_deadline() <= machine_.now()) {
      measure(tick, taken);
    }
    FALLOW_CHECK(node.leases.empty(), "the crowd took what it did not ask for");
    submit(other_, "gpu_name=Common", 0);
    FALLOW_CHECK(node.leases.size() == 1, "the crowd starves the other renter");
    return taken;
  }

 private:
  static core::Limits limits(std::size_t grouped_min) {
    core::Limits limits;
    limits.waiting_grouped_min = grouped_min;
    return limits;
  }

  void apply(const v1::Command& command) {
    events_.clear();
    now_ = now_ + milliseconds(1);
    machine_.apply(LogIndex(machine_.last_index().value + 1), now_, command, events_);
    FALLOW_CHECK(events_.empty() || !events_[0].has_refused(), "refused: {}",
                 events_[0].refused().message());
  }
  void measure(const v1::Command& command, Taken& taken) {
    events_.clear();
    const double began = sim::thread_seconds();
    machine_.apply(LogIndex(machine_.last_index().value + 1), now_, command, events_);
    const double took_us = (sim::thread_seconds() - began) * 1e6;
    taken.all_us += took_us;
    taken.longest_us = std::max(taken.longest_us, took_us);
    ++taken.commands;
  }
  std::uint64_t open(v1::Scope scope) {
    apply(sim::account_command(scope));
    return sim::first_id_of(machine_.last_index());
  }
  void join(std::uint64_t provider, const std::string& model) {
    const std::uint64_t number = nodes_.size() + 1;
    const std::string token = sim::made_up_key(2, number);
    apply(sim::join_token_command(provider, token, 1));
    v1::Command command;
    command.mutable_join_node()->set_secret_hash(token);
    command.mutable_join_node()->set_public_key(sim::made_up_key(3, number));
    *command.mutable_join_node()->mutable_facts() = sim::facts_of({.number = number,
                                                                   .region = "eu",
                                                                   .model = model,
                                                                   .device_memory_mb = 24'576,
                                                                   .devices = 1,
                                                                   .cpu_thousandths = 16'000,
                                                                   .memory_mb = 64'000,
                                                                   .disk_mb = 500'000});
    apply(command);
    nodes_.push_back(NodeId(sim::first_id_of(machine_.last_index())));
    apply(sim::link_command(nodes_.back(), true));
    apply(sim::offer_command(nodes_.back(), Micros(100'000)));
  }
  void submit(std::uint64_t account, const std::string& query, std::uint32_t memory_mb,
              Micros beside = Micros(0)) {
    v1::Command command;
    v1::SubmitOrder& order = *command.mutable_submit_order();
    order.set_account(account);
    order.set_name("job");
    order.set_tasks(1);
    order.set_wait(true);
    order.mutable_workload()->add_command("render");
    order.mutable_requirements()->set_query(query);
    order.mutable_requirements()->set_duration_us(hours(1).value + beside.value);
    order.mutable_requirements()->set_memory_mb(memory_mb);
    apply(command);
  }

  core::Machine machine_;
  core::Events events_;
  Time now_ = kStart;
  std::uint64_t crowd_ = 0;
  std::uint64_t other_ = 0;
  std::vector<NodeId> nodes_;
};

void measure(std::uint32_t orders, Crowd kind, bool grouped, std::uint32_t rounds, Report& report) {
  Market market(
      grouped ? core::Limits{}.waiting_grouped_min : std::numeric_limits<std::size_t>::max(),
      rounds);
  market.crowd(orders, kind);
  std::vector<double> all;
  double longest = 0;
  std::uint32_t commands = 0;
  for (std::uint32_t round = 0; round < rounds; ++round) {
    const Market::Taken taken = market.free_one(round);
    all.push_back(taken.all_us);
    longest = std::max(longest, taken.longest_us);
    commands = taken.commands;
  }
  report.add(fmt::format("{} orders of one renter wait, {}: a freed device, {}", orders,
                         kind == Crowd::kAlike ? "all alike" : "no two alike",
                         grouped ? "by groups" : "one by one"),
             quantile(all, 0.5), "us",
             fmt::format("{} commands, the longest {:.0f} us", commands, longest));
}

}  // namespace
}  // namespace fallow::bench

int main(int argc, char** argv) {
  CLI::App app("What a freed device costs beside many waiting orders");
  std::vector<std::uint32_t> sizes{1'000, 100'000};
  std::uint32_t rounds = 20;
  bool json = false;
  app.add_option("--sizes", sizes, "Waiting orders")->check(CLI::Range(1, 100'000));
  app.add_option("--rounds", rounds, "Devices freed, one after the other")
      ->check(CLI::Range(1, 10'000));
  app.add_flag("--json", json, "One JSON object");
  CLI11_PARSE(app, argc, argv);
  using fallow::bench::Crowd;
  fallow::bench::Report report;
  for (const std::uint32_t orders : sizes) {
    for (const Crowd kind : {Crowd::kAlike, Crowd::kAllDifferent}) {
      for (const bool grouped : {false, true}) {
        fallow::bench::measure(orders, kind, grouped, rounds, report);
      }
    }
  }
  report.print(json);
  return 0;
}
