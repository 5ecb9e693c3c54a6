#include "net/sse.h"

#include <algorithm>
#include <utility>

namespace fallow::net {
namespace {

void append_one_line(std::string& out, std::string_view name, std::string_view text) {
  out += name;
  for (const char c : text) out.push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
  out += '\n';
}

}  // namespace

std::string format_sse(const SseEvent& event) {
  std::string out;
  if (!event.event.empty()) append_one_line(out, "event: ", event.event);
  if (!event.id.empty()) append_one_line(out, "id: ", event.id);
  std::string_view rest = event.data;
  for (;;) {
    const std::size_t end = rest.find_first_of("\r\n");
    out += "data: ";
    out += rest.substr(0, end);
    out += '\n';
    if (end == std::string_view::npos) break;
    const bool pair = rest.substr(end, 2) == "\r\n";
    rest.remove_prefix(end + (pair ? 2 : 1));
  }
  out += '\n';
  return out;
}

std::string format_sse_id(std::string_view id) {
  std::string out;
  append_one_line(out, "id: ", id);
  out += '\n';
  return out;
}

Result<std::optional<SseEvent>> SseParser::next() {
  std::size_t begin = 0;
  std::optional<SseEvent> found;
  while (!found) {
    const std::size_t end = pending_.find_first_of("\r\n", std::max(begin, searched_));
    // A carriage return at the very end may be half of a pair: wait for its other half.
    if (end == std::string::npos || (pending_[end] == '\r' && end + 1 == pending_.size())) {
      searched_ = end == std::string::npos ? pending_.size() : end;
      break;
    }
    std::string_view line = std::string_view(pending_).substr(begin, end - begin);
    if (std::exchange(at_start_, false) && line.substr(0, 3) == "\xef\xbb\xbf") {
      line.remove_prefix(3);
    }
    if (!line.empty()) {
      take_line(line);
    } else {
      // An event without data is not delivered, and forgets its type.
      if (has_data_) found = current_;
      if (!current_.id.empty()) last_id_ = current_.id;
      current_ = SseEvent();
      has_data_ = false;
    }
    begin = end + (pending_.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  pending_.erase(0, begin);
  searched_ = searched_ > begin ? searched_ - begin : 0;
  if (pending_.empty()) pending_ = std::string();
  if (!found && pending_.size() + current_.data.size() > event_bytes_max_) {
    return fail(ErrorCode::kTooLarge, "a server-sent event is larger than {} bytes",
                event_bytes_max_);
  }
  return found;
}

void SseParser::take_line(std::string_view line) {
  const std::size_t colon = std::min(line.find(':'), line.size());
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(std::min(colon + 1, line.size()));
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  if (name == "data") {
    if (has_data_) current_.data += '\n';
    current_.data += value;
    has_data_ = true;
  } else if (name == "event") {
    current_.event = value;
  } else if (name == "id" && value.find('\0') == std::string_view::npos) {
    current_.id = value;
  }
}

}  // namespace fallow::net
