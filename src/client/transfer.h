// Folders to and from the market's artifact store.
//
// Free functions over an Api, blocking. Only files that the store does not have are sent. An upload
// that has begun waits minutes for a market that is away or busy, and goes on where it was: until
// the rules end it, or nothing more has come through for so long.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "artifacts/folder.h"
#include "artifacts/manifest.h"
#include "base/digest.h"
#include "client/api.h"

namespace fallow::client {

struct Uploaded {
  Digest manifest{};
  std::size_t files = 0;
  std::uint64_t bytes = 0;       // of all files
  std::uint64_t bytes_sent = 0;  // of those the store did not have
};

// How a transfer is bounded and ended from outside.
struct TransferRules {
  artifacts::Limits limits;
  artifacts::Unkept unkept = artifacts::Unkept::kRefuse;  // what scan() does about links and such
  // kPieces: the folder is in use; an upload is as scan_pieces(), whatever `unkept` says.
  artifacts::Layout layout = artifacts::Layout::kFiles;
  artifacts::Existing existing = artifacts::Existing::kRefuse;  // of downloads: files in the way
  const std::atomic<bool>* cancelled = nullptr;                 // true ends it soon with kTimedOut
  std::optional<std::chrono::steady_clock::time_point> until = {};  // then it ends so, too
  // An upload of a folder of n bytes ends so, too, at from + n / bytes_per_s, sent or there
  // already.
  struct Pace {
    std::chrono::steady_clock::time_point from;
    std::uint64_t bytes_per_s;  // not 0
  };
  std::optional<Pace> pace = {};
};

// The files below `folder` become artifacts.
ApiResult<Uploaded> upload_folder(Api& api, const std::string& folder,
                                  const TransferRules& rules = {});

// What a folder of several parts is made of: a folder's files below `place`, or a file that is
// there itself. `place`: relative; empty for the top, where only a folder can go.
struct Part {
  std::string place;
  std::string source;  // of this machine
};

// The parts become the files of one manifest; each file has a place of its own, else kInvalid.
ApiResult<Uploaded> upload_parts(Api& api, const std::vector<Part>& parts,
                                 const TransferRules& rules = {});

// Writes the manifest's files below `destination`, which is made if missing; about existing files
// it is as the rules say. Every byte is checked against its digest. Answers the number of files. As
// kLocal: kInvalid, kCorrupt and kTooLarge are the artifact's fault, kFailed and the rest this
// side's.
ApiResult<std::size_t> download_folder(Api& api, const std::string& manifest_hex,
                                       const std::string& destination,
                                       const TransferRules& rules = {});

}  // namespace fallow::client
