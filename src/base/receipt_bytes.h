// The bytes of a receipt that are signed and hashed, shared by who makes it and who checks it.
// For ever: old receipts are checked with these functions. docs/formats/receipt.md has the
// contract.
#pragma once

#include <string>
#include <string_view>

namespace fallow {

// What the market signs: "fallow receipt v1" || body.
std::string receipt_bytes(std::string_view body);

// The Merkle leaf of a meter record: its signed bytes (base/meter_bytes.h) and its signature.
std::string meter_leaf(std::string_view meter_bytes, std::string_view signature);

}  // namespace fallow
