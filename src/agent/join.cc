#include "agent/join.h"

#include "base/digest.h"
#include "client/api.h"

namespace fallow::agent {

client::Config config_of(const Membership& membership) {
  client::Config config;
  config.url = membership.url;
  if (membership.certificate != Digest{}) config.certificate = to_hex(membership.certificate);
  return config;
}

Result<Membership> join_market(const JoinToken& token, const PublicKey& key,
                               const v1::NodeFacts& facts, const std::string& price_per_hour,
                               const std::string& egress_price_per_gb, Random& random) {
  Membership membership{NodeId(), token.url, token.certificate};
  FALLOW_ASSIGN(const auto api, client::Api::make(config_of(membership), random));
  v1::JoinNodeRequest request;
  request.set_secret(to_hex(token.secret));
  request.set_public_key(to_hex(key));
  *request.mutable_facts() = facts;
  request.set_price_per_hour(price_per_hour);
  request.set_egress_price_per_gb(egress_price_per_gb);
  const auto node = api->call<v1::NodeView>("Nodes.JoinNode", request);
  if (!node) {
    Error error = client::plain_error(node.error());
    // Too many at once (429) and a market in trouble (5xx) pass; what else it says stands.
    const std::uint32_t status = node.error().problem.status();
    if (node.error().kind == client::ApiError::Kind::kRefused && status < 500 && status != 429) {
      error.code = ErrorCode::kDenied;
    }
    return tl::unexpected(std::move(error));
  }
  membership.node = NodeId(node->id());
  return membership;
}

}  // namespace fallow::agent
