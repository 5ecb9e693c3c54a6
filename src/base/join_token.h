// The join token: what a provider pastes into `fallow agent --join`.
//
//   "fj1." + base64url of: version u8 = 1 | SHA-256 of the server's certificate (32; zero when the
//   server speaks plain HTTP) | secret (32) | the server's URL
//
// A value. The secret is worth a node: print it once, store only its BLAKE2b-256.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace fallow {

// The longest URL a token may carry, so that a token stays one line of a shell.
constexpr std::size_t kJoinTokenUrlBytesMax = 512;

struct JoinToken {
  std::string url;       // "https://market.example:8470"
  Digest certificate{};  // SHA-256 of the server's certificate in DER
  std::array<std::uint8_t, 32> secret{};

  bool pins_certificate() const { return certificate != Digest{}; }
  Digest secret_hash() const { return digest_of(secret); }
  bool operator==(const JoinToken&) const = default;
};

std::string to_text(const JoinToken& token);
// Ignores blanks around the text. kInvalid names what is wrong: another version, cut short, a URL
// that is not http(s), an https URL without a certificate or an http one with it.
Result<JoinToken> parse_join_token(std::string_view text);

}  // namespace fallow
