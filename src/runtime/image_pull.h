// One pull of an ImageStore. Included by the store alone.
#pragma once

#include <string>

#include "runtime/image_manifest.h"
#include "runtime/image_store.h"

namespace fallow::runtime {

struct ImageStore::Pull {
  ImageTools::Source source;
  const std::atomic<bool>& cancelled;
  const agent::ImageProgress& progress;
  std::string hex;     // the digest of what the name stands for
  std::string copied;  // of a registry: the digest of the manifest to copy, the platform's own
  std::string place;   // below pull/, this pull's own
  ImageManifest manifest;
  // What is kept free for its unpacked tree: first as much as it has packed, then what it grows to.
  // With the store's mutex.
  std::uint64_t tree_bytes = 0;
};

}  // namespace fallow::runtime
