// Checks of values that commands carry. Each answers why not, or nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/types.h"
#include "core/limits.h"
#include "core/refusal.h"

namespace fallow::core {

constexpr std::size_t kDigestBytes = 32;

// 1 to limits.name_bytes_max bytes.
std::optional<Refusal> check_name(std::string_view field, std::string_view text,
                                  const Limits& limits);
// Exactly 32 bytes.
std::optional<Refusal> check_hash(std::string_view field, std::string_view bytes);
// More than 0, or at least 0 when `zero_allowed`; at most limits.money_max.
std::optional<Refusal> check_money(std::string_view field, std::int64_t micros, bool zero_allowed,
                                   const Limits& limits);
// 0 (never), or later than now and below kTimeMax.
std::optional<Refusal> check_expiry(std::string_view field, std::int64_t at_us, Time now);

// No moment of the market is at or beyond this: sums of a moment and a span cannot overflow.
constexpr Time kTimeMax{std::int64_t{1} << 61};

// Of 32 bytes that check_hash() passed.
Digest digest_of_checked(std::string_view bytes);

}  // namespace fallow::core
