// A quote's id: the whole quote with a MAC, so that the server keeps none of those it gave out.
//
//   "q1." + base64url of: length u16 LE | BoundQuote bytes | 16 bytes keyed BLAKE2b over
//   "fallow quote v1" and the BoundQuote bytes
//
// Immutable; any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "fallow/v1/commands.pb.h"
#include "server/problem.h"

namespace fallow::server {

class QuoteCodec {
 public:
  static constexpr std::size_t kKeyBytes = 32;
  // `key`: 32 secret bytes of the data folder.
  explicit QuoteCodec(std::string_view key);

  std::string id_of(const v1::BoundQuote& quote) const;
  // 400 value_invalid, field "quote", for anything that id_of() of this key did not make.
  Answer<v1::BoundQuote> quote_of(std::string_view id) const;

 private:
  static constexpr std::size_t kMacBytes = 16;
  std::array<std::uint8_t, kMacBytes> mac_of(std::string_view bytes) const;
  std::array<std::uint8_t, kKeyBytes> key_{};
};

}  // namespace fallow::server
