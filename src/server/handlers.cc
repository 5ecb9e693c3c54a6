#include "server/handlers.h"

#include "base/check.h"

namespace fallow::server {

Handlers::Handlers(const Router& router)
    : router_(router), unary_(router.routes().size()), streams_(router.routes().size()) {
  add_market_handlers(*this);
  add_forecast_handlers(*this);
  add_order_handlers(*this);
  add_lease_handlers(*this);
  add_wallet_handlers(*this);
  add_node_handlers(*this);
  add_telemetry_handlers(*this);
  add_account_handlers(*this);
  add_session_handlers(*this);
  add_team_handlers(*this);
  add_webhook_handlers(*this);
  add_secret_handlers(*this);
  add_audit_handlers(*this);
  add_earnings_handlers(*this);
  for (const Route& route : router.routes()) {
    FALLOW_CHECK((route.is_stream() ? static_cast<bool>(streams_[route.number])
                                    : static_cast<bool>(unary_[route.number])),
                 "{} has no handler", route.name);
  }
}

std::size_t Handlers::number_of(std::string_view rpc) const {
  const Route* route = router_.find_rpc(rpc);
  FALLOW_CHECK(route != nullptr, "the schema has no rpc {}", rpc);
  FALLOW_CHECK(!unary_[route->number] && !streams_[route->number], "{} has two handlers", rpc);
  return route->number;
}

void Handlers::check_types(std::string_view rpc, const google::protobuf::Descriptor& request,
                           const google::protobuf::Descriptor& response, bool is_stream) const {
  const Route* route = router_.find_rpc(rpc);
  FALLOW_CHECK(route != nullptr, "the schema has no rpc {}", rpc);
  FALLOW_CHECK(route->rpc->input_type() == &request && route->rpc->output_type() == &response &&
                   route->is_stream() == is_stream,
               "the handler of {} has other types than the schema", rpc);
}

}  // namespace fallow::server
