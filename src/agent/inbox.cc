#include "agent/inbox.h"

#include <sys/eventfd.h>

#include <utility>

#include "base/check.h"

namespace fallow::agent {

Inbox::Inbox() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  FALLOW_CHECK(static_cast<bool>(event_), "no descriptor is left for an event");
}

HubLinkEvents Inbox::events(const std::shared_ptr<Inbox>& inbox) {
  HubLinkEvents events;
  events.opened = [inbox] { inbox->put(Opened{}); };
  events.received = [inbox](std::string bytes) { inbox->put(Received{std::move(bytes)}); };
  events.closed = [inbox](Error why) { inbox->put(Closed{std::move(why)}); };
  return events;
}

std::deque<Inbox::Item> Inbox::take(bool& overflowed) {
  eventfd_t count = 0;
  ::eventfd_read(event_.get(), &count);
  const std::lock_guard lock(mutex_);
  overflowed = std::exchange(overflowed_, false);
  return std::exchange(items_, {});
}

void Inbox::put(Item item) {
  {
    const std::lock_guard lock(mutex_);
    // The end of a connection is never dropped: nothing else would open the next.
    if (items_.size() >= kMessagesMax && !std::holds_alternative<Closed>(item)) {
      overflowed_ = true;
    } else {
      items_.push_back(std::move(item));
    }
  }
  ::eventfd_write(event_.get(), 1);
}

}  // namespace fallow::agent
