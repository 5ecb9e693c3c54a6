#include "server/receipt_maker.h"

#include <future>
#include <utility>

#include "server/history_wait.h"
#include "server/receipts.h"

namespace fallow::server {

Result<v1::Receipt> ReceiptMaker::receipt(LeaseId lease) {
  struct Seen {
    v1::ReceiptBody facts;
    Digest chain{};
  };
  std::promise<Result<Seen>> promise;
  std::future<Result<Seen>> future = promise.get_future();
  FALLOW_TRY(engine_.read([&](const core::Machine& machine) {
    const core::Lease* found = machine.lease(lease);
    if (found == nullptr || core::is_open(*found)) {
      promise.set_value(
          fail(ErrorCode::kNotFound, "lease {} is unknown or has not ended", lease.value));
      return;
    }
    promise.set_value(Seen{receipt_facts(machine, *found), engine_.chain()});
  }));
  FALLOW_ASSIGN(Seen seen, future.get());
  FALLOW_TRY(wait_for_history(history_, LogIndex(seen.facts.ended_index())));
  FALLOW_ASSIGN(std::vector<v1::MeterRecord> meters, history_.meters(lease));
  return sign_receipt(std::move(seen.facts), std::move(meters), seen.chain, market_key_);
}

}  // namespace fallow::server
