// FolderStore: the market's artifact store as the agent needs it: inputs in, outputs out. The
// client and artifacts modules have the real one.
//
// Called on the agent's transfer threads, several at a time; every call may block.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/types.h"

namespace fallow::agent {

class FolderStore {
 public:
  virtual ~FolderStore() = default;

  struct Stored {
    std::string manifest;  // 32 raw bytes
    std::size_t files = 0;
    std::uint64_t bytes = 0;
    std::uint64_t bytes_sent = 0;  // what the market did not have yet
  };

  // Writes the folder that the manifest (32 raw bytes of digest) describes into the existing
  // folder, which is empty or holds what an earlier try brought there: that is gone on with, as far
  // as it is right. Nothing is ever written outside `folder`, whatever names the manifest holds.
  // `token` is the session's bearer token. Returns kTimedOut soon after *cancelled becomes true.
  // kInvalid, kCorrupt, kNotFound: the input itself is at fault. kTooLarge: more than bytes_max.
  // Everything else: asking again may help.
  virtual Status fetch(const std::string& manifest, const std::string& folder,
                       std::uint64_t bytes_max, const std::string& token,
                       const std::atomic<bool>& cancelled) = 0;

  // How long storing a folder of n bytes may take: n / bytes_per_s, and `spare` beyond, which is
  // below 0 when more than that was lost before.
  struct Pace {
    Duration spare;
    std::uint64_t bytes_per_s;  // not 0
  };
  // Stores the folder. A stranger wrote the folder: regular
  // files and folders are taken, symbolic links are never followed, everything else is left out.
  // kTooLarge, kInvalid: the folder itself is at fault. kFull: the market's store is. That and
  // everything else: asking again may help. It ends with kTimedOut, too, when it is slower than
  // `pace`.
  virtual Result<Stored> put(const std::string& folder, std::uint64_t bytes_max, Pace pace,
                             const std::string& token, const std::atomic<bool>& cancelled) = 0;

  // The same of a checkpoint's folder, which the workload may be at work in, in pieces
  // (artifacts/folder.h). save: kBusy, kCorrupt, kNotFound, kInvalid mean that it changed
  // meanwhile: asking again may help. It ends with kTimedOut soon after `time_max`, too.
  virtual Result<Stored> save(const std::string& folder, std::uint64_t bytes_max, Duration time_max,
                              const std::string& token, const std::atomic<bool>& cancelled) = 0;
  virtual Status restore(const std::string& manifest, const std::string& folder,
                         std::uint64_t bytes_max, const std::string& token,
                         const std::atomic<bool>& cancelled) = 0;
};

}  // namespace fallow::agent
