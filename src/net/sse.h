// Server-sent events: writing them, and reading them from bytes as they come. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fallow::net {

struct SseEvent {
  std::string event;  // empty: "message"
  std::string data;   // may have several lines
  std::string id;     // empty: none; the last one is what Last-Event-ID repeats
};

// The event's bytes. Line breaks inside event and id become blanks.
std::string format_sse(const SseEvent& event);
// An id without an event: whoever resumes before the first event says it.
std::string format_sse_id(std::string_view id);
// A comment line that keeps a silent connection alive; readers ignore it.
inline constexpr std::string_view kSseKeepAlive = ": \n\n";

// A value of one reader. Holds at most event_bytes_max of one unfinished event.
class SseParser {
 public:
  explicit SseParser(std::size_t event_bytes_max = 1024 * 1024)
      : event_bytes_max_(event_bytes_max) {}

  void feed(std::string_view bytes) { pending_.append(bytes); }
  // The next complete event, or nothing until more is fed. kTooLarge when an event is beyond the
  // maximum: the stream is then of no use.
  Result<std::optional<SseEvent>> next();
  // The last id up to the event that was given out last, or up to here when next() gave none; also
  // an id without an event. Empty: none yet.
  const std::string& last_id() const { return last_id_; }

 private:
  void take_line(std::string_view line);

  const std::size_t event_bytes_max_;
  std::string pending_;
  std::size_t searched_ = 0;
  SseEvent current_;
  std::string last_id_;
  bool has_data_ = false;
  bool at_start_ = true;  // a byte order mark is skipped there
};

}  // namespace fallow::net
