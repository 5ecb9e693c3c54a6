#include "sim/chaos.h"

#include <fmt/core.h>

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "base/check.h"
#include "core/policy.h"
#include "sim/people.h"
#include "sim/sim_agent.h"
#include "sim/sim_network.h"
#include "sim/sim_server.h"
#include "sim/watch.h"
#include "sim/world.h"

namespace fallow::sim {
namespace {

constexpr Duration kPayoutDelay = minutes(10);
// Far more than what waits can take: longest task, most attempts, fewest devices.
constexpr Duration kSettleMax = hours(12);

v1::Found found(bool waits_for_fence) {
  v1::Found found;
  found.set_market_name("sim");
  found.set_market_public_key(std::string(32, 'm'));
  found.set_currency("TEST");
  found.set_operator_key_hash(std::string(32, 'o'));
  v1::Policy& policy = *found.mutable_policy();
  policy = core::default_policy();
  policy.set_waits_for_fence(waits_for_fence);
  policy.set_start_timeout_us(minutes(3).value);
  policy.set_payout_delay_us(kPayoutDelay.value);
  policy.set_price_interval_us(minutes(1).value);
  policy.set_spot_min_run_us(seconds(30).value);
  policy.set_spot_cool_down_us(minutes(1).value);
  policy.set_spot_notice_us(seconds(10).value);
  policy.add_volume_discounts()->set_spent_micros_min(20'000);
  policy.mutable_volume_discounts(0)->set_fee_basis_points(5'000);
  return found;
}

v1::NodeFacts facts_of(World& world, std::uint32_t index) {
  constexpr std::array kModels = {"RTX_4090", "RTX_3090", "RTX_3060"};
  constexpr std::array kMemories = {24'564U, 24'576U, 12'288U};
  constexpr std::array kRegions = {"eu", "us", "ap"};
  v1::NodeFacts facts;
  facts.set_name(fmt::format("node {}", index));
  facts.set_region(kRegions[world.random().below(kRegions.size())]);
  if (world.one_in(2)) facts.set_lan(world.one_in(2) ? "rack 1" : "rack 2");
  facts.set_cpu_thousandths(16'000);
  facts.set_memory_mb(64'000);
  facts.set_disk_mb(200'000);
  facts.set_isolation(v1::BUBBLEWRAP);
  // The first can serve every wish of the people, so that whatever was accepted can be served.
  const std::size_t model = index == 0 ? 0 : world.random().below(kModels.size());
  const std::uint64_t devices = index == 0 ? 2 : 1 + world.random().below(2);
  for (std::uint32_t i = 0; i < devices; ++i) {
    v1::Device& device = *facts.add_devices();
    device.set_index(i);
    device.set_uuid(fmt::format("GPU-{}-{}", index, i));
    device.set_model(kModels[model]);
    device.set_kind(v1::GPU);
    device.set_memory_mb(kMemories[model]);
  }
  return facts;
}

class Chaos {
 public:
  explicit Chaos(const ChaosOptions& options)
      : options_(options),
        world_(options.seed),
        watch_(world_),
        network_(world_, options.nodes),
        server_(world_, watch_, network_, found(options.waits_for_fence)),
        people_(world_, watch_, server_, agents_) {
    for (std::uint32_t i = 0; i < options.nodes; ++i) {
      agents_.push_back(
          std::make_unique<SimAgent>(world_, watch_, network_, i, facts_of(world_, i)));
    }
  }

  ChaosReport run() {
    server_.start();
    people_.begin();
    plan_faults();
    const Time end = world_.now() + options_.chaos;
    while (world_.now() < end && world_.step()) continue;
    world_.calm_down();
    people_.settle();
    // By then whoever was cut off is back, or has fenced itself.
    world_.after(kCloseAfterMax, [this] { watch_.faults_are_over(); });
    settle();
    return report();
  }

 private:
  // `what` happens again and again, at random, about every `every`.
  void again(Duration every, std::function<void()> what) {
    world_.after(world_.between(Duration(every.value / 4), Duration(every.value * 7 / 4)),
                 [this, every, what = std::move(what)] {
                   if (world_.calm()) return;
                   what();
                   again(every, what);
                 });
  }

  Duration mostly_short(Duration most) {
    return world_.one_in(4) ? world_.between(milliseconds(100), most)
                            : world_.between(milliseconds(100), seconds(6));
  }

  SimAgent& some_agent() { return *agents_[world_.random().below(agents_.size())]; }

  void plan_faults() {
    const auto per_agent = [this](Duration every) {
      return Duration(every.value / static_cast<std::int64_t>(agents_.size()));
    };
    again(minutes(12), [this] { server_.crash(mostly_short(minutes(2))); });
    again(minutes(40), [this] { server_.stop(mostly_short(minutes(1))); });
    again(minutes(20), [this] { server_.fill_disk(mostly_short(seconds(20))); });
    again(minutes(30),
          [this] { server_.set_clock_back(world_.between(microseconds(1), seconds(20))); });
    again(minutes(30),
          [this] { server_.set_clock_forward(world_.between(seconds(1), minutes(2))); });
    again(minutes(10), [this] { people_.change_silence_rule(); });
    again(minutes(6), [this] { server_.take_snapshot(); });
    again(per_agent(minutes(15)), [this] { some_agent().crash(mostly_short(minutes(2))); });
    again(per_agent(minutes(60)), [this] { some_agent().reboot(mostly_short(minutes(3))); });
    again(per_agent(minutes(30)), [this] { some_agent().freeze(mostly_short(minutes(1))); });
    again(per_agent(minutes(15)), [this] {
      network_.partition(world_.random().below(agents_.size()), mostly_short(minutes(2)));
    });
    again(per_agent(minutes(90)), [this] { some_agent().send_garbage(); });
  }

  // Why the market has not come to rest; nothing when it has.
  std::optional<std::string> unrest() const {
    if (!server_.is_up()) return "the server is down";
    const core::Machine& machine = *server_.machine();
    const core::Machine::Counts counts = machine.counts();
    if (counts.orders_open > 0) return fmt::format("{} orders are open", counts.orders_open);
    if (counts.leases_open > 0) return fmt::format("{} leases are open", counts.leases_open);
    if (watch_.processes() > 0) return fmt::format("{} workloads run", watch_.processes());
    for (const auto& agent : agents_) {
      if (!agent->is_clean()) return "an agent keeps a workload";
    }
    if (!people_.settled()) return "a request waits for its answer";
    std::optional<std::string> why;
    machine.visit_nodes(NodeId(0), [&](const core::Node& node) {
      if (node.removed) return true;
      if (!node.connected) why = fmt::format("node {} is not connected", node.id.value);
      for (const core::NodeDevice& device : node.devices) {
        if (device.free_thousandths != core::kWholeDevice) {
          why = fmt::format("a device of node {} is not free", node.id.value);
        }
      }
      return true;
    });
    machine.ledger().visit([&](core::LedgerKey key, Micros balance) {
      if (key.kind == v1::HELD || key.kind == v1::PENDING) {
        why = fmt::format("account {} has {} of kind {}", key.account.value, balance.value,
                          static_cast<int>(key.kind));
      }
    });
    return why;
  }

  void settle() {
    const Time end = world_.now() + kSettleMax;
    while (world_.failure().empty()) {
      const Time look = world_.now() + seconds(10);
      while (world_.now() < look && world_.step()) continue;
      const auto why = unrest();
      if (!why) return;
      if (world_.now() > end) return world_.fail("the market does not come to rest: " + *why);
    }
  }

  ChaosReport report() {
    ChaosReport report;
    report.failure = world_.failure();
    if (report.failure.empty() && watch_.orders_accepted() != watch_.orders_ended()) {
      report.failure = fmt::format("{} orders were accepted, {} ended", watch_.orders_accepted(),
                                   watch_.orders_ended());
    }
    report.digest = server_.digest();
    report.simulated = world_.now() - Time{};
    report.steps = world_.steps();
    report.commands = server_.commands();
    report.messages = network_.messages();
    report.requests = people_.requests();
    report.orders = watch_.orders_accepted();
    report.leases = watch_.leases();
    report.meters = watch_.meters();
    report.endings = watch_.endings();
    report.marks = world_.marks();
    if (options_.look_at_log) options_.look_at_log(server_.log());
    return report;
  }

  const ChaosOptions options_;
  World world_;
  Watch watch_;
  SimNetwork network_;
  SimServer server_;
  std::vector<std::unique_ptr<SimAgent>> agents_;
  People people_;
};

}  // namespace

ChaosReport run_chaos(const ChaosOptions& options) {
  FALLOW_CHECK(options.nodes >= 1 && options.nodes <= kNodesMax, "1 to {} nodes are simulated",
               kNodesMax);
  return Chaos(options).run();
}

std::string replay_command(const ChaosOptions& options) {
  return fmt::format("fallow sim chaos --seed {} --nodes {} --hours {}", options.seed,
                     options.nodes,
                     static_cast<double>(options.chaos.value) / static_cast<double>(kHour.value));
}

}  // namespace fallow::sim
