// What an agent's folder tells of it, and how the folder goes.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "agent/node_key.h"
#include "agent/owner_file.h"
#include "agent/state_store.h"
#include "base/file.h"
#include "bin/market_host.h"
#include "runtime/cgroup.h"
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

// Ends them and waits until nothing of them is left.
Result<std::uint32_t> end_workloads(const std::string& data) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(data + "/workloads", ignored)) return 0;
  FALLOW_ASSIGN(const std::uint32_t live, live_workloads(data));
  FALLOW_ASSIGN(const auto sandboxes,
                runtime::SandboxRuntime::open({.folder = data + "/workloads"}));
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
  const v1::OwnerState said = owner.read();
  state.owner = said == v1::OWNER_PAUSED ? "paused" : said == v1::OWNER_AWAY ? "away" : "present";
  FALLOW_ASSIGN(state.workloads, live_workloads(data));
  return state;
}

Result<std::uint32_t> MarketHost::remove_node(const std::string& data, bool keep_data) {
  FALLOW_TRY(check_is_agents(data));
  if (is_locked(data)) {
    return fail(ErrorCode::kBusy, "an agent runs on {}: stop it first", data);
  }
  FALLOW_ASSIGN(const std::uint32_t ended, end_workloads(data));
  // Groups that hold others' workloads refuse to go.
  for (const std::string& parent : runtime::find_cgroup_parents()) ::rmdir(parent.c_str());
  if (keep_data) return ended;
  runtime::remove_tree(data);
  std::error_code error;
  if (std::filesystem::exists(data, error)) {
    return fail(ErrorCode::kFailed, "{} could not be removed whole: look what is mounted there",
                data);
  }
  return ended;
}

}  // namespace fallow::bin
