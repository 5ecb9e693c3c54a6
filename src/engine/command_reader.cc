#include "engine/command_reader.h"

namespace fallow::engine {

Result<bool> CommandReader::load_page() {
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

Status CommandReader::parse(const log::Entry& entry) {
  parsed_.clear();
  for (std::size_t i = 0; i < entry.size(); ++i) {
    const std::string_view payload = entry.payload(i);
    v1::Command& command = parsed_.emplace_back();
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

Result<bool> CommandReader::next() {
  if (page_at_ == page_.size()) {
    FALLOW_ASSIGN(const bool more, load_page());
    if (!more) return false;
  }
  const log::Entry& entry = page_[page_at_];
  FALLOW_TRY(parse(entry));
  ++page_at_;
  head_ = entry.head();
  return true;
}

}  // namespace fallow::engine
