#include "server/superseded.h"

#include <utility>

namespace fallow::server {

void Superseded::on_batch(const engine::Batch& batch, const core::Machine&) {
  for (const engine::Applied& applied : batch.commands) {
    for (const v1::Event& event : applied.events) {
      if (!event.has_checkpoint_taken()) continue;
      const auto former = digest_from_bytes(event.checkpoint_taken().former());
      if (former && event.checkpoint_taken().former() != event.checkpoint_taken().manifest()) {
        add(*former);
      }
    }
  }
}

std::deque<Digest> Superseded::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waiting_, {});
}

void Superseded::add(const Digest& manifest) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() == kWaitingMax) waiting_.pop_front();
  waiting_.push_back(manifest);
}

}  // namespace fallow::server
