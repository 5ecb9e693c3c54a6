#include "sim/sim_server.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

#include "engine/replay.h"
#include "sim/sim_signer.h"

namespace fallow::sim {
namespace {

constexpr Duration kHubTick = seconds(1);

// Small, so that the market forgets and refuses within a run.
core::Limits small_limits() {
  core::Limits limits;
  limits.orders_ended_kept_max = 40;
  limits.request_keys_kept_max = 2'000;
  limits.placements_per_command_max = 3;
  limits.matches_per_command_max = 8;
  limits.tests_per_command_max = 8;
  limits.deadlines_per_command_max = 2;
  return limits;
}

}  // namespace

SimServer::SimServer(World& world, Watch& watch, SimNetwork& network, v1::Found found)
    : world_(world),
      watch_(watch),
      network_(network),
      found_(std::move(found)),
      limits_(small_limits()),
      clock_(world),
      log_(world),
      naive_ledger_([&world](std::string why) { world.fail(std::move(why)); }),
      naive_matcher_(limits_, [&world](std::string why) { world.fail(std::move(why)); }) {
  network_.set_server(this);
}

void SimServer::start() {
  ++life_;
  engine::Subscriber* const models[] = {this};
  auto recovered = engine::recover(log_, &snapshots_, limits_, models, nullptr);
  if (!recovered) return world_.fail("the log cannot be read: " + recovered.error().message);
  if (recovered->snapshot.value > 0) world_.reach(Mark::kSnapshotRestored);
  if (!recovered->notes.empty()) world_.reach(Mark::kTornSnapshotPassedOver);
  watch_.recovered(recovered->head.last);
  machine_ = std::move(recovered->machine);
  machine_->check_invariants();
  sequencer_ = std::make_unique<engine::Sequencer>(log_, recovered->head, *machine_, clock_,
                                                   std::vector<engine::Subscriber*>{this});
  hub_ = std::make_unique<server::Hub>(*this, clock_, world_.random(), server::HubLimits{},
                                       verify_simulated);
  ahead_ = 0;
  wake_at_ = Time{};
  open_market(recovered->head.last.value == 0);
}

// As Engine does: the first command of a log founds the market, that of a later start resumes it.
void SimServer::open_market(bool is_new) {
  v1::Command command;
  if (is_new) {
    *command.mutable_found() = found_;
  } else {
    command.mutable_resume();
  }
  log_.set_full(false);
  if (!sequencer_->submit(command, {})) return world_.fail("the market does not open");
  sequencer_->step();
  log_.synced();
  plan_tick();
  wake();
}

void SimServer::down() {
  ++life_;
  hub_.reset();
  sequencer_.reset();
  machine_.reset();
  network_.server_died();
}

void SimServer::crash(Duration down_for) {
  if (!is_up()) return;
  if (ahead_ == 0 && world_.one_in(2)) {
    crash_at_append_ = down_for;
    return;
  }
  crash_at_append_.reset();
  world_.reach(Mark::kServerCrashed);
  down();
  log_.crash();
  if (world_.fault_in(3)) damage_snapshot();
  world_.after(down_for, [this] { start(); });
}

void SimServer::stop(Duration down_for) {
  if (!is_up()) return;
  world_.reach(Mark::kServerStopped);
  hub_->shut_down();
  sequencer_->close();
  while (!sequencer_->drained()) sequencer_->step();
  sequencer_->step();
  log_.synced();
  down();
  log_.crash();
  world_.after(down_for, [this] { start(); });
}

void SimServer::fill_disk(Duration how_long) {
  log_.set_full(true);
  world_.after(how_long, [this] { log_.set_full(false); });
}

void SimServer::set_clock_back(Duration by) {
  // Far more than a node's clock may differ from the market's: what passes while the server is away
  // is then in no clock.
  if (by > minutes(1) - clock_.behind()) return;
  world_.reach(Mark::kClockSetBack);
  clock_.set_back(by);
}

void SimServer::set_clock_forward(Duration by) {
  world_.reach(Mark::kClockSetForward);
  clock_.set_back(-by);
}

void SimServer::take_snapshot() {
  if (!is_up() || ahead_ > 0) return;
  auto replica = engine::recover(log_, &snapshots_, limits_, {}, nullptr);
  if (!replica) return world_.fail("the replica cannot read the log: " + replica.error().message);
  if (replica->machine->digest() != machine_->digest()) {
    return world_.fail(
        fmt::format("at command {} the replica and the market differ", replica->head.last.value));
  }
  const auto saved = engine::save(*replica->machine, replica->head, snapshots_, nullptr);
  if (!saved) world_.fail("the snapshot cannot be written: " + saved.error().message);
}

// The newest snapshot is torn: replay must begin at the one before.
void SimServer::damage_snapshot() {
  const auto opened = snapshots_.open_newest(LogIndex(~std::uint64_t{0}));
  if (!opened || opened->reader == nullptr) return;
  log::MemorySnapshots::Kept kept;
  kept.info = opened->reader->info();
  kept.content.resize(kept.info.bytes / 2);
  std::size_t at = 0;
  while (at < kept.content.size()) {
    const auto got = opened->reader->read(std::span<char>(kept.content).subspan(at));
    if (!got || *got == 0) break;
    at += *got;
  }
  snapshots_.keep(std::move(kept));
}

Digest SimServer::digest() {
  Digester digester;
  const auto head = log_.head();
  digester.update(head->chain);
  if (machine_ != nullptr) digester.update(machine_->digest());
  return digester.finish();
}

// ---- the market thread
// ---------------------------------------------------------------------------

void SimServer::plan_tick() {
  world_.after(kHubTick, [this, life = life_] {
    if (life != life_) return;
    hub_->tick();
    wake();
    plan_tick();
  });
}

void SimServer::wake() {
  const Time soon = world_.now() + microseconds(50);
  if (wake_at_ > world_.now() && wake_at_ <= soon) return;
  wake_at_ = soon;
  world_.at(soon, [this, soon, life = life_] {
    if (life == life_ && wake_at_ == soon) work();
  });
}

void SimServer::work() {
  wake_at_ = Time{};
  if (sequencer_->append_step()) {
    ++ahead_;
    if (crash_at_append_ && !world_.calm()) {
      world_.after(microseconds(100), [this, life = life_, down_for = *crash_at_append_] {
        if (life == life_) crash(down_for);
      });
    }
    // The disk's own time; answers leave when it is done.
    const Duration sync = world_.fault_in(500) ? world_.between(milliseconds(100), seconds(3))
                                               : world_.between(microseconds(200), milliseconds(4));
    world_.after(sync, [this, life = life_] {
      if (life != life_ || ahead_ == 0) return;
      // A later batch keeps the disk busy, unless it found no room there.
      if (--ahead_ == 0 || log_.is_full()) log_.synced();
      sequencer_->apply_step();
      wake();
    });
    if (world_.one_in(3)) wake();
    return;
  }
  if (ahead_ > 0) return;
  sequencer_->apply_step();
  const Duration idle = std::max(sequencer_->idle_for_max(), microseconds(100));
  if (wake_at_.us != 0) return;
  const Time at = world_.now() + idle;
  wake_at_ = at;
  world_.at(at, [this, at, life = life_] {
    if (life == life_ && wake_at_ == at) work();
  });
}

void SimServer::on_batch(const engine::Batch& batch, const core::Machine& machine) {
  // A replayed batch was seen before the crash, unless nobody was told of it then.
  seen_ = batch.last();
  commands_ += batch.commands.size();
  watch_.on_batch(batch, machine);
  naive_ledger_.on_batch(batch, machine);
  if (world_.one_in(20)) naive_matcher_.compare(machine, world_.random());
  if (hub_ == nullptr) return;
  hub_->applied(machine, batch.commands);
}

bool SimServer::submit_command(const v1::Command& command, engine::Completion done) {
  return take(command, std::move(done)).has_value();
}

Status SimServer::take(const v1::Command& command, engine::Completion done) {
  if (!is_up()) return fail(ErrorCode::kClosed, "the server is down");
  const Status taken = sequencer_->submit(command, std::move(done));
  wake();
  return taken;
}

// ---- the hub's surroundings
// ----------------------------------------------------------------------

void SimServer::send(server::SessionId session, const v1::HubMessage& message) {
  if (message.observed_ack().ended_size() > 0) world_.reach(Mark::kEndedInAnswer);
  network_.send_to_agent(session.value, message.SerializeAsString());
}

void SimServer::close(server::SessionId session) { network_.close_by_server(session.value); }

Status SimServer::submit(const v1::Command& command, server::Stored stored) {
  return take(command, [stored = std::move(stored)](const Result<engine::Applied>& applied,
                                                    const core::Machine& machine) {
    stored(applied ? &machine : nullptr);
  });
}

bool SimServer::read(std::function<void(const core::Machine&)> visit) {
  const bool taken = sequencer_->read(std::move(visit)).has_value();
  wake();
  return taken;
}

// There is but one thread.
bool SimServer::work(std::function<void()> job) {
  return read([job = std::move(job)](const core::Machine&) { job(); });
}

// Output is not simulated: the agent's edge sends it, not its logic.
std::uint64_t SimServer::store_log(const v1::LogChunk& chunk) {
  return chunk.offset() + chunk.data().size();
}

void SimServer::link_opened(ConnectionId id) { hub_->opened(server::SessionId(id)); }

void SimServer::link_received(ConnectionId id, const std::string& bytes) {
  hub_->received(server::SessionId(id), bytes);
}

void SimServer::link_closed(ConnectionId id) { hub_->closed(server::SessionId(id)); }

}  // namespace fallow::sim
