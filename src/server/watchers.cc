#include "server/watchers.h"

#include <limits>
#include <utility>

namespace fallow::server {

class Watchers::Watch final : public Subscription {
 public:
  Watch(Watchers& watchers, Key key) : watchers_(watchers), key_(key) {}
  ~Watch() override {
    // notify() calls with the lock held, so after this line no call runs or starts.
    const std::lock_guard lock(watchers_.mutex_);
    watchers_.watchers_.erase(key_);
  }

 private:
  Watchers& watchers_;
  const Key key_;
};

std::unique_ptr<Subscription> Watchers::watch(std::uint64_t topic, std::function<void()> changed) {
  const std::lock_guard lock(mutex_);
  const Key key{topic, ++last_number_};
  watchers_.emplace(key, std::move(changed));
  return std::make_unique<Watch>(*this, key);
}

void Watchers::notify(std::uint64_t topic) {
  const std::lock_guard lock(mutex_);
  const auto end = watchers_.upper_bound({topic, std::numeric_limits<std::uint64_t>::max()});
  for (auto at = watchers_.lower_bound({topic, 0}); at != end; ++at) at->second();
}

}  // namespace fallow::server
