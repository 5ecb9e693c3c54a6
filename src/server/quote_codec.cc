#include "server/quote_codec.h"

#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>

#include <algorithm>

#include "base/base64.h"
#include "base/check.h"

namespace fallow::server {
namespace {

constexpr std::string_view kPrefix = "q1.";
constexpr std::string_view kPurpose = "fallow quote v1";

}  // namespace

QuoteCodec::QuoteCodec(std::string_view key) {
  FALLOW_CHECK(key.size() == kKeyBytes, "the quote key has {} bytes", key.size());
  std::copy(key.begin(), key.end(), key_.begin());
}

std::array<std::uint8_t, QuoteCodec::kMacBytes> QuoteCodec::mac_of(std::string_view bytes) const {
  crypto_generichash_state state;
  crypto_generichash_init(&state, key_.data(), key_.size(), kMacBytes);
  for (const std::string_view part : {kPurpose, bytes}) {
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()),
                              part.size());
  }
  std::array<std::uint8_t, kMacBytes> mac{};
  crypto_generichash_final(&state, mac.data(), mac.size());
  return mac;
}

std::string QuoteCodec::id_of(const v1::BoundQuote& quote) const {
  const std::string bytes = quote.SerializeAsString();
  FALLOW_CHECK(bytes.size() <= 0xFFFF, "a quote of {} bytes", bytes.size());
  std::string raw;
  raw.push_back(static_cast<char>(bytes.size() & 0xFF));
  raw.push_back(static_cast<char>(bytes.size() >> 8));
  raw += bytes;
  const auto mac = mac_of(bytes);
  raw.append(mac.begin(), mac.end());
  return std::string(kPrefix) + to_base64url(raw);
}

Answer<v1::BoundQuote> QuoteCodec::quote_of(std::string_view id) const {
  const auto refused = [] {
    return refuse_field("quote",
                        "this is not a quote of this market; ask for one at POST /v1/quotes");
  };
  if (!id.starts_with(kPrefix)) return refused();
  const auto raw = from_base64url(id.substr(kPrefix.size()));
  if (!raw || raw->size() < 2 + kMacBytes) return refused();
  const std::string_view view = *raw;
  const std::size_t length =
      static_cast<std::uint8_t>(view[0]) + std::size_t{256} * static_cast<std::uint8_t>(view[1]);
  if (view.size() != 2 + length + kMacBytes) return refused();
  const std::string_view bytes = view.substr(2, length);
  const auto mac = mac_of(bytes);
  if (sodium_memcmp(mac.data(), view.data() + 2 + length, kMacBytes) != 0) return refused();
  v1::BoundQuote quote;
  if (!quote.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return refused();
  return quote;
}

}  // namespace fallow::server
