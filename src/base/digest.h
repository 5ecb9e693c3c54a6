// BLAKE2b-256 (RFC 7693): the one hash of Fallow, for the log's chain, the market's digest,
// artifacts and meter records. SHA-256 appears only where a foreign format asks for it.
#pragma once

#include <sodium/crypto_generichash.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fallow {

using Digest = std::array<std::uint8_t, 32>;

Digest digest_of(std::string_view bytes);
Digest digest_of(std::span<const std::uint8_t> bytes);

// Incremental: update() any number of times, then finish() once. A value, not shared by threads.
class Digester {
 public:
  Digester();
  Digester& update(std::string_view bytes);
  Digester& update(std::span<const std::uint8_t> bytes);
  // Eight bytes, little-endian: for counters, money and times.
  Digester& update_u64(std::uint64_t value);
  Digest finish();

 private:
  crypto_generichash_state state_;
};

// Lower-case hex, and back. from_hex refuses odd lengths and anything but [0-9a-f].
std::string to_hex(std::span<const std::uint8_t> bytes);
std::string to_hex(std::string_view bytes);
Result<std::string> from_hex(std::string_view hex);
Result<Digest> digest_from_hex(std::string_view hex);
// Digest <-> the 32 raw bytes that protobuf fields carry.
std::string to_bytes(const Digest& digest);
Result<Digest> digest_from_bytes(std::string_view bytes);

}  // namespace fallow
