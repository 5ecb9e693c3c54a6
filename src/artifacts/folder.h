// Folders to manifests and back, with neither side trusted.
//
// scan() reads folders that a workload wrote: it never follows a link, opens nothing but regular
// files, and stops at the limits, counted by what is read rather than by what a file claims.
// unpack() writes beneath one folder only, whatever the manifest and whatever others do in that
// folder meanwhile: every part of a path is opened on its own, relative to its parent and without
// following links. Folders without files are not kept.
//
// The same of a folder that is in use, in pieces: a manifest whose files are the pieces of the
// folder's files, so that what did not change is named by the same digests. PATH becomes
// PATH/00000000, PATH/00000001 and so on, each of kPieceBytesMax but the last. Entries whose names
// begin with a dot are passed over: their owner is at work on them.
//
// Blocking; any thread; no state.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "artifacts/manifest.h"
#include "artifacts/store.h"
#include "base/file.h"
#include "base/result.h"

namespace fallow::artifacts {

// What scan() does about an entry that cannot be kept: a link, a socket, a pipe, a device, a name
// that is no valid path, a file of another owner under a second name, one that may not be read.
enum class Unkept {
  kRefuse,  // kInvalid with its name: a person chose this folder and can act on it
  kSkip,    // pass over and report: a workload's output must not be lost for one of them
};

struct Scanned {
  Manifest manifest;
  std::size_t skipped_count = 0;
  std::vector<std::string> skipped;  // sentences about the first of them, kSkippedShownMax at most
};
inline constexpr std::size_t kSkippedShownMax = 20;

// Asked before every entry and every 256 KiB that are read: its error ends the scan.
using Check = std::function<Status()>;

// Reads every file below `folder` and returns their manifest. kTooLarge beyond `limits`, of which
// files_max also bounds the folders that are visited; kNotFound when there is no such folder.
Result<Scanned> scan(const std::string& folder, const Limits& limits, Unkept unkept,
                     const Check& may_go_on = {});

enum class Layout {
  kFiles,
  kPieces,
};
inline constexpr std::uint64_t kPieceBytesMax = std::uint64_t{1} << 20;

// A piece's file, and where in it the piece begins; of a whole file itself and 0.
struct PiecePlace {
  std::string path;
  std::uint64_t offset = 0;
};
// kInvalid when the path is none of a piece, or a part of it begins with a dot.
Result<PiecePlace> place_of(const File& file, Layout layout);

// As scan() with kSkip, in pieces, as the folder was at one moment: kBusy when it changed while it
// was read. A change is one of the folder's entries, or of a file's size or times.
Result<Scanned> scan_pieces(const std::string& folder, const Limits& limits,
                            const Check& may_go_on = {});

// Tells of such a change without reading the files.
Result<Digest> stamp_of(const std::string& folder, const Limits& limits,
                        const Check& may_go_on = {});

// Opens the regular file `path` (as in a manifest) below `folder` for reading, following no links.
Result<Fd> open_below(const Fd& folder, std::string_view path);

// Scans `folder` and puts its files and its manifest into the store, as uploads of `uploader`.
// Fails with kCorrupt if a file changes meanwhile.
Result<Scanned> pack(const std::string& folder, const Limits& limits, Unkept unkept,
                     BlobStore& store, std::uint64_t uploader);

// Takes the next bytes of a file.
using Write = std::function<Status(std::string_view)>;
// Gives a file's bytes to `write`, from the offset `from` on, in order and in pieces of any size.
using Fetch = std::function<Status(const File&, std::uint64_t from, const Write& write)>;

// What unpack() does about a file that is there already.
enum class Existing {
  kRefuse,  // kInvalid with its name: it is somebody's
  // An earlier unpack() of the same manifest broke off: what is right of its files is kept, as far
  // as it goes, and only the rest is fetched. What breaks off is left for the next.
  kGoOn,
};

// Writes the manifest's files below `destination`, which is made if missing. Existing folders are
// used. Bytes that are not the manifest's give kCorrupt and the file is removed; those written
// before stay.
Status unpack(const Manifest& manifest, const Fetch& fetch, const std::string& destination,
              Existing existing = Existing::kRefuse);

// The same of pieces, which become whole files again. kInvalid when the manifest is not of pieces.
Status unpack_pieces(const Manifest& manifest, const Fetch& fetch, const std::string& destination,
                     Existing existing = Existing::kRefuse);

// A Fetch from a store that must outlive it.
Fetch fetch_from(const BlobStore& store);

}  // namespace fallow::artifacts
