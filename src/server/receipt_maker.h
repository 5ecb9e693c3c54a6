// ReceiptMaker: a lease's signed bill, made when it is asked for from the market's state and the
// history's meter records.
#pragma once

#include "base/signing.h"
#include "engine/engine.h"
#include "server/history.h"
#include "server/ports.h"

namespace fallow::server {

// Owner: Server. Any thread but the market's and the I/O threads: receipt() waits for both the
// market thread and the disk.
class ReceiptMaker final : public ReceiptSource {
 public:
  // All outlive it.
  ReceiptMaker(engine::Engine& engine, History& history, const SigningKey& market_key)
      : engine_(engine), history_(history), market_key_(market_key) {}

  Result<v1::Receipt> receipt(LeaseId lease) override;

 private:
  engine::Engine& engine_;
  History& history_;
  const SigningKey market_key_;
};

}  // namespace fallow::server
