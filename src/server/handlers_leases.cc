// The service Leases: what runs where, and what it came to.
#include "fallow/v1/services.pb.h"
#include "server/event_streams.h"
#include "server/handlers.h"
#include "server/pages.h"
#include "server/scan.h"
#include "server/views.h"
#include "server/visible.h"

namespace fallow::server {
namespace {

net::Task<Answer<v1::ListLeasesResponse>> list_leases(Call& call,
                                                      const v1::ListLeasesRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t before, page_position("leases", request.page_token()));
  v1::ListLeasesResponse response;
  const auto step = [&](const core::Machine& machine, Scan& scan) {
    machine.visit_leases_newest(LeaseId(scan.position), [&](const core::Lease& lease) {
      if (!scan.look_at(lease.id.value)) return false;
      if (!may_see(call, lease)) return true;
      if (request.open_only() && !core::is_open(lease)) return true;
      if (request.order() != 0 && lease.order.value != request.order()) return true;
      if (request.node() != 0 && lease.node.value != request.node()) return true;
      *response.add_leases() = lease_view(lease, machine);
      return scan.take();
    });
  };
  FALLOW_CO_ASSIGN(const Scan scan, co_await scan_all(call, before, size, step));
  if (scan.is_full()) response.set_next_page_token(page_token("leases", scan.position));
  co_return response;
}

net::Task<Answer<v1::LeaseView>> get_lease(Call& call, const v1::GetLeaseRequest& request) {
  const std::function<Answer<v1::LeaseView>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::LeaseView> {
    FALLOW_ASSIGN(const core::Lease* lease, visible_lease(call, machine, request.lease()));
    return lease_view(*lease, machine);
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::LeaseView>> stop_lease(Call& call, const v1::StopLeaseRequest& request) {
  const std::function<Answer<bool>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<bool> {
    FALLOW_ASSIGN(const core::Lease* lease, visible_lease(call, machine, request.lease()));
    if (!call.caller().may_see(lease->renter)) {
      return refuse(403, "not_allowed",
                    "only the renter stops a lease; to take the machine back, pause its agent or "
                    "remove the node");
    }
    return true;
  };
  FALLOW_CO_TRY(co_await call.visit(look));
  v1::Command command;
  command.mutable_stop_lease()->set_lease(request.lease());
  const std::function<Answer<v1::LeaseView>(const Done&)> take =
      [&](const Done& done) -> Answer<v1::LeaseView> {
    FALLOW_ASSIGN(const core::Lease* lease, visible_lease(call, done.machine, request.lease()));
    return lease_view(*lease, done.machine);
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::Receipt>> get_receipt(Call& call, const v1::GetReceiptRequest& request) {
  const std::function<Answer<bool>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<bool> {
    FALLOW_ASSIGN(const core::Lease* lease, visible_lease(call, machine, request.lease()));
    if (core::is_open(*lease)) {
      return refuse(409, "not_ended", "lease {} is still open; its receipt is made when it ends",
                    request.lease());
    }
    return true;
  };
  FALLOW_CO_TRY(co_await call.visit(look));
  const std::function<Answer<v1::Receipt>()> make = [&]() -> Answer<v1::Receipt> {
    auto receipt = call.parts().receipts->receipt(LeaseId(request.lease()));
    if (!receipt) return tl::unexpected(problem_of(receipt.error(), "make the receipt"));
    return std::move(*receipt);
  };
  co_return co_await call.on_disk(make);
}

}  // namespace

void add_lease_handlers(Handlers& handlers) {
  handlers.add("Leases.ListLeases", list_leases);
  handlers.add("Leases.GetLease", get_lease);
  handlers.add("Leases.StopLease", stop_lease);
  handlers.add("Leases.GetReceipt", get_receipt);
  handlers.add_stream<v1::FollowLeaseLogsRequest, v1::LogLine>("Leases.FollowLeaseLogs",
                                                               follow_lease_logs);
}

}  // namespace fallow::server
