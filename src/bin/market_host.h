// The parts that the command line asks for: server, agent, audit, joined from their modules.
#pragma once

#include "cli/host.h"

namespace fallow::bin {

class MarketHost final : public cli::Host {
 public:
  MarketHost();

  int serve(const cli::ServerArguments& arguments,
            const std::function<void(const cli::ServerStarted&)>& started) override;
  int run_agent(const cli::AgentArguments& arguments) override;
  Status tell_agent(const std::string& data, v1::OwnerState owner) override;
  std::string default_owner_policy() override;
  Result<std::string> check_owner_policy(const std::string& file) override;
  Result<cli::OwnerReport> owner_report(const std::string& data, Duration span) override;
  Result<cli::NodeState> node_state(const std::string& data) override;
  Status check_agent_folder(const std::string& data) override;
  Result<cli::RemovedNode> remove_node(const std::string& data, bool keep_data) override;
  Result<std::vector<cli::DoctorLine>> examine_machine(
      const cli::AgentArguments& arguments) override;
  Result<cli::AuditReport> audit(const std::string& data) override;
  Result<v1::PolicyTrialView> try_policy(const cli::TrialArguments& arguments) override;
  std::string openapi() override;
  Random& random() override { return *random_; }
  const Clock& clock() override { return *clock_; }

 private:
  const std::unique_ptr<Random> random_;
  const std::unique_ptr<Clock> clock_;
};

}  // namespace fallow::bin
