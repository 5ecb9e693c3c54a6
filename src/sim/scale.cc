#include "sim/scale.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/env.h"
#include "base/file.h"
#include "core/machine.h"
#include "core/policy.h"
#include "engine/sequencer.h"
#include "sim/chain_log.h"
#include "sim/exact_math.h"
#include "sim/lab_commands.h"

namespace fallow::sim {
namespace {

constexpr Time kScaleStart{1'700'000'000'000'000};
constexpr std::uint32_t kSlicesPerSecond = 10;
constexpr Duration kSlice = milliseconds(1'000 / kSlicesPerSecond);
constexpr std::uint32_t kSlicesPerReport = 5 * kSlicesPerSecond;  // the default policy's interval
constexpr std::uint32_t kScaleRenters = 1'000;
constexpr Micros kScaleWallet(1'000'000'000'000);
constexpr std::uint32_t kNodesPerProvider = 20;
constexpr Duration kAskedTime = hours(24);
constexpr std::size_t kAtOnce = 4'096;  // commands that wait; a batch of the sequencer's

class SetClock final : public Clock {
 public:
  Time now() const override { return now_; }
  Time monotonic() const override { return now_; }
  void advance(Duration by) { now_ = now_ + by; }

 private:
  Time now_ = kScaleStart;
};

std::uint64_t resident_bytes() {
  const auto text = read_file("/proc/self/statm", 256);
  if (!text) return 0;
  const std::size_t second = text->find(' ');
  if (second == std::string::npos) return 0;
  return std::strtoull(text->c_str() + second, nullptr, 10) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t peak_bytes() {
  rusage usage{};
  FALLOW_CHECK(::getrusage(RUSAGE_SELF, &usage) == 0, "no resource usage");
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1'024;
}

std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// Exponential, from 64 even bits.
Duration span_of(std::uint64_t bits, Duration mean) {
  return Duration(
      static_cast<std::int64_t>(-exact_log(even_uniform(bits)) * static_cast<double>(mean.value)));
}

struct Model {
  const char* name;
  std::uint32_t memory_mb;
  std::int64_t hour_micros;
};
constexpr std::array kModels = {
    Model{"RTX_4090", 24'564, 330'000},  Model{"RTX_3090", 24'576, 180'000},
    Model{"RTX_3060", 12'288, 70'000},   Model{"RTX_4060", 8'188, 90'000},
    Model{"RTX_3080", 10'240, 120'000},  Model{"RTX_4070", 12'282, 140'000},
    Model{"A100_SXM4", 81'920, 900'000}, Model{"H100_SXM", 81'559, 2'100'000},
};
constexpr std::array kRegions = {"us", "eu", "ap", "sa", "af", "ca", "in", "au"};
constexpr std::array kDeviceCounts = {1U, 1U, 1U, 1U, 1U, 1U, 2U, 4U};
constexpr std::array kQueries = {"gpu_ram>=8", "gpu_ram>=12 region in [us,eu]", "gpu_ram>=24",
                                 "gpu_ram>=10 reliability>0.9"};
constexpr const char* kScarceQuery = "gpu_name=RTX_3060";

class Scale {
 public:
  explicit Scale(const ScaleOptions& options)
      : options_(options),
        random_(seeded_random(options.seed)),
        job_mean_(to_duration(options.job_hours)),
        up_mean_(to_duration(options.up_hours)),
        down_mean_(to_duration(options.down_hours)),
        sequencer_(log_, log::genesis_head(), machine_, clock_, {}) {
    report_.options = options;
  }

  ScaleReport run() {
    const std::uint64_t bytes_before = resident_bytes();
    const double before = thread_seconds();
    set_up();
    report_.setup_seconds = thread_seconds() - before;
    report_.setup_commands = machine_.last_index().value;
    const std::uint64_t bytes_after = resident_bytes();
    report_.bytes_setup = bytes_after > bytes_before ? bytes_after - bytes_before : 0;
    live();
    const core::Machine::Counts counts = machine_.counts();
    report_.devices = counts.devices;
    report_.leases_open = counts.leases_open;
    report_.orders_waiting = counts.orders_waiting;
    report_.log_bytes = log_.bytes();
    report_.bytes_peak = peak_bytes();
    const double digesting = thread_seconds();
    Digester digester;
    digester.update(log_.head()->chain);
    digester.update(machine_.digest());
    report_.digest = digester.finish();
    report_.digest_seconds = thread_seconds() - digesting;
    return report_;
  }

 private:
  static Duration to_duration(double hours) {
    return Duration(static_cast<std::int64_t>(hours * 3'600e6));
  }

  void submit(const v1::Command& command) {
    if (++submitted_ % kAtOnce == 0) work_off();
    const Status taken = sequencer_.submit(command, [this](const auto& applied, auto&) {
      FALLOW_CHECK(applied.has_value(), "a command was not stored: {}", applied.error().message);
      for (const v1::Event& event : applied->events) {
        if (event.has_refused()) ++report_.refused;
        if (event.has_lease_ended()) ++report_.leases_ended;
      }
    });
    FALLOW_CHECK(taken.has_value(), "a command was not taken: {}", taken.error().message);
  }

  void work_off() {
    while (sequencer_.step()) continue;
  }

  // The account that the next command makes.
  std::uint64_t open_account(v1::Scope scope) {
    work_off();
    submit(account_command(scope));
    work_off();
    return first_id_of(machine_.last_index());
  }

  void set_up() {
    submit(found_command("scale", core::default_policy()));
    for (std::uint32_t i = 0; i < kScaleRenters; ++i) {
      renters_.push_back(open_account(v1::RENTER));
      submit(deposit_command(renters_.back(), kScaleWallet, i));
    }
    for (std::uint32_t i = 0; i < options_.nodes; ++i) {
      if (i % kNodesPerProvider == 0) {
        submit(join_token_command(open_account(v1::PROVIDER), token_of(i), kNodesPerProvider));
      }
      join(i);
    }
    work_off();
    nodes_.reserve(options_.nodes);
    machine_.visit_nodes(NodeId(), [this](const core::Node& node) {
      nodes_.push_back(node.id);
      return true;
    });
    FALLOW_CHECK(nodes_.size() == options_.nodes, "{} of {} nodes joined", nodes_.size(),
                 options_.nodes);
    online_.assign(options_.nodes, true);
    revision_logged_.assign(options_.nodes, 0);
    for (std::uint32_t i = 0; i < options_.nodes; ++i) {
      offer(i);
      set_link(i, true);
      changes_.push({clock_.now() + span_of(random_->next_u64(), up_mean_), i});
    }
    work_off();
    FALLOW_CHECK(report_.refused == 0, "{} commands of the set-up were refused", report_.refused);
    orders_wanted_ = machine_.counts().devices * options_.use_pct / 100;
    order_more();
    work_off();
  }

  static std::string token_of(std::uint32_t number) {
    return made_up_key(2, number / kNodesPerProvider);
  }

  void join(std::uint32_t number) {
    v1::Command command;
    v1::JoinNode& join = *command.mutable_join_node();
    join.set_secret_hash(token_of(number));
    join.set_public_key(made_up_key(3, number));
    const Model& model = kModels[random_->below(kModels.size())];
    const std::uint32_t devices = kDeviceCounts[random_->below(kDeviceCounts.size())];
    *join.mutable_facts() = facts_of({.number = number,
                                      .region = kRegions[random_->below(kRegions.size())],
                                      .model = model.name,
                                      .device_memory_mb = model.memory_mb,
                                      .devices = devices,
                                      .cpu_thousandths = 16'000,
                                      .memory_mb = 64'000,
                                      .disk_mb = 500'000});
    prices_.push_back(model.hour_micros);
    submit(command);
  }

  void offer(std::uint32_t number) {
    const std::int64_t price = prices_[number];
    const auto dearer =
        static_cast<std::int64_t>(random_->below(static_cast<std::uint64_t>(price / 2)));
    submit(offer_command(nodes_[number], Micros(price * 3 / 4 + dearer)));
  }

  void set_link(std::uint32_t number, bool connected) {
    submit(link_command(nodes_[number], connected));
  }

  void order_more() {
    for (std::uint64_t open = machine_.counts().orders_open; open < orders_wanted_; ++open) {
      v1::Command command;
      v1::SubmitOrder& order = *command.mutable_submit_order();
      order.set_account(renters_[random_->below(renters_.size())]);
      order.set_name("job");
      order.set_tasks(1);
      order.set_wait(true);
      order.mutable_workload()->add_command("render");
      const char* query = kQueries[random_->below(kQueries.size())];
      if (random_->below(100) < options_.scarce_pct) query = kScarceQuery;
      order.mutable_requirements()->set_query(query);
      order.mutable_requirements()->set_duration_us(kAskedTime.value);
      submit(command);
      ++report_.submitted;
    }
  }

  void live() {
    report_.submitted = 0;
    report_.leases_ended = 0;
    const std::uint64_t first = machine_.last_index().value;
    const double begun = thread_seconds();
    const Time wall = wall_->monotonic();
    const std::uint64_t slices = std::uint64_t{options_.seconds} * kSlicesPerSecond;
    for (std::uint64_t slice = 0; slice < slices; ++slice) {
      clock_.advance(kSlice);
      come_and_go();
      hear(static_cast<std::size_t>(slice % kSlicesPerReport));
      order_more();
      work_off();
    }
    report_.run_seconds = thread_seconds() - begun;
    report_.wall_seconds = static_cast<double>((wall_->monotonic() - wall).value) / 1e6;
    report_.commands = machine_.last_index().value - first;
    report_.ticks = report_.commands - report_.observed - report_.submitted - report_.links;
    machine_.check_invariants();
  }

  void come_and_go() {
    while (!changes_.empty() && changes_.top().first <= clock_.now()) {
      const std::uint32_t number = changes_.top().second;
      changes_.pop();
      const bool up = !online_[number];
      online_[number] = up;
      set_link(number, up);
      ++report_.links;
      changes_.push(
          {clock_.now() + span_of(random_->next_u64(), up ? up_mean_ : down_mean_), number});
    }
  }

  // The nodes whose turn it is report, as agents do and as the hub takes it: one without workloads
  // and news is not logged.
  void hear(std::size_t first) {
    for (std::size_t i = first; i < nodes_.size();) {
      const double begun = thread_seconds();
      std::vector<v1::Command> reports;
      for (; i < nodes_.size() && reports.size() < kAtOnce; i += kSlicesPerReport) {
        if (!online_[i]) continue;
        ++report_.heartbeats;
        const core::Node& node = *machine_.node(nodes_[i]);
        if (node.leases.empty() && node.desired_revision == revision_logged_[i]) continue;
        revision_logged_[i] = node.desired_revision;
        reports.push_back(report_of(node));
      }
      report_.making_seconds += thread_seconds() - begun;
      report_.observed += reports.size();
      for (const v1::Command& report : reports) submit(report);
      work_off();
    }
  }

  v1::Command report_of(const core::Node& node) const {
    v1::Command command;
    v1::Observe& observe = *command.mutable_observe();
    observe.set_node(node.id.value);
    observe.set_owner(v1::OWNER_AWAY);
    observe.set_desired_revision(node.desired_revision);
    observe.set_complete(true);
    for (const LeaseId id : node.leases) {
      const core::Lease& lease = *machine_.lease(id);
      v1::WorkloadReport& report = *observe.add_workloads();
      report.set_lease(id.value);
      const Duration length = span_of(mixed(id.value ^ options_.seed), job_mean_);
      const Duration running =
          std::max(lease.proven, std::min(clock_.now() - lease.placed_at, length));
      add_meter(report, lease.meter_sequence + 1, running, clock_.now());
      const bool over = lease.state == v1::STOPPING || running >= length;
      report.set_state(over ? v1::ENDED : v1::RUNNING);
      if (over) report.set_reason(v1::COMPLETED);
    }
    return command;
  }

  const ScaleOptions options_;
  const std::unique_ptr<Random> random_;
  const std::unique_ptr<Clock> wall_ = system_clock();
  const Duration job_mean_;
  const Duration up_mean_;
  const Duration down_mean_;

  SetClock clock_;
  ChainLog log_;
  core::Machine machine_;  // by the limits that ship
  engine::Sequencer sequencer_;

  std::vector<std::uint64_t> renters_;
  std::vector<NodeId> nodes_;         // by number
  std::vector<std::int64_t> prices_;  // of the model, by number
  std::vector<bool> online_;
  std::vector<std::uint64_t> revision_logged_;  // the hub's memory of a session
  using Change = std::pair<Time, std::uint32_t>;
  std::priority_queue<Change, std::vector<Change>, std::greater<>> changes_;
  std::uint64_t orders_wanted_ = 0;
  std::uint64_t submitted_ = 0;
  ScaleReport report_;
};

}  // namespace

Result<ScaleReport> run_scale(const ScaleOptions& options) {
  const bool good = options.nodes >= 1 && options.nodes <= kScaleNodesMax && options.seconds >= 1 &&
                    options.seconds <= kScaleSecondsMax && options.use_pct <= 100 &&
                    options.scarce_pct <= 100 && options.job_hours > 0 && options.job_hours <= 24 &&
                    options.up_hours > 0 && options.up_hours <= 1e6 && options.down_hours > 0 &&
                    options.down_hours <= 1e6;
  if (!good) {
    return fail(ErrorCode::kInvalid,
                "at most {} nodes, {} seconds, 100 % of use, tasks of up to 24 h and spans of up "
                "to 1,000,000 h can be simulated, and none of them can be 0 but the use",
                kScaleNodesMax, kScaleSecondsMax);
  }
  return std::make_unique<Scale>(options)->run();
}

std::string to_json(const ScaleReport& r) {
  const auto nodes = static_cast<double>(r.options.nodes);
  return fmt::format(
      "{{\"nodes\":{},\"devices\":{},\"seconds\":{},\"use_pct\":{},\"scarce_pct\":{},\"seed\":{},"
      "\"setup_commands\":{},"
      "\"setup_cpu_seconds\":{:.3f},\"commands\":{},\"observed\":{},\"submitted\":{},\"links\":{},"
      "\"ticks\":{},\"refused\":{},\"heartbeats\":{},\"leases_ended\":{},\"leases_open\":{},"
      "\"orders_waiting\":{},\"commands_per_simulated_second\":{:.0f},\"cpu_seconds\":{:.3f},"
      "\"making_cpu_seconds\":{:.3f},\"wall_seconds\":{:.3f},\"commands_per_cpu_second\":{:.0f},"
      "\"log_bytes\":{},\"bytes_setup\":{},\"bytes_a_node\":{:.0f},\"bytes_peak\":{},"
      "\"digest_cpu_seconds\":{:.3f},\"digest\":\"{}\"}}",
      r.options.nodes, r.devices, r.options.seconds, r.options.use_pct, r.options.scarce_pct,
      r.options.seed, r.setup_commands, r.setup_seconds, r.commands, r.observed, r.submitted,
      r.links, r.ticks, r.refused, r.heartbeats, r.leases_ended, r.leases_open, r.orders_waiting,
      static_cast<double>(r.commands) / r.options.seconds, r.run_seconds, r.making_seconds,
      r.wall_seconds, static_cast<double>(r.commands) / (r.run_seconds - r.making_seconds),
      r.log_bytes, r.bytes_setup, static_cast<double>(r.bytes_setup) / nodes, r.bytes_peak,
      r.digest_seconds, to_hex(r.digest));
}

}  // namespace fallow::sim
