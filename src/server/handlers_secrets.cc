// The service Secrets: from an order's renter to the nodes of its leases, past the market.
#include "base/digest.h"
#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/visible.h"

namespace fallow::server {
namespace {

constexpr std::size_t kAsksShownMax = 1'000;
constexpr std::size_t kSealedBytesMax = 64 * 1024;

bool waits(const core::Lease& lease) {
  return lease.state == v1::PLACED || lease.state == v1::STARTING;
}

net::Task<Answer<v1::ListSecretAsksResponse>> list_secret_asks(
    Call& call, const v1::ListSecretAsksRequest& request) {
  const OrderId id(request.order());
  const std::vector<SecretAsks::Ask> asks = call.parts().secrets->secret_asks(id);
  const std::function<Answer<v1::ListSecretAsksResponse>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::ListSecretAsksResponse> {
    FALLOW_TRY(own_order(call, machine, id.value));
    v1::ListSecretAsksResponse response;
    for (const SecretAsks::Ask& ask : asks) {
      if (static_cast<std::size_t>(response.asks_size()) >= kAsksShownMax) break;
      const core::Lease* lease = machine.lease(LeaseId(ask.said.lease()));
      // A node asks for its own leases, whatever it says.
      if (lease == nullptr || lease->order != id || lease->node != ask.node || !waits(*lease)) {
        continue;
      }
      const core::Node* node = machine.node(ask.node);
      if (node == nullptr || node->removed) continue;
      v1::SecretAskView& view = *response.add_asks();
      view.set_lease(lease->id.value);
      view.set_node(node->id.value);
      view.set_node_name(node->facts.name());
      view.set_node_key(to_hex(std::string_view(node->public_key)));
      view.set_public_key(to_hex(std::string_view(ask.said.public_key())));
      view.set_signature(to_hex(std::string_view(ask.said.signature())));
    }
    return response;
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::DeliverSecretsResponse>> deliver_secrets(
    Call& call, const v1::DeliverSecretsRequest& request) {
  if (request.sealed().empty() || request.sealed().size() > kSealedBytesMax) {
    co_return refuse_field("sealed", "sealed secrets have 1 to {} bytes", kSealedBytesMax);
  }
  const LeaseId id(request.lease());
  const std::function<Answer<NodeId>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<NodeId> {
    const core::Lease* lease = machine.lease(id);
    if (lease == nullptr || lease->renter != call.caller().account) {
      return refuse(404, "not_found", "there is no lease {} of yours; GET /v1/leases lists them",
                    id.value);
    }
    return lease->node;
  };
  FALLOW_CO_ASSIGN(const NodeId node, co_await call.visit(look));
  switch (call.parts().secrets->deliver_secrets(node, id, request.sealed())) {
    case SecretDelivery::kSent:
      break;
    case SecretDelivery::kNotAsked:
      co_return refuse(409, "not_asked",
                       "the node of lease {} does not wait for secrets; GET "
                       "/v1/orders/{{order}}/secret-asks lists those that do",
                       id.value);
    case SecretDelivery::kNodeAway:
      co_return refuse(503, "node_away",
                       "the node of lease {} is not connected at the moment; try again", id.value);
  }
  co_return v1::DeliverSecretsResponse();
}

}  // namespace

void add_secret_handlers(Handlers& handlers) {
  handlers.add("Secrets.ListSecretAsks", list_secret_asks);
  handlers.add("Secrets.DeliverSecrets", deliver_secrets);
}

}  // namespace fallow::server
