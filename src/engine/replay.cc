#include "engine/replay.h"

#include <span>

namespace fallow::engine {

Result<bool> Replay::load_page() {
  FALLOW_ASSIGN(page_, log_.read(head_.last + LogIndex(1), kPageBytes));
  page_at_ = 0;
  if (page_.empty()) return false;
  if (page_.front().first() != head_.last + LogIndex(1)) {
    return fail(ErrorCode::kCorrupt,
                "command {} does not begin an entry of the log, so a replay cannot begin there",
                head_.last.value + 1);
  }
  return true;
}

Status Replay::parse(const log::Entry& entry) {
  if (parsed_.size() < entry.size()) parsed_.resize(entry.size());
  for (std::size_t i = 0; i < entry.size(); ++i) {
    const std::string_view payload = entry.payload(i);
    v1::Command& command = parsed_[i];
    if (!command.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
        command.kind_case() == v1::Command::KIND_NOT_SET) {
      return fail(ErrorCode::kCorrupt,
                  "command {} of the log is of a kind that this program does not know: start the "
                  "version of fallow that wrote it, or a newer one",
                  entry.index(i).value);
    }
  }
  return {};
}

Result<bool> Replay::next() {
  if (page_at_ == page_.size()) {
    FALLOW_ASSIGN(const bool more, load_page());
    if (!more) return false;
  }
  const log::Entry& entry = page_[page_at_++];
  FALLOW_TRY(parse(entry));

  events_.clear();
  ends_.clear();
  for (std::size_t i = 0; i < entry.size(); ++i) {
    machine_.apply(entry.index(i), entry.time(), parsed_[i], events_);
    ends_.push_back(events_.size());
  }
  applied_.clear();
  const std::span<const v1::Event> events(events_);
  std::size_t begin = 0;
  for (std::size_t i = 0; i < entry.size(); ++i) {
    applied_.push_back(Applied{entry.index(i), entry.time(), &parsed_[i],
                               events.subspan(begin, ends_[i] - begin)});
    begin = ends_[i];
  }
  head_ = entry.head();
  ++entries_;
  commands_ += entry.size();
  events_count_ += events_.size();
  bytes_ += entry.body().size();
  return true;
}

}  // namespace fallow::engine
