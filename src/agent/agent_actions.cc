#include <algorithm>
#include <optional>
#include <set>

#include "agent/agent_impl.h"
#include "agent/evidence.h"
#include "agent/notice.h"
#include "base/printable.h"

namespace fallow::agent {
namespace {

// An end is told even if its logs cannot be brought; and what has been told is kept this long for
// logs that are still on their way.
constexpr Duration kLogWaitMax = seconds(10);
constexpr Duration kLingerMax = seconds(30);
constexpr std::uint64_t kOutputBytesMax = std::uint64_t{64} << 30;

}  // namespace

void Agent::Impl::act(std::vector<Action> actions) {
  std::set<LeaseId> unstored;
  for (Action& action : actions) {
    std::visit(
        Overloaded{
            [&](const Persist& persist) {
              const Status saved = states.save(persist.record);
              if (saved) return;
              spdlog::error("the state of lease {} cannot be stored: {}",
                            persist.record.lease().value, saved.error().message);
              unstored.insert(persist.record.lease());
              reconciler.not_stored(persist.record.lease());
            },
            [&](const Prepare& prepare_action) {
              const LeaseId lease(prepare_action.desired.lease());
              if (unstored.contains(lease)) {
                own_events.emplace_back(PrepareFailed{lease, v1::START_FAILED,
                                                      "the node's disk takes no more records"});
              } else {
                prepare(prepare_action);
              }
            },
            [&](const Start& start_action) {
              const LeaseId lease(start_action.desired.lease());
              if (unstored.contains(lease)) {
                own_events.emplace_back(Exited{lease, read_now().monotonic, ExitCause::kStartFailed,
                                               0, 0, "the node's disk takes no more records"});
              } else {
                start(start_action);
              }
            },
            [&](const ExtendFence& fence) { runtime.set_fence(fence.lease, fence.fence_at); },
            [&](const Suspend& suspend) { runtime.suspend(suspend.lease); },
            [&](const Resume& resume) { runtime.resume(resume.lease); },
            [&](const TellOwner& told) {
              owner_notes.lease_is(told.act, told.lease, read_now().monotonic);
            },
            [&](const Stop& stop_action) { stop(stop_action); },
            [&](const Save& save_action) { save(save_action.lease, false); },
            [&](const Kill& kill) {
              secrets.forget(kill.lease);
              transfers.cancel(kill.lease);
              runtime.kill(kill.lease);
            },
            [&](const Collect& collect) {
              Collection& collection = collections[collect.lease];
              collection.until = read_now().monotonic + kLogWaitMax;
              pump.finish(collect.lease);
              // A saving that runs has seen less than the last one will.
              transfers.cancel(collect.lease);
              collection.saving = collect.checkpoint;
              // The market waits for a bounded time: of the two the outputs are wanted more.
              if (collect.outputs) {
                transfers.put(collect.lease, runtime.folders(collect.lease).out, kOutputBytesMax);
              } else {
                collection.outputs = Collected{collect.lease, ""};
              }
              if (collect.checkpoint) save(collect.lease, true);
            },
            [&](const Forget& forget) {
              secrets.forget(forget.lease);
              transfers.cancel(forget.lease);
              collections.erase(forget.lease);
              // Of one that ended before it ran, too: what it was told has an end.
              pump.finish(forget.lease);
              forgetting[forget.lease] =
                  read_now().monotonic + (removed ? Duration(0) : kLingerMax);
            },
            [&](const Connect&) { connect(); },
            [&](const Disconnect& disconnect) {
              spdlog::warn("leaving the connection to the market: {}", disconnect.reason);
              connect_pending = false;
              link.close();
            },
            [&](const Send& message) {
              // A meter record that is not stored must not be seen by anyone.
              if (unstored.empty() || !message.message.has_observed()) send(message.message);
            },
            [&](const Quit& quit) {
              spdlog::warn("the market removed this node: {}", quit.reason);
              removed = true;
            },
        },
        action);
  }
}

void Agent::Impl::prepare(const Prepare& action) {
  proofs.stop("a lease began");
  const LeaseId lease(action.desired.lease());
  const auto spec = launch_spec(action.desired, options.devices, Time{}, nullptr);
  if (!spec) {
    own_events.emplace_back(
        PrepareFailed{lease, verdict_of(Evidence::kOrderInvalid).reason, spec.error().message});
    return;
  }
  const v1::Workload& workload = action.desired.workload();
  const Secrets* const given = secrets.of(lease);
  if (SecretDesk::needs(workload) && given == nullptr) {
    ask_for_secrets(action.desired);
    return;
  }
  const auto folders = runtime.prepare(lease);
  if (!folders) {
    own_events.emplace_back(PrepareFailed{lease, v1::START_FAILED, folders.error().message});
    return;
  }
  const std::string& checkpoint = action.desired.checkpoint_manifest();
  if (workload.input_manifest().empty() && workload.image().empty() && checkpoint.empty()) {
    own_events.emplace_back(Prepared{lease});
  } else if (!transfers.is_busy(lease)) {
    Transfers::Needs needs;
    needs.manifest = workload.input_manifest();
    needs.folder = folders->work;
    needs.bytes_max = spec->disk_bytes_max;
    needs.image = workload.image();
    if (given != nullptr) needs.login = given->login;
    needs.checkpoint = checkpoint;
    needs.checkpoint_folder = folders->checkpoint;
    // Of these the renter is told before the start.
    if (!needs.image.empty() || !checkpoint.empty()) pump.add(lease);
    transfers.fetch(lease, std::move(needs));
  }
}

Result<LaunchSpec> Agent::Impl::ready_spec(const Start& action) const {
  const LeaseId lease(action.desired.lease());
  const v1::Workload& workload = action.desired.workload();
  std::optional<ImageFacts> image;
  if (!workload.image().empty()) {
    if (options.images == nullptr) return fail(ErrorCode::kFailed, "this node runs no images");
    FALLOW_ASSIGN(image, options.images->of(lease));
  }
  FALLOW_ASSIGN(LaunchSpec spec, launch_spec(action.desired, options.devices, action.fence_at,
                                             image ? &*image : nullptr));
  if (!SecretDesk::needs(workload)) return spec;
  const Secrets* const given = secrets.of(lease);
  if (given == nullptr)
    return fail(ErrorCode::kFailed, "the node lost the secrets of the workload");
  spec.secret_environment = given->environment;
  return spec;
}

void Agent::Impl::start(const Start& action) {
  const LeaseId lease(action.desired.lease());
  const auto spec = ready_spec(action);
  const Status started = spec ? runtime.start(*spec) : Status(tl::unexpected(spec.error()));
  // Its supervisor has them now, or nobody needs them any more.
  secrets.forget(lease);
  if (!started) {
    own_events.emplace_back(Exited{lease, read_now().monotonic, ExitCause::kStartFailed, 0, 0,
                                   started.error().message});
    return;
  }
  pump.add(lease);
  spdlog::info("lease {} starts: {}", lease.value, printable(spec->command[0]));
}

void Agent::Impl::stop(const Stop& action) {
  const Status told =
      write_notice(runtime.folders(action.lease).checkpoint, action.reason, action.grace);
  if (!told)
    spdlog::warn("lease {} ends without a notice: {}", action.lease.value, told.error().message);
  runtime.stop(action.lease);
}

void Agent::Impl::save(LeaseId lease, bool is_last) {
  const auto found = reconciler.workloads().find(lease);
  if (found == reconciler.workloads().end()) return;
  transfers.save(lease, runtime.folders(lease).checkpoint,
                 std::min(disk_bytes_of(found->second.record.desired), kOutputBytesMax), is_last);
}

void Agent::Impl::open_tunnel(const v1::OpenTunnel& asked) {
  if (options.tunnels == nullptr) return;
  const LeaseId lease(asked.lease());
  Result<Fd> inside = runtime.enter(lease);
  if (!inside) spdlog::warn("lease {}: no way in: {}", lease.value, inside.error().message);
  options.tunnels->open(lease, asked.token(), std::move(inside));
}

void Agent::Impl::connect() {
  // The link must have told the end of its last connection first.
  connect_pending = link_open;
  if (link_open) return;
  link_open = true;
  link.open(Inbox::events(inbox));
}

bool Agent::Impl::send(const v1::AgentMessage& message) {
  const Status sent = link.send(message.SerializeAsString());
  if (!sent && sent.error().code != ErrorCode::kBusy && sent.error().code != ErrorCode::kClosed) {
    spdlog::error("a message to the market could not be sent: {}", sent.error().message);
  }
  return sent.has_value();
}

}  // namespace fallow::agent
