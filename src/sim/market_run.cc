#include "sim/market_run.h"

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "core/deadlines.h"
#include "core/machine.h"
#include "core/policy.h"
#include "core/speed.h"
#include "sim/lab_commands.h"
#include "sim/market_arrivals.h"
#include "sim/market_asks.h"
#include "sim/market_fleet.h"
#include "sim/market_plan.h"

namespace fallow::sim {
namespace {

constexpr Time kStart{1'700'000'000'000'000};
constexpr std::uint32_t kTaskGpusMax = 8;  // a larger job is split: no node has more
constexpr Micros kWallet(900'000'000'000'000);
constexpr std::uint32_t kSamplesPerDay = 4;

double hours_of(Duration time) { return static_cast<double>(time.value) / 3'600e6; }
double units(std::int64_t micros) { return static_cast<double>(micros) / 1e6; }

// Nothing is waited for: what ends, ends by a report of the moment.
v1::Policy policy(const MarketRules& rules) {
  v1::Policy policy = core::default_policy();
  policy.set_meter_interval_us(kYear.value);
  policy.set_suspend_after_us(kYear.value);
  policy.set_close_after_us(kYear.value);
  policy.set_start_timeout_us(kYear.value);
  policy.set_payout_delay_us(0);
  // What is measured here was measured without these. Of the other rules that new markets have, and
  // older ones may not: fair_turns decides who comes next here, too. Scarcity and what is expected
  // of deadlines (scarcity_basis_points, deadlines_by_forecast) are on, but without a forecast they
  // count nothing, and pull_timeout_us nothing without images.
  policy.set_weighs_kept_time(false);
  policy.set_counts_until_stop(false);
  policy.set_firm_turns(false);
  policy.set_firm_proofs(false);
  policy.set_holds_deposits(false);
  policy.set_keeps_device_records(false);
  policy.set_lease_proof_basis_points(0);
  policy.set_price_interval_us(minutes(rules.price_interval_minutes).value);
  return policy;
}

Digest run_digest(const MarketRun& run, const Digest& of_machine) {
  Digester digester;
  digester.update(of_machine);
  digester.update_u64(run.commands);
  digester.update_u64(run.refused);
  for (const JobFigures& asked : run.asked) {
    for (const std::uint64_t count : {asked.jobs, asked.done, asked.late}) {
      digester.update_u64(count);
    }
  }
  for (const auto& by_host : run.leases) {
    for (const LeaseFigures& leases : by_host) {
      for (const std::uint64_t count : {leases.leases, leases.preempted, leases.lost}) {
        digester.update_u64(count);
      }
    }
  }
  return digester.finish();
}

class Market {
 public:
  Market(const MarketInputs& inputs, const MarketRules& rules)
      : inputs_(inputs),
        rules_(rules),
        fleet_(inputs.book, inputs.home, inputs.verified, rules.nodes, rules.seed),
        asks_(rules, fleet_) {}

  MarketRun run() {
    const double begun = thread_seconds();
    open_market();
    join_all();
    plan_arrivals();
    for (std::uint32_t i = 1; i <= rules_.days * kSamplesPerDay; ++i) {
      plan_.add(kStart + Duration(hours(24).value / kSamplesPerDay * i), What::kSample, i);
    }
    plan_meters(kStart);
    const Time end = kStart + hours(24 * std::int64_t{rules_.days});
    // A tick may plan what comes before all that was planned: whichever is next is done next.
    while (true) {
      if (tick_by(std::min(plan_.next_at().value_or(end), end))) continue;
      const std::optional<PlannedEvent> event = plan_.next(end);
      if (!event) break;
      now_ = event->at;
      happen(*event);
      order_again();
    }
    now_ = end;
    finish();
    run_.seconds = thread_seconds() - begun;
    return std::move(run_);
  }

 private:
  void apply(const v1::Command& command) {
    told_.clear();
    machine_.apply(LogIndex(machine_.last_index().value + 1), now_, command, told_);
    ++run_.commands;
    for (const v1::Event& event : told_) {
      if (event.has_lease_placed()) placed(event.lease_placed());
      if (event.has_lease_changed()) changed(event.lease_changed());
      if (event.has_lease_ended()) ended(event.lease_ended());
      if (event.has_order_ended()) over(OrderId(event.order_ended().order()));
      if (event.has_refused()) ++run_.refused;
    }
  }

  // One, as the sequencer proposes it; false when none is due by then.
  bool tick_by(Time until) {
    const std::optional<Time> due = machine_.next_deadline();
    if (!due || *due > until) return false;
    now_ = std::max(now_, *due);
    v1::Command command;
    command.mutable_tick();
    apply(command);
    order_again();
    return true;
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
    apply(account_command(scope));
    return first_id_of(machine_.last_index());
  }

  void open_market() {
    apply(found_command("market", policy(rules_)));
    for (std::uint32_t i = 0; i < inputs_.jobs.clusters; ++i) {
      renters_.push_back(open_account(v1::RENTER));
      apply(deposit_command(renters_.back(), kWallet, i));
    }
  }

  void join_all() {
    const std::string token = made_up_key(2, 0);
    apply(join_token_command(open_account(v1::PROVIDER), token, rules_.nodes));
    for (std::uint32_t i = 0; i < rules_.nodes; ++i) {
      MarketNode& node = fleet_.nodes()[i];
      v1::Command command;
      command.mutable_join_node()->set_secret_hash(token);
      command.mutable_join_node()->set_public_key(made_up_key(3, i));
      *command.mutable_join_node()->mutable_facts() = fleet_.facts(i);
      apply(command);
      node.id = NodeId(first_id_of(machine_.last_index()));
      numbers_.emplace(node.id.value, i);
      apply(fleet_.offer(i, rules_.spot_floor_pct));
      node.since = now_;
      if (!node.away) apply(link_command(node.id, true));
      plan_.add(now_ + fleet_.span(node), What::kTurn, i);
      HostFigures& host = run_.hosts[node.verified ? 1 : 0];
      ++host.nodes;
      host.devices += node.devices;
    }
  }

  void plan_arrivals() {
    jobs_ = draw_jobs(inputs_.jobs, rules_, fleet_.capacity(), kStart);
    for (std::size_t i = 0; i < jobs_.size(); ++i) plan_.add(jobs_[i].arrival, What::kArrival, i);
  }

  void happen(const PlannedEvent& event) {
    switch (event.what) {
      case What::kArrival:
        return arrive(static_cast<std::uint32_t>(event.number));
      case What::kTurn:
        return turn(fleet_.nodes()[event.number], static_cast<std::uint32_t>(event.number));
      case What::kEnd:
        return end(LeaseId(event.number));
      case What::kGone:
        return report_end(LeaseId(event.number), v1::STOPPED);
      case What::kMeters:
        return meter_spot();
      case What::kSample:
        return sample(event.number);
    }
  }

  JobTally& tally_of(const Piece& piece) { return tallies_[place_of(jobs_[piece.job].tier)]; }

  void arrive(std::uint32_t number) {
    Job& job = jobs_[number];
    tallies_[place_of(job.tier)].arrived();
    std::uint32_t gpus = std::exchange(job.pieces_left, 0);
    while (gpus > 0) {
      const std::uint32_t part = std::min(gpus, kTaskGpusMax);
      gpus -= part;
      ++job.pieces_left;
      pieces_.push_back(Piece{number, part, job.running, now_});
      order(static_cast<std::uint32_t>(pieces_.size() - 1));
    }
  }

  void order(std::uint32_t number) {
    Piece& piece = pieces_[number];
    const Job& job = jobs_[piece.job];
    piece.ordered_at = now_;
    v1::Command command;
    *command.mutable_submit_order() = asks_.order(job, piece, now_, machine_);
    command.mutable_submit_order()->set_account(renters_[job.renter]);
    const std::uint64_t refused = run_.refused;
    const std::uint64_t id = first_id_of(LogIndex(machine_.last_index().value + 1));
    orders_.emplace(id, number);  // its own command may place it
    apply(command);
    if (run_.refused != refused) orders_.erase(id);
  }

  void placed(const v1::LeasePlaced& told) {
    const std::uint32_t number = orders_.at(told.order());
    Piece& piece = pieces_[number];
    const std::uint32_t at = numbers_.at(told.node());
    const MarketNode& node = fleet_.nodes()[at];
    const core::Lease& lease = *machine_.lease(LeaseId(told.lease()));
    const bool reserved = jobs_[piece.job].tier == v1::RESERVED;
    const v1::Tier tier = lease.spot ? v1::SPOT : reserved ? v1::RESERVED : v1::ON_DEMAND;
    running_.emplace(told.lease(), Running{number, at, tier});
    if (lease.spot) spot_.insert(told.lease());
    tally_of(piece).queued(now_ - piece.ordered_at);
    ++figures_of(tier, node).leases;
    plan_.add(now_ + minutes(rules_.start_minutes) +
                  std::min(time_on(piece.left, node.speed), lease.time_max),
              What::kEnd, told.lease());
  }

  // Told to stop, it goes on for as long as its notice is.
  void changed(const v1::LeaseChanged& told) {
    if (told.state() != v1::STOPPING) return;
    spot_.erase(told.lease());  // no record of it counts any more
    plan_.add(now_ + core::stop_grace(machine_.policy(), *machine_.lease(LeaseId(told.lease()))),
              What::kGone, told.lease());
  }

  LeaseFigures& figures_of(v1::Tier tier, const MarketNode& node) {
    return run_.leases[place_of(tier)][node.verified ? 1 : 0];
  }

  Duration worked(const core::Lease& lease) const {
    return std::max(Duration(), now_ - lease.placed_at - minutes(rules_.start_minutes));
  }

  void add_report(v1::Observe& observe, LeaseId id, v1::LeaseState state,
                  v1::EndReason reason) const {
    const core::Lease& lease = *machine_.lease(id);
    v1::WorkloadReport& report = *observe.add_workloads();
    report.set_lease(id.value);
    report.set_state(state);
    report.set_reason(reason);
    const Duration ran = worked(lease);
    if (ran.value > 0) add_meter(report, lease.meter_sequence + 1, ran, now_);
  }

  v1::Command report_of(const MarketNode& node) const {
    v1::Command command;
    command.mutable_observe()->set_node(node.id.value);
    command.mutable_observe()->set_owner(v1::OWNER_AWAY);
    return command;
  }

  void report_end(LeaseId id, v1::EndReason reason) {
    const auto at = running_.find(id.value);
    if (at == running_.end()) return;  // it was lost before
    v1::Command command = report_of(fleet_.nodes()[at->second.node]);
    add_report(*command.mutable_observe(), id, v1::ENDED, reason);
    apply(command);
  }

  void end(LeaseId id) {
    const auto at = running_.find(id.value);
    if (at == running_.end()) return;  // it was lost before
    const Duration needed =
        time_on(pieces_[at->second.piece].left, fleet_.nodes()[at->second.node].speed);
    report_end(id, worked(*machine_.lease(id)) >= needed ? v1::COMPLETED : v1::TIME_LIMIT);
  }

  // At the last moment of each interval, so that all of it is charged at its own price.
  void plan_meters(Time from) {
    const std::int64_t interval = minutes(rules_.price_interval_minutes).value;
    plan_.add(Time{(from.us / interval + 1) * interval - 1}, What::kMeters, 0);
  }

  void meter_spot() {
    for (const std::uint64_t lease : std::vector<std::uint64_t>(spot_.begin(), spot_.end())) {
      const LeaseId id(lease);
      if (!spot_.contains(lease) || worked(*machine_.lease(id)).value == 0) continue;
      v1::Command command = report_of(fleet_.nodes()[running_.at(lease).node]);
      add_report(*command.mutable_observe(), id, v1::RUNNING, v1::END_REASON_UNSPECIFIED);
      apply(command);
    }
    plan_meters(now_ + Duration(1));
  }

  // A node's owner comes home, or a verified host fails; or it is there again.
  void turn(MarketNode& node, std::uint32_t number) {
    HostFigures& host = run_.hosts[node.verified ? 1 : 0];
    if (!node.away) host.offered_hours += hours_of(now_ - node.since) * node.devices;
    node.away = !node.away;
    node.since = now_;
    if (node.away) {
      const std::vector<LeaseId> leases = machine_.node(node.id)->leases;
      apply(link_command(node.id, false));
      v1::Command command = report_of(node);
      for (const LeaseId id : leases) {
        add_report(*command.mutable_observe(), id, v1::ENDED,
                   node.verified ? v1::HOST_LOST : v1::OWNER_RETURNED);
      }
      if (!leases.empty()) apply(command);
    } else {
      apply(link_command(node.id, true));
    }
    plan_.add(now_ + fleet_.span(node), What::kTurn, number);
  }

  void ended(const v1::LeaseEnded& told) {
    const auto at = running_.find(told.lease());
    FALLOW_CHECK(at != running_.end(), "lease {} ended twice", told.lease());
    const Running running = at->second;
    running_.erase(at);
    spot_.erase(told.lease());
    const MarketNode& node = fleet_.nodes()[running.node];
    LeaseFigures& figures = figures_of(running.tier, node);
    Piece& piece = pieces_[running.piece];
    JobTally& tally = tally_of(piece);
    const core::Lease& lease = *machine_.lease(LeaseId(told.lease()));
    count_leased(running, lease);
    const std::int64_t paid = told.charged_micros() - told.refunded_micros();
    fee_ += told.fee_micros();
    refunded_ += told.refunded_micros();
    tally.paid(units(paid));
    figures.cost += units(paid);
    figures.income += units(paid - told.fee_micros());
    piece.ordered_at = now_;  // whoever was preempted waits from now on
    if (told.reason() == v1::COMPLETED) {
      const double kept = hours_of(piece.left) * piece.gpus;
      figures.work_hours += kept;
      tally.worked(kept, 0);
      piece.left = Duration();
      if (--jobs_[piece.job].pieces_left == 0) job_done(jobs_[piece.job]);
      return;
    }
    const bool lost = told.reason() == v1::OWNER_RETURNED || told.reason() == v1::HOST_LOST;
    const bool preempted = told.reason() == v1::PREEMPTED;
    FALLOW_CHECK(lost || preempted || told.reason() == v1::TIME_LIMIT || told.reason() == v1::FUNDS,
                 "lease {} ended for reason {}", told.lease(), static_cast<int>(told.reason()));
    figures.lost += lost ? 1 : 0;
    figures.preempted += preempted ? 1 : 0;
    keep_checkpoint(piece, tally, figures, worked(lease), node.speed, preempted);
  }

  // What was done since the last checkpoint is done again.
  void keep_checkpoint(Piece& piece, JobTally& tally, LeaseFigures& figures, Duration ran,
                       std::int64_t speed, bool preempted) {
    if (ran.value == 0) return;
    const Duration every = minutes(rules_.checkpoint_minutes);
    const auto work = [&](Duration time) {
      return Duration(time.value / core::kSpeedUnit * speed);
    };
    const Duration kept =
        std::min(piece.left - Duration(1), work(Duration(ran.value / every.value * every.value)));
    const double kept_hours = hours_of(kept) * piece.gpus;
    const double lost_hours = hours_of(std::max(Duration(), work(ran) - kept)) * piece.gpus;
    tally.worked(kept_hours, lost_hours);
    figures.work_hours += kept_hours;
    figures.lost_hours += lost_hours;
    if (preempted) figures.preempted_hours += lost_hours;
    piece.left -= kept;
  }

  void count_leased(const Running& running, const core::Lease& lease) {
    const Piece& piece = pieces_[running.piece];
    const double leased = hours_of(now_ - lease.placed_at) * piece.gpus;
    figures_of(running.tier, fleet_.nodes()[running.node]).leased_hours += leased;
    tally_of(piece).leased(leased, running.tier == v1::SPOT);
  }

  // The market tries a preempted task again itself; what else is not done is ordered anew.
  void over(OrderId id) {
    const auto at = orders_.find(id.value);
    FALLOW_CHECK(at != orders_.end(), "order {} ended twice", id.value);
    const std::uint32_t piece = at->second;
    orders_.erase(at);
    if (pieces_[piece].left.value > 0) again_.push_back(piece);
  }

  void job_done(const Job& job) {
    tallies_[place_of(job.tier)].done(now_ - job.arrival, job.running,
                                      now_ > deadline_of(job, rules_));
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
      count_leased(running, *machine_.lease(LeaseId(lease)));
    }
    for (const Job& job : jobs_) {
      if (job.pieces_left > 0 && deadline_of(job, rules_) < now_) {
        tallies_[place_of(job.tier)].overdue();
      }
    }
    JobTally all;
    for (std::size_t i = 0; i < kMarketTierCount; ++i) {
      run_.asked[i] = tallies_[i].figures();
      all.add(tallies_[i]);
    }
    run_.all = all.figures();
    run_.fee = units(fee_);
    run_.refunded = units(refunded_);
    machine_.check_invariants();
    run_.digest = run_digest(run_, machine_.digest());
  }

  const MarketInputs& inputs_;
  const MarketRules rules_;
  MarketFleet fleet_;
  const MarketAsks asks_;
  core::Machine machine_;
  core::Events told_;  // by the latest command
  Time now_ = kStart;
  MarketPlan plan_;

  std::vector<std::uint64_t> renters_;
  std::unordered_map<std::uint64_t, std::uint32_t> numbers_;  // of nodes
  std::vector<Job> jobs_;
  std::vector<Piece> pieces_;
  std::unordered_map<std::uint64_t, std::uint32_t> orders_;  // open: their piece
  absl::btree_map<std::uint64_t, Running> running_;          // open leases, in order for the sums
  absl::btree_set<std::uint64_t> spot_;  // of them, on spot and not told to stop
  std::vector<std::uint32_t> again_;     // pieces whose order is over

  std::int64_t fee_ = 0, refunded_ = 0;  // micros
  std::array<JobTally, kMarketTierCount> tallies_;
  MarketRun run_;
};

}  // namespace

MarketRun run_market(const MarketInputs& inputs, const MarketRules& rules) {
  return std::make_unique<Market>(inputs, rules)->run();
}

}  // namespace fallow::sim
