// Makes the signed bill of an ended lease: everything a reader needs to recompute it, in one file.
//
// Pure functions. client/receipt.h checks what is made here with nothing but the file and the
// market's public key. docs/formats/receipt.md is the contract of both.
#pragma once

#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/signing.h"
#include "core/machine.h"
#include "fallow/v1/receipt.pb.h"

namespace fallow::server {

// What the receipt says, from the market's state. On the market thread. `lease` has ended; its
// node is known to the machine. The meter records are left out: they are history's.
v1::ReceiptBody receipt_facts(const core::Machine& machine, const core::Lease& lease);

// Adds the accepted meter records in order with their Merkle root and the log's chain as it stands
// now, and signs. Any thread.
v1::Receipt sign_receipt(v1::ReceiptBody facts, std::vector<v1::MeterRecord> meters,
                         const Digest& log_head, const SigningKey& market_key);

}  // namespace fallow::server
