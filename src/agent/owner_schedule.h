// OwnerSchedule: the hours in which an owner lends the machine, as "mon-fri 19:00-07:00".
//
// A value; pure. Hours are those of a clock on the wall: a night in which the clock is set forward
// is an hour shorter, one in which it is set back has an hour twice, and both end when the clock
// says so.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace fallow::agent {

class OwnerSchedule {
 public:
  // None: always lent. Each is "DAYS HH:MM-HH:MM"; DAYS is "daily", or days and spans of days apart
  // by commas ("mon-thu,sat"). An end at or before its begin is on the next day, so the days are
  // those on which it begins. kInvalid: a sentence about the text at fault.
  static Result<OwnerSchedule> parse(const std::vector<std::string>& windows);

  bool is_lent(Time at, const absl::TimeZone& zone) const;
  bool is_always() const { return windows_.empty(); }

 private:
  struct Window {
    std::uint8_t days = 0;  // bit 0 is Monday
    int begin_minute = 0;   // of its day
    int end_minute = 0;     // of its day; beyond a day's: on the next
  };
  static Result<Window> parse_window(std::string_view text);

  std::vector<Window> windows_;
};

// The zone of that name ("Europe/Berlin"), or the machine's own for "". kNotFound: there is none.
Result<absl::TimeZone> zone_named(const std::string& name);

}  // namespace fallow::agent
