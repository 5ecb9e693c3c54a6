#include "log/memory_snapshots.h"

#include <algorithm>

#include "base/check.h"

namespace fallow::log {
namespace {

class MemoryWriter final : public SnapshotWriter {
 public:
  MemoryWriter(MemorySnapshots& store, LogIndex index, const Digest& chain) : store_(store) {
    kept_.info.index = index;
    kept_.info.chain = chain;
  }
  Status write(std::string_view piece) override {
    kept_.content += piece;
    return {};
  }
  Status commit() override {
    kept_.info.bytes = kept_.content.size();
    store_.keep(std::move(kept_));
    return {};
  }

 private:
  MemorySnapshots& store_;
  MemorySnapshots::Kept kept_;
};

class MemoryReader final : public SnapshotReader {
 public:
  explicit MemoryReader(MemorySnapshots::Kept kept) : kept_(std::move(kept)) {}
  const SnapshotInfo& info() const override { return kept_.info; }
  Result<std::size_t> read(std::span<char> into) override {
    const std::size_t n = std::min(into.size(), kept_.content.size() - at_);
    std::copy_n(kept_.content.data() + at_, n, into.data());
    at_ += n;
    return n;
  }

 private:
  MemorySnapshots::Kept kept_;
  std::size_t at_ = 0;
};

}  // namespace

MemorySnapshots::MemorySnapshots(std::size_t keep_count) : keep_count_(keep_count) {
  FALLOW_CHECK(keep_count > 0, "a store that keeps nothing is none");
}

void MemorySnapshots::keep(Kept kept) {
  kept_[kept.info.index] = std::move(kept);
  while (kept_.size() > keep_count_) kept_.erase(kept_.begin());
}

Result<std::unique_ptr<SnapshotWriter>> MemorySnapshots::begin(LogIndex index,
                                                               const Digest& chain) {
  return std::make_unique<MemoryWriter>(*this, index, chain);
}

Result<std::vector<SnapshotInfo>> MemorySnapshots::list() {
  std::vector<SnapshotInfo> infos;
  for (const auto& [index, kept] : kept_) infos.insert(infos.begin(), kept.info);
  return infos;
}

Result<OpenedSnapshot> MemorySnapshots::open_newest(LogIndex at_most) {
  OpenedSnapshot opened;
  const auto after = kept_.upper_bound(at_most);
  if (after != kept_.begin())
    opened.reader = std::make_unique<MemoryReader>(std::prev(after)->second);
  return opened;
}

}  // namespace fallow::log
