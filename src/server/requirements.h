// What people write (hours, GB, shares, decimal money) to what the market computes with
// (microseconds, MB, thousandths, micros), and back to nothing less than was asked: amounts are
// rounded up.
//
// Free functions, any thread. Problems name the field, under `prefix` ("requirements.") when the
// fields stand inside another message.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/types.h"
#include "fallow/v1/commands.pb.h"
#include "fallow/v1/services.pb.h"
#include "server/problem.h"

namespace fallow::server {

struct Wanted {
  v1::Requirements requirements;
  std::uint32_t tasks = 1;
};

Answer<Wanted> wanted_of(const v1::CreateQuoteRequest& request, std::string_view prefix = {});

// Do only nodes match that run images?
bool wants_images(std::string_view query);

// A decimal amount that is not negative; empty text is 0.
Answer<Micros> money_of(std::string_view field, std::string_view text);
// The same, but there must be one above 0.
Answer<Micros> positive_money_of(std::string_view field, std::string_view text);
// The most that something may cost. Empty text is no limit, which is 0; nobody who writes "0" means
// that, so it is refused.
Answer<Micros> limit_of(std::string_view field, std::string_view text);

// 0 is `when_zero`. 400 for what is negative, not finite or above `hours_max`.
Answer<Duration> hours_of(std::string_view field, double hours, Duration when_zero,
                          double hours_max);

}  // namespace fallow::server
