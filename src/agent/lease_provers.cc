#include "agent/lease_provers.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "agent/proof_runner.h"
#include "agent/prove.h"
#include "agent/workload_record.h"

namespace fallow::agent {
namespace {

// A driver's compiler takes more than many a workload asks for; the renter pays for none of it.
constexpr std::uint32_t kProverMemoryMb = 2'048;
constexpr std::uint32_t kProverDiskMb = 1'024;
// The market waits for each answer for a minute.
constexpr Duration kProverTimeMax = minutes(5);
constexpr Duration kProverKillAgain = seconds(5);
// Nothing says when a driver has let go of a process that was killed.
constexpr Duration kProverPoll = milliseconds(20);

std::optional<std::uint32_t> place_of(const v1::DesiredLease& desired, std::uint32_t device) {
  const auto& devices = desired.devices();
  const auto found = std::find(devices.begin(), devices.end(), device);
  if (found == devices.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - devices.begin());
}

}  // namespace

void LeaseProvers::refuse(const v1::ProofAsk& ask, const std::string& why) {
  ProofTalk talk;
  talk.refuse(ask, why);
  for (v1::ProofAnswer& answer : talk.take_answers()) answers_.push_back(std::move(answer));
}

void LeaseProvers::ask(const v1::ProofAsk& ask, const v1::DesiredLease& desired) {
  const LeaseId lease(ask.lease());
  const auto place = place_of(desired, ask.device());
  if (!place) return refuse(ask, "the lease has no such device");
  const auto found = trials_.find(lease);
  const bool runs = found != trials_.end() && found->second.stage != Stage::kEnding &&
                    found->second.proof == ask.proof();
  // What a device held is gone with the process that the first ask began.
  if (!runs && (found != trials_.end() || ask.step() != v1::PROOF_ECHO)) {
    return refuse(ask, "the process that proves in the lease's sandbox has ended");
  }
  Trial& trial = trials_[lease];
  trial.desired = desired;
  trial.proof = ask.proof();
  v1::ProofAsk inner = ask;
  inner.set_device(*place);
  trial.talk.add(inner);
  if (trial.stage != Stage::kOpen) {
    trial.unsent.push_back(std::move(inner));
  } else if (!ProofTalk::send(trial.channel.get(), inner)) {
    kill(trial, lease, "the process that proves takes no asks");
  }
}

Result<LaunchSpec> LeaseProvers::spec_of(const Trial& trial, LeaseId lease, Time now) const {
  std::vector<LocalDevice> own;
  for (const std::uint32_t index : trial.desired.devices()) {
    const auto found = std::find_if(devices_.begin(), devices_.end(), [index](const auto& device) {
      return device.facts.index() == index;
    });
    if (found == devices_.end()) {
      return fail(ErrorCode::kInvalid, "the node has no device {} any more", index);
    }
    own.push_back(*found);
  }
  // Of the renter's workload nothing but its devices and its kind of sandbox.
  v1::DesiredLease desired = trial.desired;
  desired.clear_workload();
  desired.mutable_workload()->add_command(kProveMode);
  for (std::string& word : ProofRunner::words_of(own)) {
    desired.mutable_workload()->add_command(std::move(word));
  }
  desired.set_memory_mb(kProverMemoryMb);
  desired.set_disk_mb(kProverDiskMb);
  desired.set_cpu_thousandths(0);
  desired.set_network(v1::NETWORK_NONE);
  FALLOW_ASSIGN(LaunchSpec spec, launch_spec(desired, devices_, now + kProverTimeMax, nullptr));
  spec.lease = prover_of(lease);
  spec.is_prover = true;
  spec.environment.emplace_back("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
  spec.environment.emplace_back("CUDA_CACHE_PATH", "/tmp/cuda");
  return spec;
}

Status LeaseProvers::start(Trial& trial, LeaseId lease, Time now) {
  FALLOW_ASSIGN(const LaunchSpec spec, spec_of(trial, lease, now));
  if (const auto folders = runtime_.prepare(prover_of(lease)); !folders) {
    return tl::unexpected(folders.error());
  }
  FALLOW_TRY(runtime_.start(spec));
  trial.stage = Stage::kStarting;
  return {};
}

void LeaseProvers::step(bool devices_are_free, Time now) {
  for (auto at = trials_.begin(); at != trials_.end();) {
    const LeaseId lease = at->first;
    Trial& trial = at->second;
    ++at;
    if (trial.stage == Stage::kEnding && now >= trial.kill_at) {
      if (trial.kill_at != Time{}) runtime_.kill(prover_of(lease));
      trial.kill_at = now + kProverKillAgain;
    }
    if (trial.stage != Stage::kWaiting || !devices_are_free) continue;
    const Status started = start(trial, lease, now);
    if (started) continue;
    trial.talk.fail("its sandbox could not be made: " + started.error().message);
    take(trial);
    runtime_.forget(prover_of(lease));
    trials_.erase(lease);
  }
}

void LeaseProvers::open(Trial& trial, LeaseId lease) {
  Result<Fd> channel = runtime_.enter(prover_of(lease));
  if (!channel) return kill(trial, lease, channel.error().message);
  trial.channel = *std::move(channel);
  trial.stage = Stage::kOpen;
  for (const v1::ProofAsk& ask : std::exchange(trial.unsent, {})) {
    if (ProofTalk::send(trial.channel.get(), ask)) continue;
    return kill(trial, lease, "the process that proves takes no asks");
  }
}

bool LeaseProvers::happened(const RuntimeEvent& event) {
  const LeaseId prover = std::visit([](const auto& one) { return one.lease; }, event);
  if (!is_prover(prover)) return false;
  const LeaseId lease(prover.value & ~kProverBit);
  const auto found = trials_.find(lease);
  if (found == trials_.end()) return true;
  Trial& trial = found->second;
  if (std::get_if<Started>(&event) != nullptr) {
    if (trial.stage == Stage::kStarting) open(trial, lease);
  } else if (const auto* gone = std::get_if<Exited>(&event)) {
    if (trial.channel) (void)trial.talk.read(trial.channel.get());
    trial.talk.fail(gone->cause == ExitCause::kExited
                        ? "the device's driver ended the process that proves"
                        : "the process that proves ended: " + gone->detail);
    take(trial);
    runtime_.forget(prover);
    trials_.erase(found);
  }
  return true;
}

void LeaseProvers::kill(Trial& trial, LeaseId lease, const std::string& why) {
  trial.channel.reset();
  trial.unsent.clear();
  trial.talk.fail(why);
  if (trial.stage == Stage::kEnding) return;
  trial.stage = Stage::kEnding;
  runtime_.kill(prover_of(lease));
}

void LeaseProvers::end(LeaseId lease, const std::string& why) {
  const auto found = trials_.find(lease);
  if (found == trials_.end()) return;
  Trial& trial = found->second;
  if (trial.stage != Stage::kWaiting) return kill(trial, lease, why);
  trial.talk.fail(why);  // nothing of it runs
  take(trial);
  trials_.erase(found);
}

void LeaseProvers::end_all(const std::string& why) {
  for (const auto& [lease, proof] : asked()) end(lease, why);
}

std::vector<std::pair<LeaseId, std::uint64_t>> LeaseProvers::asked() const {
  std::vector<std::pair<LeaseId, std::uint64_t>> all;
  for (const auto& [lease, trial] : trials_) {
    if (trial.stage != Stage::kEnding) all.emplace_back(lease, trial.proof);
  }
  return all;
}

// The market knows devices by their places in the node.
void LeaseProvers::take(Trial& trial) {
  for (v1::ProofAnswer& answer : trial.talk.take_answers()) {
    const auto place = static_cast<int>(answer.device());
    if (place >= trial.desired.devices_size()) continue;
    answer.set_device(trial.desired.devices(place));
    answers_.push_back(std::move(answer));
  }
}

std::vector<v1::ProofAnswer> LeaseProvers::take_answers() {
  for (auto& [lease, trial] : trials_) {
    const std::string over =
        trial.stage == Stage::kOpen ? trial.talk.read(trial.channel.get()) : std::string();
    if (!over.empty()) kill(trial, lease, over);
    take(trial);
  }
  return std::exchange(answers_, {});
}

void LeaseProvers::add_polled(std::vector<pollfd>& polled) const {
  for (const auto& [lease, trial] : trials_) {
    if (trial.channel) polled.push_back({trial.channel.get(), POLLIN, 0});
  }
}

Time LeaseProvers::next_deadline(Time now) const {
  Time at = kNever;
  for (const auto& [lease, trial] : trials_) {
    if (trial.stage == Stage::kWaiting) at = std::min(at, now + kProverPoll);
    if (trial.stage == Stage::kEnding) at = std::min(at, trial.kill_at);
  }
  return at;
}

}  // namespace fallow::agent
