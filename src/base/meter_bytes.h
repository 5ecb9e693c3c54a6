// The bytes that stand for a meter record when a node signs it and when anyone checks it.
//
//   "fallow meter v1" || node public key (32) || lease u64 || sequence u32 || running_us i64 ||
//   measured_at_us i64          (integers little-endian; 75 bytes in all)
//
// and of a record whose devices were slowed down (slowed > 0)
//
//   "fallow meter v2" || the same || slowed_us i64                                (83 bytes)
//
// and of a record that counts what was sent (egress_bytes > 0)
//
//   "fallow meter v3" || the same || slowed_us i64 || egress_bytes i64            (91 bytes)
//
// For ever: receipts made years ago are checked with this function. docs/formats/receipt.md has a
// worked example.
#pragma once

#include <cstdint>
#include <string>

#include "base/signing.h"
#include "base/types.h"

namespace fallow {

std::string meter_bytes(const PublicKey& node_key, LeaseId lease, std::uint32_t sequence,
                        Duration running, Time measured_at, Duration slowed,
                        std::int64_t egress_bytes);

}  // namespace fallow
