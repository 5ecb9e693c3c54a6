#include "core/checks.h"

#include <algorithm>

#include "base/check.h"
#include "base/money.h"

namespace fallow::core {

std::optional<Refusal> check_name(std::string_view field, std::string_view text,
                                  const Limits& limits) {
  if (!text.empty() && text.size() <= limits.name_bytes_max) return std::nullopt;
  return refusal(v1::VALUE_INVALID, field, "{} has {} bytes: 1 to {} are accepted", field,
                 text.size(), limits.name_bytes_max);
}

std::optional<Refusal> check_hash(std::string_view field, std::string_view bytes) {
  if (bytes.size() == kDigestBytes) return std::nullopt;
  return refusal(v1::VALUE_INVALID, field, "{} has {} bytes: exactly {} are needed", field,
                 bytes.size(), kDigestBytes);
}

std::optional<Refusal> check_money(std::string_view field, std::int64_t micros, bool zero_allowed,
                                   const Limits& limits) {
  const bool low = zero_allowed ? micros < 0 : micros <= 0;
  if (!low && micros <= limits.money_max.value) return std::nullopt;
  return refusal(v1::VALUE_INVALID, field,
                 "{} of {} is not accepted: it must be {} 0 and at most {}", field,
                 format_money(Micros(micros)), zero_allowed ? "at least" : "more than",
                 format_money(limits.money_max));
}

std::optional<Refusal> check_expiry(std::string_view field, std::int64_t at_us, Time now) {
  if (at_us == 0 || (at_us > now.us && at_us < kTimeMax.us)) return std::nullopt;
  return refusal(v1::VALUE_INVALID, field, "{} is not in the future; 0 means never", field);
}

Digest digest_of_checked(std::string_view bytes) {
  FALLOW_CHECK(bytes.size() == kDigestBytes, "{} bytes are no digest", bytes.size());
  Digest digest{};
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

}  // namespace fallow::core
