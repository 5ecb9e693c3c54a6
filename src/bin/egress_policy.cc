#include "bin/egress_policy.h"

namespace fallow::bin {

Result<runtime::EgressPolicy> egress_policy(const cli::AgentArguments& arguments) {
  runtime::EgressPolicy policy;
  FALLOW_ASSIGN(policy.resolvers, runtime::choose_resolvers(arguments.resolvers));
  for (const std::string& range : arguments.egress_denied) {
    FALLOW_TRY(runtime::check_range(range));
    policy.denied.push_back(range);
  }
  for (const std::uint32_t port : arguments.egress_ports) {
    if (port == 0 || port > 65'535) {
      return fail(ErrorCode::kInvalid, "--egress-port {} is no port: name one of 1 to 65535", port);
    }
    policy.ports.push_back(port);
  }
  policy.mbps_max = arguments.egress_mbps;
  policy.connections_max = arguments.egress_connections;
  return policy;
}

}  // namespace fallow::bin
