// What of a store is wanted no more, and its removal.
//
// Wanted is what a root names, every blob that was stored or touched lately, and every file of a
// manifest that is wanted itself. A crash at any moment leaves whole folders and files that no
// manifest names: manifests go before the files that they name.
//
// Beside a running store; one sweep at a time. Blocking: for a thread that may wait for the disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "artifacts/manifest.h"
#include "artifacts/store.h"
#include "base/result.h"

namespace fallow::artifacts {

// By the file system's clock.
struct SweepRules {
  Time blobs_before;    // what was neither stored nor touched since goes, unless it is wanted
  Time uploads_before;  // so do unfinished uploads without a piece since
  // True ends the sweep soon; what it has removed until then stays removed.
  const std::atomic<bool>* cancelled = nullptr;
};

struct Swept {
  std::size_t blobs = 0;
  std::size_t uploads = 0;
  std::uint64_t bytes = 0;  // of the blobs
};

// `roots`: manifests or other blobs that somebody refers to. One that is named after they were
// gathered must have been touched before (BlobStore::touch): then it and its files stay, too. On an
// error nothing more is removed.
Result<Swept> sweep(BlobStore& store, const std::vector<Digest>& roots, const SweepRules& rules,
                    const Limits& limits = {});

// Nobody needs the manifest of pieces any more (artifacts/folder.h): it and those of its pieces
// that were not stored or touched since `before` count as stored long ago. False: the manifest was
// itself, and nothing was done. A stranger may have named it, and written it: kInvalid, and nothing
// was done, when it is none of pieces, and what it names beside them stays as it is.
Result<bool> let_go(BlobStore& store, const Digest& manifest, Time before,
                    const Limits& limits = {});

}  // namespace fallow::artifacts
