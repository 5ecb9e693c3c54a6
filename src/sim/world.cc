#include "sim/world.h"

#include <fmt/core.h>

#include <algorithm>

namespace fallow::sim {

void World::at(Time when, std::function<void()> what) {
  queue_.emplace(std::pair(std::max(when, now_), ++planned_), std::move(what));
}

bool World::step() {
  if (queue_.empty() || !failure_.empty()) return false;
  auto next = queue_.extract(queue_.begin());
  now_ = next.key().first;
  ++steps_;
  next.mapped()();
  return failure_.empty();
}

Duration World::between(Duration least, Duration most) {
  const auto span = static_cast<std::uint64_t>(most.value - least.value) + 1;
  return least + Duration(static_cast<std::int64_t>(random_->below(span)));
}

void World::fail(std::string why) {
  if (!failure_.empty()) return;
  failure_ = fmt::format("after {:.3f} s: {}", static_cast<double>(now_.us) / 1e6, why);
}

}  // namespace fallow::sim
