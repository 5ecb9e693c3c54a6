#include "artifacts/sweep.h"

#include <algorithm>
#include <string>

#include "artifacts/folder.h"

namespace fallow::artifacts {
namespace {

Result<bool> is_manifest(const Blob& blob, const Limits& limits) {
  if (blob.size() > limits.manifest_bytes_max) return false;
  std::string head(Manifest::kFirstLine.size(), '\0');
  FALLOW_ASSIGN(const std::size_t n, blob.read(0, head));
  return n == head.size() && head == Manifest::kFirstLine;
}

struct Entry {
  BlobStore::Stored blob;
  bool is_wanted = false;
};

class Sweep {
 public:
  Sweep(BlobStore& store, const SweepRules& rules, const Limits& limits)
      : store_(store), rules_(rules), limits_(limits) {}

  Result<Swept> run(const std::vector<Digest>& roots) {
    FALLOW_TRY(store_.visit([this](const BlobStore::Stored& blob) { entries_.push_back({blob}); }));
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return a.blob.digest < b.blob.digest; });
    for (const Digest& root : roots) {
      if (Entry* const entry = find(root)) FALLOW_TRY(want(*entry));
    }
    for (Entry& entry : entries_) {
      if (entry.blob.stored_at >= rules_.blobs_before) FALLOW_TRY(want(entry));
    }
    FALLOW_TRY(remove_unwanted());
    if (!is_cancelled()) swept_.uploads = store_.abandon_idle(rules_.uploads_before);
    return swept_;
  }

 private:
  bool is_cancelled() const { return rules_.cancelled != nullptr && rules_.cancelled->load(); }

  Entry* find(const Digest& digest) {
    const auto at = std::lower_bound(
        entries_.begin(), entries_.end(), digest,
        [](const Entry& entry, const Digest& wanted) { return entry.blob.digest < wanted; });
    return at == entries_.end() || at->blob.digest != digest ? nullptr : &*at;
  }

  Result<bool> names_files(const BlobStore::Stored& blob) const {
    if (blob.size > limits_.manifest_bytes_max) return false;
    const auto stored = store_.get(blob.digest);
    if (!stored && stored.error().code == ErrorCode::kNotFound) return false;
    if (!stored) return tl::unexpected(stored.error());
    return is_manifest(*stored, limits_);
  }

  // With its files, if it is a manifest. What cannot be read now may be read later: then nothing
  // is swept.
  Status want(Entry& entry) {
    if (is_cancelled()) return {};
    entry.is_wanted = true;
    FALLOW_ASSIGN(const bool has_files, names_files(entry.blob));
    if (!has_files) return {};
    const auto text = store_.get_whole(entry.blob.digest, limits_.manifest_bytes_max);
    // Removed or damaged meanwhile: it names nothing any more.
    if (!text && text.error().code != ErrorCode::kFailed) return {};
    if (!text) return tl::unexpected(text.error());
    const auto manifest = Manifest::parse(*text, limits_);
    if (!manifest) return {};
    for (const File& file : manifest->files()) {
      if (Entry* const named = find(file.digest)) named->is_wanted = true;
    }
    return {};
  }

  Status remove_unwanted() {
    std::vector<Digest> manifests;
    std::vector<Digest> others;
    for (const Entry& entry : entries_) {
      if (entry.is_wanted) continue;
      if (is_cancelled()) return {};
      FALLOW_ASSIGN(const bool has_files, names_files(entry.blob));
      (has_files ? manifests : others).push_back(entry.blob.digest);
    }
    for (const Digest& manifest : manifests) {
      FALLOW_ASSIGN(const bool is_gone, remove(manifest));
      // Somebody is about to name it, and with it files that were not wanted until now.
      if (!is_gone) return {};
    }
    if (!manifests.empty() && !others.empty()) FALLOW_TRY(store_.sync_removals());
    for (const Digest& other : others) FALLOW_TRY(remove(other));
    return {};
  }

  Result<bool> remove(const Digest& digest) {
    if (is_cancelled()) return false;
    FALLOW_ASSIGN(const auto bytes, store_.remove_stored_before(digest, rules_.blobs_before));
    if (!bytes) return false;
    ++swept_.blobs;
    swept_.bytes += *bytes;
    return true;
  }

  BlobStore& store_;
  const SweepRules& rules_;
  const Limits& limits_;
  std::vector<Entry> entries_;  // as many as there are blobs
  Swept swept_;
};

}  // namespace

Result<Swept> sweep(BlobStore& store, const std::vector<Digest>& roots, const SweepRules& rules,
                    const Limits& limits) {
  return Sweep(store, rules, limits).run(roots);
}

Result<bool> let_go(BlobStore& store, const Digest& manifest, Time before, const Limits& limits) {
  const auto text = store.get_whole(manifest, limits.manifest_bytes_max);
  if (!text && text.error().code == ErrorCode::kNotFound) return true;
  if (!text) return tl::unexpected(text.error());
  FALLOW_ASSIGN(const Manifest named, Manifest::parse(*text, limits));
  for (const File& file : named.files()) FALLOW_TRY(place_of(file, Layout::kPieces));
  if (!store.let_go(manifest, before)) return false;
  for (const File& file : named.files()) {
    const auto piece = store.get(file.digest);
    if (!piece || piece->size() > kPieceBytesMax) continue;
    const auto has_files = is_manifest(*piece, limits);
    if (has_files && !*has_files) (void)store.let_go(file.digest, before);
  }
  return true;
}

}  // namespace fallow::artifacts
