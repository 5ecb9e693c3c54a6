// Inbox: what a HubLink says on its threads, handed to the agent's loop.
//
// A full inbox drops what comes and ends the connection: everything in it is level-triggered, so
// the next connection brings it again.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <variant>

#include "agent/hub_link.h"
#include "base/file.h"

namespace fallow::agent {

class Inbox {
 public:
  static constexpr std::size_t kMessagesMax = 4096;

  struct Opened {};
  struct Received {
    std::string bytes;
  };
  struct Closed {
    Error why;
  };
  using Item = std::variant<Opened, Received, Closed>;

  Inbox();

  // The callbacks for HubLink::open(). They keep the inbox alive.
  static HubLinkEvents events(const std::shared_ptr<Inbox>& inbox);
  // Everything since the last call, in order; `overflowed` when something was dropped.
  std::deque<Item> take(bool& overflowed);
  int event_fd() const { return event_.get(); }

 private:
  void put(Item item);

  Fd event_;
  std::mutex mutex_;
  std::deque<Item> items_;
  bool overflowed_ = false;
};

}  // namespace fallow::agent
