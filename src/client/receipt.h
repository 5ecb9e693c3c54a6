// Checks a receipt with nothing but the file and the market's public key.
//
// Pure functions, any thread. docs/formats/receipt.md has the rules, each of which is one check
// here; server/receipts.h makes what is checked.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/signing.h"
#include "fallow/v1/receipt.pb.h"

namespace fallow::client {

// The bill, recomputed from the receipt alone and found right.
struct VerifiedReceipt {
  v1::ReceiptBody body;
  std::size_t meters = 0;
};

// Every signature, the Merkle root, the order of the meter records, and every figure recomputed.
// `market_key` is the one the reader trusts; without it the receipt's own key is taken, and then
// the receipt proves only that it is consistent. kInvalid names the first thing that is wrong.
Result<VerifiedReceipt> verify_receipt(const v1::Receipt& receipt, const PublicKey* market_key);

// The receipt's file: JSON of v1.Receipt. kInvalid for anything else.
Result<v1::Receipt> parse_receipt(std::string_view json);

// What a person reads, about 20 lines, ending with the amount paid.
std::string describe_receipt(const v1::ReceiptBody& body);

}  // namespace fallow::client
