// Watchers: functions to call when something changed, each until its Subscription goes.
//
// Owner: the thing that changes; it must outlive the subscriptions. Any thread. A watcher must not
// block, nor begin or end a watch from within.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "server/ports.h"

namespace fallow::server {

class Watchers {
 public:
  // `topic` separates independent things (a lease id; 0 where there is only one).
  std::unique_ptr<Subscription> watch(std::uint64_t topic, std::function<void()> changed);
  // Calls every watcher of the topic.
  void notify(std::uint64_t topic);

 private:
  class Watch;
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // topic, number

  std::mutex mutex_;
  std::uint64_t last_number_ = 0;
  std::map<Key, std::function<void()>> watchers_;  // one a followed stream: net's connections_max
};

}  // namespace fallow::server
