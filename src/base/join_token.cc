#include "base/join_token.h"

#include <algorithm>

#include "base/base64.h"

namespace fallow {
namespace {

constexpr std::string_view kPrefix = "fj1.";
constexpr char kVersion = 1;
constexpr std::size_t kHashAt = 1;
constexpr std::size_t kSecretAt = 33;
constexpr std::size_t kUrlAt = 65;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_url_letter(char c) { return c > 0x20 && c < 0x7F; }

}  // namespace

std::string to_text(const JoinToken& token) {
  std::string bytes(1, kVersion);
  bytes.append(token.certificate.begin(), token.certificate.end());
  bytes.append(token.secret.begin(), token.secret.end());
  bytes += token.url;
  return std::string(kPrefix) + to_base64url(bytes);
}

Result<JoinToken> parse_join_token(std::string_view text) {
  text = trimmed(text);
  if (!text.starts_with(kPrefix)) {
    return fail(ErrorCode::kInvalid,
                "this is no join token: one begins with \"fj1.\"; copy the whole line that "
                "the market printed");
  }
  text.remove_prefix(kPrefix.size());
  if (text.size() > (kUrlAt + kJoinTokenUrlBytesMax) * 4 / 3 + 4) {
    return fail(ErrorCode::kInvalid, "the join token is longer than any can be; copy it again");
  }
  const auto decoded = from_base64url(text);
  if (!decoded) return fail_with(decoded.error(), "the join token is damaged; copy it again");
  const std::string& bytes = *decoded;
  if (bytes.empty() || bytes[0] != kVersion) {
    return fail(ErrorCode::kInvalid,
                "the join token is of a version this agent does not know; update the agent");
  }
  if (bytes.size() <= kUrlAt) {
    return fail(ErrorCode::kInvalid, "the join token is cut short; copy the whole line");
  }
  JoinToken token;
  std::copy_n(bytes.begin() + kHashAt, token.certificate.size(), token.certificate.begin());
  std::copy_n(bytes.begin() + kSecretAt, token.secret.size(), token.secret.begin());
  token.url = bytes.substr(kUrlAt);
  const bool is_https = token.url.starts_with("https://");
  if (token.url.size() > kJoinTokenUrlBytesMax ||
      !std::all_of(token.url.begin(), token.url.end(), is_url_letter) ||
      !(is_https || token.url.starts_with("http://"))) {
    return fail(ErrorCode::kInvalid, "the join token names no server that can be reached");
  }
  if (is_https != token.pins_certificate()) {
    return fail(ErrorCode::kInvalid, "{}",
                is_https ? "the join token names an https server but not its certificate"
                         : "the join token pins a certificate but its server speaks plain http");
  }
  return token;
}

}  // namespace fallow
