#include "bin/owner_policy.h"

#include <unistd.h>

#include <filesystem>

#include "agent/node_key.h"
#include "agent/owner_history.h"
#include "agent/owner_policy.h"
#include "bin/market_host.h"
#include "runtime/supervisor.h"

namespace fallow::bin {

std::string owner_history_of(const std::string& data) { return data + "/owner-history"; }

Result<std::unique_ptr<agent::OwnerWatch>> watch_owner(const cli::AgentArguments& arguments,
                                                       const std::string& data,
                                                       const std::vector<std::string>& groups,
                                                       const Clock& clock) {
  std::string file = arguments.owner_policy;
  if (file.empty()) {
    file = data + "/owner-policy.toml";
    std::error_code error;
    if (!std::filesystem::exists(file, error)) return nullptr;
  }
  agent::OwnerWatchOptions options;
  auto policy = agent::load_owner_policy(file);
  if (!policy) {
    // A file, or a time zone, that is not there is a wrong setting, not something to wait for.
    if (policy.error().code == ErrorCode::kNotFound) policy.error().code = ErrorCode::kInvalid;
    return tl::unexpected(policy.error());
  }
  options.policy = std::move(*policy);
  options.machine = {"", ::getpid(), runtime::kSupervisorMode, groups};
  options.history = owner_history_of(data);
  return agent::OwnerWatch::start(std::move(options), clock);
}

std::string MarketHost::default_owner_policy() {
  return std::string(agent::default_owner_policy());
}

Result<std::string> MarketHost::check_owner_policy(const std::string& file) {
  FALLOW_ASSIGN(const agent::OwnerPolicy policy, agent::load_owner_policy(file));
  return agent::describe(policy);
}

Result<cli::OwnerReport> MarketHost::owner_report(const std::string& data, Duration span) {
  FALLOW_ASSIGN(const auto moments, agent::read_owner_history(owner_history_of(data)));
  if (moments.empty()) {
    return fail(ErrorCode::kNotFound,
                "no agent has watched for its owner on {}: start it with --owner-policy FILE "
                "(`fallow agent owner-policy` prints one), or give its --data",
                data);
  }
  const Time now = clock_->now();
  const agent::OwnerSpan sum = agent::sum_owner_span(moments, now - span, now);
  cli::OwnerReport report;
  FALLOW_ASSIGN(const auto membership, agent::load_membership(data));
  if (membership) report.node = membership->node.value;
  report.dry_run = sum.dry_run;
  report.span = span;
  report.watched = sum.watched;
  report.away = sum.away;
  report.returns = sum.returns;
  report.reasons = sum.reasons;
  return report;
}

}  // namespace fallow::bin
