#include "engine/replay.h"

namespace fallow::engine {

Result<bool> Replay::next() {
  FALLOW_ASSIGN(const bool more, reader_.next());
  if (!more) return false;
  const log::Entry& entry = reader_.entry();
  const core::MessageSpan<v1::Command> commands = reader_.commands();

  events_.clear();
  ends_.clear();
  for (std::size_t i = 0; i < entry.size(); ++i) {
    machine_.apply(entry.index(i), entry.time(), commands[i], events_);
    ends_.push_back(events_.size());
  }
  applied_.clear();
  const core::EventSpan events = events_;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < entry.size(); ++i) {
    applied_.push_back(Applied{entry.index(i), entry.time(), &commands[i],
                               events.subspan(begin, ends_[i] - begin)});
    begin = ends_[i];
  }
  ++entries_;
  commands_ += entry.size();
  events_count_ += events_.size();
  bytes_ += entry.body().size();
  return true;
}

}  // namespace fallow::engine
