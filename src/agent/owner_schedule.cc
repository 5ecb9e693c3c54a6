#include "agent/owner_schedule.h"

#include <absl/time/civil_time.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/number.h"

namespace fallow::agent {
namespace {

constexpr int kDayMinutes = 24 * 60;
constexpr std::array<std::string_view, 7> kDays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

std::optional<int> day_of(std::string_view text) {
  const auto found = std::find(kDays.begin(), kDays.end(), text);
  if (found == kDays.end()) return std::nullopt;
  return static_cast<int>(found - kDays.begin());
}

// "mon-thu,sat"; a span may go over the week's end ("fri-mon").
std::optional<std::uint8_t> days_of(std::string_view text) {
  if (text == "daily") return 0x7F;
  std::uint8_t days = 0;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::size_t dash = part.find('-');
    const auto first = day_of(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : day_of(part.substr(dash + 1));
    if (!first || !last) return std::nullopt;
    for (int day = *first;; day = (day + 1) % 7) {
      days = static_cast<std::uint8_t>(days | (1U << static_cast<unsigned>(day)));
      if (day == *last) break;
    }
  }
  return days == 0 ? std::nullopt : std::optional(days);
}

// "19:00"; "24:00" is the day's end.
std::optional<int> minute_of(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = parse_number<unsigned>(text.substr(0, 2));
  const auto minute = parse_number<unsigned>(text.substr(3));
  if (!hour || !minute || *minute > 59) return std::nullopt;
  const int of_day = static_cast<int>(*hour * 60 + *minute);
  return of_day > kDayMinutes ? std::nullopt : std::optional(of_day);
}

}  // namespace

Result<OwnerSchedule::Window> OwnerSchedule::parse_window(std::string_view text) {
  const std::size_t blank = text.find(' ');
  const std::string_view span = blank == std::string_view::npos ? "" : text.substr(blank + 1);
  const std::size_t dash = span.find('-');
  const auto days = days_of(text.substr(0, blank));
  const auto begin = minute_of(span.substr(0, dash));
  const auto end = minute_of(dash == std::string_view::npos ? "" : span.substr(dash + 1));
  if (!days || !begin || !end || *begin == kDayMinutes) {
    return fail(ErrorCode::kInvalid,
                "\"{}\" is no window of hours; write days and hours, as in \"mon-fri 19:00-07:00\" "
                "or \"sat,sun 00:00-24:00\"",
                text);
  }
  return Window{*days, *begin, *end <= *begin ? *end + kDayMinutes : *end};
}

Result<OwnerSchedule> OwnerSchedule::parse(const std::vector<std::string>& windows) {
  OwnerSchedule schedule;
  for (const std::string& text : windows) {
    FALLOW_ASSIGN(const Window window, parse_window(text));
    schedule.windows_.push_back(window);
  }
  return schedule;
}

bool OwnerSchedule::is_lent(Time at, const absl::TimeZone& zone) const {
  if (windows_.empty()) return true;
  const absl::CivilMinute wall = absl::ToCivilMinute(absl::FromUnixMicros(at.us), zone);
  const int today = static_cast<int>(absl::GetWeekday(wall));  // 0 is Monday
  const int yesterday = (today + 6) % 7;
  const int minute = static_cast<int>(wall.hour() * 60 + wall.minute());
  return std::any_of(windows_.begin(), windows_.end(), [&](const Window& window) {
    const auto begins_on = [&window](int day) {
      return (window.days >> static_cast<unsigned>(day) & 1U) != 0;
    };
    const auto holds = [&window](int of_first_day) {
      return of_first_day >= window.begin_minute && of_first_day < window.end_minute;
    };
    return (begins_on(today) && holds(minute)) ||
           (begins_on(yesterday) && holds(minute + kDayMinutes));
  });
}

Result<absl::TimeZone> zone_named(const std::string& name) {
  if (name.empty()) return absl::LocalTimeZone();
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(name, &zone)) {
    return fail(
        ErrorCode::kNotFound,
        "\"{}\" is no time zone of this machine; write it as in \"Europe/Berlin\", or leave "
        "it empty for the machine's own",
        name);
  }
  return zone;
}

}  // namespace fallow::agent
