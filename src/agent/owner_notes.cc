#include "agent/owner_notes.h"

#include <algorithm>
#include <utility>

namespace fallow::agent {
namespace {

// Names of programs and devices may hold any bytes.
std::string plain_why(std::string_view why) {
  std::string text(why.substr(0, OwnerNotes::kWhyBytesMax));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace

void OwnerNotes::add(v1::OwnerAct act, LeaseId lease, std::string_view why, Time now) {
  if (waiting_.size() == kWaitingMax) waiting_.pop_front();
  Waiting& waiting = waiting_.emplace_back();
  waiting.at = now;
  waiting.note.set_act(act);
  waiting.note.set_lease(lease.value);
  waiting.note.set_why(plain_why(why));
}

void OwnerNotes::owner_is(v1::OwnerState state, std::string_view why, Time now) {
  const v1::OwnerState before = std::exchange(state_, state);
  if (state == before) return;
  const bool is_first = before == v1::OWNER_STATE_UNSPECIFIED;
  if (state == v1::OWNER_PRESENT) {
    add(v1::OWNER_CAME, LeaseId(), why, now);
  } else if (state == v1::OWNER_PAUSED) {
    add(v1::OWNER_PAUSED_NODE, LeaseId(), why, now);
  } else if (!is_first) {
    add(v1::OWNER_LEFT, LeaseId(), why, now);
  }
}

v1::Telemetry OwnerNotes::telemetry(Time now) const {
  v1::Telemetry told;
  for (const Waiting& waiting : waiting_) {
    v1::OwnerNote& note = *told.add_owner();
    note = waiting.note;
    note.set_ago_us((now - waiting.at).value);
  }
  return told;
}

}  // namespace fallow::agent
