#include "sim/market_run.h"

#include <absl/container/btree_map.h>
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/env.h"
#include "core/deadline_policy.h"
#include "core/machine.h"
#include "core/policy.h"
#include "core/speed.h"
#include "sim/market_fleet.h"

namespace fallow::sim {
namespace {

constexpr Time kStart{1'700'000'000'000'000};
constexpr Duration kYear = hours(24 * 366);
constexpr std::uint32_t kTaskGpusMax = 8;  // a larger job is split: no node has more
constexpr std::uint64_t kIdsPerCommand = 4'096;
constexpr std::int64_t kWalletMicros = 900'000'000'000'000;
constexpr std::uint32_t kSamplesPerDay = 4;

double thread_seconds() {
  timespec time{};
  FALLOW_CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0, "no thread clock");
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double hours_of(Duration time) { return static_cast<double>(time.value) / 3'600e6; }
double units(std::int64_t micros) { return static_cast<double>(micros) / 1e6; }

std::string bytes32(std::uint64_t kind, std::uint64_t number) {
  std::string bytes(32, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(number >> (8 * i));
    bytes[8 + i] = static_cast<char>(kind >> (8 * i));
  }
  return bytes;
}

// Nothing is waited for: what ends, ends by a report of the moment.
v1::Command found() {
  v1::Command command;
  v1::Found& found = *command.mutable_found();
  found.set_market_name("market");
  found.set_market_public_key(bytes32(1, 1));
  found.set_currency("TEST");
  found.set_operator_key_hash(bytes32(1, 2));
  v1::Policy& policy = *found.mutable_policy();
  policy = core::default_policy();
  policy.set_meter_interval_us(kYear.value);
  policy.set_suspend_after_us(kYear.value);
  policy.set_close_after_us(kYear.value);
  policy.set_start_timeout_us(kYear.value);
  policy.set_payout_delay_us(0);
  policy.set_price_interval_us(0);
  return command;
}

// A part of a job that runs on one node, begun anew from its last checkpoint when it is lost.
struct Piece {
  std::uint32_t job = 0;
  std::uint32_t gpus = 0;
  Duration left;  // on the reference card
  Time ordered_at;
};

struct Job {
  Time arrival;
  Duration running;  // on the reference card
  std::uint32_t pieces_left = 0;
  std::uint32_t renter = 0;
};

struct Running {
  std::uint32_t piece = 0;
  std::uint32_t node = 0;
};

enum class What : std::uint8_t { kArrival, kTurn, kEnd, kSample };
struct Event {
  Time at;
  std::uint64_t order = 0;  // of planning, so that ties are decided
  What what = What::kArrival;
  std::uint64_t number = 0;  // of the job, node or lease
  bool operator>(const Event& other) const {
    return std::pair(at, order) > std::pair(other.at, other.order);
  }
};

double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

class Market {
 public:
  Market(const MarketInputs& inputs, const MarketRules& rules)
      : inputs_(inputs),
        rules_(rules),
        fleet_(inputs.book, inputs.home, inputs.verified, rules.nodes, rules.seed),
        random_(seeded_random(rules.seed ^ 0x6A6F6273)) {}

  MarketRun run() {
    const double begun = thread_seconds();
    open_market();
    join_all();
    arrivals();
    for (std::uint32_t i = 1; i <= rules_.days * kSamplesPerDay; ++i) {
      plan(kStart + Duration(hours(24).value / kSamplesPerDay * i), What::kSample, i);
    }
    const Time end = kStart + hours(24 * std::int64_t{rules_.days});
    while (!events_.empty() && events_.top().at <= end) {
      const Event event = events_.top();
      events_.pop();
      ticks_until(event.at);
      now_ = event.at;
      happen(event);
      order_again();
    }
    ticks_until(end);
    now_ = end;
    finish();
    run_.seconds = thread_seconds() - begun;
    return std::move(run_);
  }

 private:
  void plan(Time at, What what, std::uint64_t number) {
    events_.push(Event{at, ++planned_, what, number});
  }

  void apply(const v1::Command& command) {
    told_.clear();
    machine_.apply(LogIndex(machine_.last_index().value + 1), now_, command, told_);
    ++run_.commands;
    for (const v1::Event& event : told_) {
      if (event.has_lease_placed()) placed(event.lease_placed());
      if (event.has_lease_ended()) ended(event.lease_ended());
      if (event.has_refused()) ++run_.refused;
    }
  }

  // As the sequencer proposes them.
  void ticks_until(Time until) {
    for (auto due = machine_.next_deadline(); due && *due <= until;
         due = machine_.next_deadline()) {
      now_ = std::max(now_, *due);
      v1::Command command;
      command.mutable_tick();
      apply(command);
      order_again();
    }
  }

  // What lost its node is ordered again at once.
  void order_again() {
    while (!again_.empty()) {
      const std::uint32_t piece = again_.back();
      again_.pop_back();
      order(piece);
    }
  }

  std::uint64_t open_account(v1::Scope scope) {
    v1::Command command;
    command.mutable_open_account()->set_name("someone");
    command.mutable_open_account()->add_scopes(scope);
    apply(command);
    return machine_.last_index().value * kIdsPerCommand;
  }

  void open_market() {
    apply(found());
    for (std::uint32_t i = 0; i < inputs_.jobs.clusters; ++i) {
      renters_.push_back(open_account(v1::RENTER));
      v1::Command command;
      command.mutable_deposit()->set_account(renters_.back());
      command.mutable_deposit()->set_amount_micros(kWalletMicros);
      command.mutable_deposit()->set_reference(fmt::format("deposit {}", i));
      apply(command);
    }
  }

  void join_all() {
    v1::Command token;
    token.mutable_create_join_token()->set_account(open_account(v1::PROVIDER));
    token.mutable_create_join_token()->set_secret_hash(bytes32(2, 0));
    token.mutable_create_join_token()->set_uses_max(rules_.nodes);
    apply(token);
    for (std::uint32_t i = 0; i < rules_.nodes; ++i) {
      MarketNode& node = fleet_.nodes()[i];
      v1::Command command;
      command.mutable_join_node()->set_secret_hash(bytes32(2, 0));
      command.mutable_join_node()->set_public_key(bytes32(3, i));
      *command.mutable_join_node()->mutable_facts() = fleet_.facts(i);
      apply(command);
      node.id = NodeId(machine_.last_index().value * kIdsPerCommand);
      numbers_.emplace(node.id.value, i);
      v1::Command offer;
      offer.mutable_set_offer()->set_node(node.id.value);
      offer.mutable_set_offer()->set_device_hour_micros(node.device_hour.value);
      apply(offer);
      node.since = now_;
      if (!node.away) set_link(node, true);
      plan(now_ + fleet_.span(node), What::kTurn, i);
      HostFigures& host = run_.hosts[node.verified ? 1 : 0];
      ++host.nodes;
      host.devices += node.devices;
    }
  }

  void set_link(const MarketNode& node, bool connected) {
    v1::Command command;
    command.mutable_set_node_link()->set_node(node.id.value);
    command.mutable_set_node_link()->set_connected(connected);
    apply(command);
  }

  // The trace again and again, each copy some whole days later, until enough work arrives.
  void arrivals() {
    double trace_hours = 0;  // of GPUs on the reference card
    for (const TraceJob& job : inputs_.jobs.jobs) trace_hours += hours_of(job.running) * job.gpus;
    const double wanted = fleet_.capacity() * 24 * inputs_.jobs.days * rules_.load_pct / 100;
    const double copies = wanted / trace_hours;
    const Duration span = hours(24 * std::int64_t{inputs_.jobs.days});
    const Duration days = hours(24 * std::int64_t{rules_.days});
    for (double copy = 0; copy < copies; ++copy) {
      const double part = std::min(1.0, copies - copy);
      const Duration shift =
          copy == 0 ? Duration() : hours(24 * std::int64_t(random_->below(inputs_.jobs.days)));
      for (const TraceJob& job : inputs_.jobs.jobs) {
        const Duration at((job.arrival.us + shift.value) % span.value);
        const bool taken = part >= 1 || double(random_->below(1'000'000)) < part * 1e6;
        if (at >= days || !taken) continue;
        plan(kStart + at, What::kArrival, jobs_.size());
        jobs_.push_back(Job{kStart + at, job.running, job.gpus, job.cluster});
      }
    }
  }

  void happen(const Event& event) {
    switch (event.what) {
      case What::kArrival:
        return arrive(static_cast<std::uint32_t>(event.number));
      case What::kTurn:
        return turn(fleet_.nodes()[event.number], static_cast<std::uint32_t>(event.number));
      case What::kEnd:
        return complete(LeaseId(event.number));
      case What::kSample:
        return sample(event.number);
    }
  }

  void arrive(std::uint32_t number) {
    ++run_.jobs;
    Job& job = jobs_[number];
    std::uint32_t gpus = std::exchange(job.pieces_left, 0);
    while (gpus > 0) {
      const std::uint32_t part = std::min(gpus, kTaskGpusMax);
      gpus -= part;
      ++job.pieces_left;
      pieces_.push_back(Piece{number, part, job.running, now_});
      order(static_cast<std::uint32_t>(pieces_.size() - 1));
    }
  }

  Time deadline_of(const Job& job) const {
    return job.arrival +
           Duration(static_cast<std::int64_t>(static_cast<double>(job.running.value) *
                                              rules_.deadline_ratio)) +
           minutes(rules_.start_minutes);
  }

  // Whatever is cheapest, or a host that does not go away with its owner?
  bool wants_verified(const Piece& piece) const {
    if (rules_.policy != MarketPolicy::kFallow) return rules_.policy == MarketPolicy::kOnDemand;
    core::DeadlineState state;
    state.time_left = deadline_of(jobs_[piece.job]) - now_;
    state.work_left = piece.left;
    state.restart = minutes(rules_.checkpoint_minutes) + minutes(rules_.start_minutes);
    state.step = minutes(rules_.checkpoint_minutes);
    state.spot_available = true;
    state.on_demand_hour = Micros(1);  // only which of them is the cheaper matters here
    return core::choose_run(state, {}) == core::RunMode::kOnDemand;
  }

  void order(std::uint32_t number) {
    Piece& piece = pieces_[number];
    piece.ordered_at = now_;
    v1::Command command;
    v1::SubmitOrder& order = *command.mutable_submit_order();
    order.set_account(renters_[jobs_[piece.job].renter]);
    order.set_name("job");
    order.set_tasks(1);
    order.set_wait(true);
    order.set_attempts_max(1);
    order.mutable_workload()->add_command("train");
    v1::Requirements& wanted = *order.mutable_requirements();
    // As the trace's cluster had them: cards of 12 GB, and of 24 GB for what runs on several.
    std::string query = piece.gpus > 1 ? "gpu_ram>=24" : "gpu_ram>=12";
    if (wants_verified(piece)) query += fmt::format(" region={}", kVerifiedRegion);
    wanted.set_query(query);
    wanted.set_gpus(piece.gpus);
    wanted.set_objective(rules_.policy == MarketPolicy::kFallow ? v1::COST_TO_COMPLETE
                                                                : v1::CHEAPEST);
    wanted.set_duration_us(std::min(kYear, time_on(piece.left, fleet_slowest_)).value);
    const std::uint64_t refused = run_.refused;
    ordering_ = number;
    apply(command);
    if (run_.refused == refused) {
      orders_.emplace(machine_.last_index().value * kIdsPerCommand, number);
    }
  }

  static Duration time_on(Duration reference, std::int64_t speed) {
    return Duration((reference.value / speed + 1) * core::kSpeedUnit);
  }

  void placed(const v1::LeasePlaced& lease) {
    // An order's own command places it before its id is known here.
    const auto known = orders_.find(lease.order());
    const std::uint32_t piece = known == orders_.end() ? ordering_ : known->second;
    const std::uint32_t number = numbers_.at(lease.node());
    const MarketNode& node = fleet_.nodes()[number];
    running_.emplace(lease.lease(), Running{piece, number});
    queued_.push_back(hours_of(now_ - pieces_[piece].ordered_at) * 60);
    ++run_.hosts[node.verified ? 1 : 0].leases;
    plan(now_ + minutes(rules_.start_minutes) + time_on(pieces_[piece].left, node.speed),
         What::kEnd, lease.lease());
  }

  void add_ending(v1::Observe& observe, LeaseId id, v1::EndReason reason) const {
    const core::Lease& lease = *machine_.lease(id);
    v1::WorkloadReport& report = *observe.add_workloads();
    report.set_lease(id.value);
    report.set_state(v1::ENDED);
    report.set_reason(reason);
    const Duration ran = now_ - lease.placed_at - minutes(rules_.start_minutes);
    if (ran.value <= 0) return;
    v1::MeterRecord& meter = *report.add_meters();
    meter.set_lease(id.value);
    meter.set_sequence(1);
    meter.set_running_us(ran.value);
    meter.set_measured_at_us(now_.us);
    meter.set_signature(std::string(64, 's'));
  }

  v1::Command report_of(const MarketNode& node) const {
    v1::Command command;
    command.mutable_observe()->set_node(node.id.value);
    command.mutable_observe()->set_owner(v1::OWNER_AWAY);
    return command;
  }

  void complete(LeaseId id) {
    const auto at = running_.find(id.value);
    if (at == running_.end()) return;  // it was lost before
    v1::Command command = report_of(fleet_.nodes()[at->second.node]);
    add_ending(*command.mutable_observe(), id, v1::COMPLETED);
    apply(command);
  }

  // A node's owner comes home, or a verified host fails; or it is there again.
  void turn(MarketNode& node, std::uint32_t number) {
    HostFigures& host = run_.hosts[node.verified ? 1 : 0];
    if (!node.away) host.offered_hours += hours_of(now_ - node.since) * node.devices;
    node.away = !node.away;
    node.since = now_;
    if (node.away) {
      const std::vector<LeaseId> leases = machine_.node(node.id)->leases;
      set_link(node, false);
      v1::Command command = report_of(node);
      for (const LeaseId id : leases) {
        add_ending(*command.mutable_observe(), id,
                   node.verified ? v1::HOST_LOST : v1::OWNER_RETURNED);
      }
      if (!leases.empty()) apply(command);
    } else {
      set_link(node, true);
    }
    plan(now_ + fleet_.span(node), What::kTurn, number);
  }

  void ended(const v1::LeaseEnded& told) {
    const auto at = running_.find(told.lease());
    FALLOW_CHECK(at != running_.end(), "lease {} ended twice", told.lease());
    const Running running = at->second;
    running_.erase(at);
    orders_.erase(told.order());
    const MarketNode& node = fleet_.nodes()[running.node];
    HostFigures& host = run_.hosts[node.verified ? 1 : 0];
    Piece& piece = pieces_[running.piece];
    const core::Lease& lease = *machine_.lease(LeaseId(told.lease()));
    host.leased_hours += hours_of(now_ - lease.placed_at) * piece.gpus;
    cost_ += told.charged_micros() - told.refunded_micros();
    fee_ += told.fee_micros();
    refunded_ += told.refunded_micros();
    host.income += units(told.charged_micros() - told.refunded_micros() - told.fee_micros());
    const Duration ran = now_ - lease.placed_at - minutes(rules_.start_minutes);
    if (told.reason() == v1::COMPLETED) {
      run_.work_hours += hours_of(piece.left) * piece.gpus;
      piece.left = Duration();
      if (--jobs_[piece.job].pieces_left == 0) job_done(jobs_[piece.job]);
      return;
    }
    FALLOW_CHECK(told.reason() == v1::OWNER_RETURNED || told.reason() == v1::HOST_LOST,
                 "lease {} ended for reason {}", told.lease(), static_cast<int>(told.reason()));
    ++run_.preemptions;
    ++host.lost;
    if (ran.value > 0) {
      const Duration every = minutes(rules_.checkpoint_minutes);
      const auto work = [&](Duration time) {
        return Duration(time.value / core::kSpeedUnit * node.speed);
      };
      const Duration kept =
          std::min(piece.left - Duration(1), work(Duration(ran.value / every.value * every.value)));
      run_.work_hours += hours_of(kept) * piece.gpus;
      run_.lost_hours += hours_of(std::max(Duration(), work(ran) - kept)) * piece.gpus;
      piece.left -= kept;
    }
    again_.push_back(running.piece);
  }

  void job_done(const Job& job) {
    ++run_.done;
    const double took = hours_of(now_ - job.arrival);
    completion_.push_back(took);
    slowdown_.push_back(took / hours_of(job.running));
    if (now_ > deadline_of(job)) ++run_.late;
  }

  void sample(std::uint64_t number) {
    std::uint64_t there = 0;
    for (const MarketNode& node : fleet_.nodes()) there += node.away ? 0 : node.devices;
    std::uint64_t used = 0;
    for (const auto& [lease, running] : running_) used += pieces_[running.piece].gpus;
    run_.samples.push_back(
        MarketSample{static_cast<double>(number) / kSamplesPerDay,
                     there == 0 ? 0 : 100 * static_cast<double>(used) / static_cast<double>(there),
                     static_cast<double>(machine_.counts().orders_waiting)});
  }

  void finish() {
    for (const MarketNode& node : fleet_.nodes()) {
      if (!node.away) {
        run_.hosts[node.verified ? 1 : 0].offered_hours +=
            hours_of(now_ - node.since) * node.devices;
      }
    }
    for (const auto& [lease, running] : running_) {
      run_.hosts[fleet_.nodes()[running.node].verified ? 1 : 0].leased_hours +=
          hours_of(now_ - machine_.lease(LeaseId(lease))->placed_at) * pieces_[running.piece].gpus;
    }
    for (const Job& job : jobs_) {
      if (job.pieces_left > 0 && deadline_of(job) < now_) ++run_.late;
    }
    run_.slowdown_mean = mean(slowdown_);
    run_.completion_hours_p50 = percentile(completion_, 0.5);
    run_.completion_hours_p90 = percentile(completion_, 0.9);
    run_.completion_hours_p99 = percentile(completion_, 0.99);
    run_.queue_minutes_mean = mean(queued_);
    run_.queue_minutes_p99 = percentile(queued_, 0.99);
    run_.cost = units(cost_);
    run_.cost_work_hour = run_.work_hours > 0 ? run_.cost / run_.work_hours : 0;
    run_.fee = units(fee_);
    run_.refunded = units(refunded_);
    machine_.check_invariants();
    Digester digester;
    digester.update(machine_.digest());
    for (const std::uint64_t count :
         {run_.jobs, run_.done, run_.late, run_.preemptions, run_.commands, run_.refused}) {
      digester.update_u64(count);
    }
    run_.digest = digester.finish();
  }

  const MarketInputs& inputs_;
  const MarketRules rules_;
  MarketFleet fleet_;
  const std::int64_t fleet_slowest_ = fleet_.slowest();
  const std::unique_ptr<Random> random_;
  core::Machine machine_;
  core::Events told_;  // by the latest command
  Time now_ = kStart;
  std::uint64_t planned_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;

  std::vector<std::uint64_t> renters_;
  std::unordered_map<std::uint64_t, std::uint32_t> numbers_;  // of nodes
  std::vector<Job> jobs_;
  std::vector<Piece> pieces_;
  std::unordered_map<std::uint64_t, std::uint32_t> orders_;  // open: their piece
  absl::btree_map<std::uint64_t, Running> running_;          // open leases, in order for the sums
  std::uint32_t ordering_ = 0;                               // piece of the order being submitted
  std::vector<std::uint32_t> again_;                         // pieces that lost their node

  std::int64_t cost_ = 0, fee_ = 0, refunded_ = 0;  // micros
  std::vector<double> completion_, slowdown_, queued_;
  MarketRun run_;
};

}  // namespace

std::string_view name_of(MarketPolicy policy) {
  switch (policy) {
    case MarketPolicy::kFallow:
      return "fallow";
    case MarketPolicy::kFirstFit:
      return "first-fit";
    case MarketPolicy::kOnDemand:
      break;
  }
  return "on-demand";
}

std::optional<MarketPolicy> market_policy_named(std::string_view name) {
  for (const MarketPolicy policy : kMarketPolicies) {
    if (name == name_of(policy)) return policy;
  }
  return std::nullopt;
}

MarketRun run_market(const MarketInputs& inputs, const MarketRules& rules) {
  return std::make_unique<Market>(inputs, rules)->run();
}

}  // namespace fallow::sim
