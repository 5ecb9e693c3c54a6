// What an agent's folder tells of it, and how the folder goes.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "agent/data_folder.h"
#include "agent/energy_book.h"
#include "agent/node_key.h"
#include "agent/owner_decision.h"
#include "agent/owner_file.h"
#include "agent/owner_history.h"
#include "agent/state_store.h"
#include "base/file.h"
#include "base/number.h"
#include "bin/market_host.h"
#include "bin/owner_policy.h"
#include "bin/supervisor_program.h"
#include "runtime/cgroup.h"
#include "runtime/egress.h"
#include "runtime/processes.h"
#include "runtime/sandbox_runtime.h"

namespace fallow::bin {
namespace {

Status check_is_agents(const std::string& data) {
  std::error_code error;
  if (std::filesystem::exists(data + "/node.key", error)) return {};
  if (error) return fail(ErrorCode::kDenied, "cannot look into {}: {}", data, error.message());
  return fail(ErrorCode::kNotFound,
              "{} is no data folder of an agent: give the --data that it was started with", data);
}

bool is_locked(const std::string& data) {
  const auto lock = open_file(data + "/agent.lock", O_RDWR);
  return lock && ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0;
}

// Workloads that exist, as far as their records say.
Result<std::uint32_t> live_workloads(const std::string& data) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(data + "/workloads", ignored)) return 0;
  FALLOW_ASSIGN(const auto states, agent::StateStore::open(data + "/workloads", agent::boot_id()));
  FALLOW_ASSIGN(const auto records, states.load());
  return static_cast<std::uint32_t>(
      std::count_if(records.begin(), records.end(), [](const agent::StoredRecord& each) {
        return each.same_boot && each.record && each.record->is_live();
      }));
}

// Whether there are folders of leases, or of such that are being removed.
bool has_lease_folders(const std::string& workloads) {
  const auto names = names_in(workloads);
  return !names_in(workloads + "/trash").empty() ||
         std::any_of(names.begin(), names.end(), [](const std::string& name) {
           return parse_number<std::uint64_t>(name).has_value();
         });
}

// Ends them and waits until nothing of them is left.
Result<std::uint32_t> end_workloads(const std::string& data) {
  FALLOW_ASSIGN(const std::uint32_t live, live_workloads(data));
  // Where nothing is to be ended nothing is asked of the machine: its sandboxes may work no more.
  if (live == 0 && !has_lease_folders(data + "/workloads")) return 0;
  runtime::SandboxOptions options{.folder = data + "/workloads"};
  FALLOW_ASSIGN(options.supervisor, write_supervisor(options.folder));
  FALLOW_ASSIGN(const auto sandboxes, runtime::SandboxRuntime::open(std::move(options)));
  for (const LeaseId lease : sandboxes->list()) {
    sandboxes->adopt(lease);
    sandboxes->forget(lease);
  }
  return live;
}

}  // namespace

Status MarketHost::tell_agent(const std::string& data, v1::OwnerState owner) {
  FALLOW_TRY(check_is_agents(data));
  return agent::OwnerFile::write(data, owner);
}

Result<cli::NodeState> MarketHost::node_state(const std::string& data) {
  FALLOW_TRY(check_is_agents(data));
  cli::NodeState state;
  state.runs = is_locked(data);
  FALLOW_ASSIGN(const auto membership, agent::load_membership(data));
  if (membership) {
    state.node = membership->node.value;
    state.url = membership->url;
  }
  FALLOW_ASSIGN(auto owner, agent::OwnerFile::open(data));
  state.owner = owner.read();
  if (state.runs) {
    // A diary that cannot be read is no reason to say nothing of the node.
    const auto seen = agent::seen_of_owner(owner_history_of(data), clock_->now());
    const bool present = seen && *seen && (*seen)->kind == agent::OwnerMomentKind::kPresent;
    state.owner =
        agent::joined_owner_state(state.owner, present ? v1::OWNER_PRESENT : v1::OWNER_AWAY);
  }
  FALLOW_ASSIGN(state.workloads, live_workloads(data));
  for (const agent::LeaseEnergy& one : agent::read_energy(data + "/energy")) {
    state.energy.push_back({one.lease.value, one.microjoules, one.measured});
  }
  return state;
}

Status MarketHost::check_agent_folder(const std::string& data) {
  return agent::check_takes_agent(data);
}

Result<cli::RemovedNode> MarketHost::remove_node(const std::string& data, bool keep_data) {
  if (is_locked(data)) {
    return fail(ErrorCode::kBusy, "an agent runs on {}: stop it first", data);
  }
  cli::RemovedNode removed;
  if (agent::is_agents_folder(data)) {
    FALLOW_ASSIGN(removed.workloads, end_workloads(data));
    runtime::remove_cgroups(runtime::find_cgroup_parents(),
                            runtime::disk_trial_name(runtime::egress_owner(data + "/workloads")));
    runtime::remove_cgroup_parents();
  }
  if (keep_data) return removed;
  for (const std::string& name : agent::agents_names_in(data)) {
    const std::string path = data + "/" + name;
    std::error_code error;
    if (std::filesystem::is_directory(std::filesystem::symlink_status(path, error))) {
      runtime::remove_tree(path);
    } else {
      ::unlink(path.c_str());
    }
    if (std::filesystem::exists(std::filesystem::symlink_status(path, error))) {
      return fail(ErrorCode::kFailed, "{} could not be removed whole: look what is mounted there",
                  path);
    }
  }
  if (::rmdir(data.c_str()) != 0 && errno != ENOENT) {
    removed.left = names_in(data);
    removed.folder_left = true;
  }
  return removed;
}

}  // namespace fallow::bin
