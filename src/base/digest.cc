#include "base/digest.h"

#include <cstring>

namespace fallow {
namespace {

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

Digest digest_of(std::span<const std::uint8_t> bytes) {
  Digest digest;
  crypto_generichash(digest.data(), digest.size(), bytes.data(), bytes.size(), nullptr, 0);
  return digest;
}

Digest digest_of(std::string_view bytes) {
  return digest_of(std::span(bytes_of(bytes), bytes.size()));
}

Digester::Digester() { crypto_generichash_init(&state_, nullptr, 0, sizeof(Digest)); }

Digester& Digester::update(std::span<const std::uint8_t> bytes) {
  crypto_generichash_update(&state_, bytes.data(), bytes.size());
  return *this;
}

Digester& Digester::update(std::string_view bytes) {
  return update(std::span(bytes_of(bytes), bytes.size()));
}

Digester& Digester::update_u64(std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return update(std::span<const std::uint8_t>(bytes));
}

Digest Digester::finish() {
  Digest digest;
  crypto_generichash_final(&state_, digest.data(), digest.size());
  return digest;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

std::string to_hex(std::string_view bytes) {
  return to_hex(std::span(bytes_of(bytes), bytes.size()));
}

Result<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return fail(ErrorCode::kInvalid, "a hex string has an even length");
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = nibble(hex[i]);
    const int low = nibble(hex[i + 1]);
    if (high < 0 || low < 0) {
      return fail(ErrorCode::kInvalid, "hex is written with 0-9 and a-f only");
    }
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

Result<Digest> digest_from_hex(std::string_view hex) {
  FALLOW_ASSIGN(const std::string bytes, from_hex(hex));
  return digest_from_bytes(bytes);
}

std::string to_bytes(const Digest& digest) {
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

Result<Digest> digest_from_bytes(std::string_view bytes) {
  Digest digest;
  if (bytes.size() != digest.size()) {
    return fail(ErrorCode::kInvalid, "a digest has {} bytes, this has {}", digest.size(),
                bytes.size());
  }
  std::memcpy(digest.data(), bytes.data(), bytes.size());
  return digest;
}

}  // namespace fallow
