#include "sim/policy_trial.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/policy.h"
#include "engine/recovery.h"
#include "engine/replay.h"
#include "sim/trial_count.h"
#include "sim/trial_facts.h"
#include "sim/trial_market.h"

namespace fallow::sim {
namespace {

google::protobuf::Timestamp stamp_of(Time time) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(time.us / 1'000'000);
  stamp.set_nanos(static_cast<std::int32_t>(time.us % 1'000'000 * 1'000));
  return stamp;
}

// A machine somewhere in the log.
struct Standing {
  std::unique_ptr<core::Machine> machine;
  log::Head head;
};

// Of the newest snapshot of this log that is not of a time after `latest`; else the empty market.
Result<Standing> stand_before(log::LogReader& log, log::SnapshotStore* snapshots,
                              const core::Limits& limits, Time latest) {
  Standing empty{std::make_unique<core::Machine>(limits), log::genesis_head()};
  if (snapshots == nullptr) return empty;
  FALLOW_ASSIGN(const std::vector<log::SnapshotInfo> listed, snapshots->list());
  for (const log::SnapshotInfo& info : listed) {
    const Result<log::Head> head = log.head_at(info.index);
    if (!head || head->chain != info.chain || head->time > latest) continue;
    FALLOW_ASSIGN(const log::OpenedSnapshot opened, snapshots->open_newest(info.index));
    if (opened.reader == nullptr || opened.reader->info().index != info.index) continue;
    auto machine = engine::restore(*opened.reader, limits);
    if (machine) return Standing{std::move(*machine), *head};
  }
  return empty;
}

Status broken_off(std::uint64_t commands) {
  return fail(ErrorCode::kTimedOut, "the trial was broken off after {} commands of the log",
              commands);
}

std::string market_bytes(const core::Machine& machine) {
  std::string bytes;
  machine.snapshot([&](std::string_view piece) { bytes += piece; });
  return bytes;
}

Result<std::unique_ptr<core::Machine>> machine_of(std::string_view bytes,
                                                  const core::Limits& limits) {
  auto machine = std::make_unique<core::Machine>(limits);
  FALLOW_TRY(machine->restore([&bytes](char* into, std::size_t size) -> Result<std::size_t> {
    const std::size_t count = bytes.copy(into, size);
    bytes.remove_prefix(count);
    return count;
  }));
  return machine;
}

// What went before the span, what it was in fact, and the rules at its end.
struct Past {
  LogIndex snapshot;
  log::Head from;     // the span's beginning
  std::string begin;  // the market there
  TrialFacts facts;
  TrialCount count;
  v1::Policy policy;
  bool rules_changed = false;  // within the span
};

Result<std::unique_ptr<Past>> replay_past(log::LogReader& log, log::SnapshotStore* snapshots,
                                          const core::Limits& limits, const log::Head& end,
                                          const PolicyTrial& trial) {
  const Time from = end.time - trial.span;
  auto past = std::make_unique<Past>();
  FALLOW_ASSIGN(Standing standing, stand_before(log, snapshots, limits, from));
  past->snapshot = standing.head.last;
  engine::Replay replay(log, *standing.machine, standing.head);
  // At least the first entry, which founds the market.
  while (replay.head().time < from || replay.head().last.value == 0) {
    if (!trial.go_on()) return tl::unexpected(broken_off(replay.commands()).error());
    FALLOW_ASSIGN(const bool more, replay.next());
    if (!more) return fail(ErrorCode::kNotFound, "the log is empty: there is nothing to try");
  }
  past->from = replay.head();
  past->begin = market_bytes(*standing.machine);
  while (replay.head().last < end.last) {
    if (!trial.go_on()) return tl::unexpected(broken_off(replay.commands()).error());
    FALLOW_ASSIGN(const bool more, replay.next());
    if (!more) {
      return fail(ErrorCode::kCorrupt, "the log says it ends with command {} but has none after {}",
                  end.last.value, replay.head().last.value);
    }
    const engine::Batch batch = replay.batch();
    past->facts.see(batch, *standing.machine);
    for (const engine::Applied& applied : batch.commands) {
      past->count.see(*applied.command, applied.events, applied.time);
      past->rules_changed = past->rules_changed || applied.command->has_set_policy();
    }
  }
  past->count.finish(*standing.machine);
  past->policy = standing.machine->policy();
  return past;
}

struct Modelled {
  std::vector<TrialOrder> orders;
  v1::TrialFigures figures;
};

Result<Modelled> run_model(log::LogReader& log, const core::Limits& limits, const Past& past,
                           const log::Head& end, const v1::Policy& policy,
                           const PolicyTrial& trial) {
  FALLOW_ASSIGN(auto machine, machine_of(past.begin, limits));
  TrialMarket market(std::move(machine), past.facts, trial.go_on);
  FALLOW_TRY(market.run(log, past.from, end, policy));
  return Modelled{market.count().orders(), market.count().figures()};
}

// What of these rules a replay of the log does not show.
void add_notes(v1::PolicyTrialView& view, const Past& past) {
  const v1::Policy& now = view.present();
  const v1::Policy& tried = view.policy();
  const auto note = [&](std::string sentence) { view.add_notes(std::move(sentence)); };
  note(
      "people do what they did in fact: nobody asks for more, less or anything else because of "
      "these rules, and no provider changes an offer");
  if (past.rules_changed) {
    note("the rules changed within the span: the model applies one set of rules to all of it");
  }
  if (past.facts.faults() > 0) {
    note(
        fmt::format("{} leases ended by faults of their nodes (a device, a start, a lost workload) "
                    "that the model does not repeat",
                    past.facts.faults()));
  }
  if (now.quote_ttl_us() != tried.quote_ttl_us()) {
    note("quotes stand as long as they were given out for: quote_ttl_us changes nothing here");
  }
  if (now.proof_interval_us() != tried.proof_interval_us()) {
    note("proofs of devices are those of the log: proof_interval_us changes nothing here");
  }
  if (now.stop_grace_us() != tried.stop_grace_us() ||
      now.spot_notice_us() != tried.spot_notice_us()) {
    note("a workload that is told to stop is taken to end within a second, whatever its grace");
  }
  if (now.payout_delay_us() != tried.payout_delay_us()) {
    note(
        "what was asked to be paid out is as in the log: payout_delay_us only moves when it could");
  }
}

}  // namespace

Result<v1::PolicyTrialView> try_policy(log::LogReader& log, log::SnapshotStore* snapshots,
                                       const core::Limits& limits, const PolicyTrial& trial) {
  FALLOW_ASSIGN(const log::Head end, log.head());
  FALLOW_ASSIGN(const auto past, replay_past(log, snapshots, limits, end, trial));
  v1::PolicyTrialView view;
  *view.mutable_present() = past->policy;
  *view.mutable_policy() = past->policy;
  FALLOW_TRY(trial.change(*view.mutable_policy()));
  if (const auto why = core::check_policy(view.policy())) {
    return fail(ErrorCode::kInvalid, "the market would refuse these rules: {}", why->message);
  }
  FALLOW_ASSIGN(const Modelled now, run_model(log, limits, *past, end, view.present(), trial));
  FALLOW_ASSIGN(const Modelled tried, run_model(log, limits, *past, end, view.policy(), trial));
  view.set_state(v1::TRIAL_DONE);
  *view.mutable_span_from() = stamp_of(past->from.time);
  *view.mutable_span_until() = stamp_of(end.time);
  view.set_first_index(past->from.last.value + 1);
  view.set_last_index(end.last.value);
  view.set_snapshot_index(past->snapshot.value);
  *view.mutable_fact() = past->count.figures();
  *view.mutable_now() = now.figures;
  *view.mutable_tried() = tried.figures;
  *view.mutable_difference() = difference_of(now.orders, tried.orders);
  for (v1::TrialRefusal& refusal : refusals_of(now.orders, tried.orders)) {
    *view.add_refusals() = std::move(refusal);
  }
  add_notes(view, *past);
  return view;
}

}  // namespace fallow::sim
