// Manifest: the files of a folder, by path, size, mode and digest. It has one canonical text, and
// the digest of that text names the whole folder. docs/formats/artifact.md has a worked example.
//
// A value; any thread. What parse() and make() return is safe to write beneath a folder: see path.h
// for the paths, and no file is at a place where another needs a folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace fallow::artifacts {

struct Limits {
  std::size_t files_max = 100'000;
  std::uint64_t bytes_max = std::uint64_t{64} << 30;  // of all files together
  std::size_t path_bytes_max = 1'024;
  std::size_t path_parts_max = 64;
  // Of the manifest's own text; the default holds files_max paths of ordinary length.
  std::size_t manifest_bytes_max = std::size_t{32} << 20;
};

struct File {
  std::string path;
  bool executable = false;  // the only part of a mode that is kept
  std::uint64_t size = 0;
  Digest digest{};

  bool operator==(const File&) const = default;
};

class Manifest {
 public:
  // Of every manifest's text; it ends with a line feed.
  static constexpr std::string_view kFirstLine = "fallow manifest v1\n";

  Manifest() = default;  // of an empty folder

  // In any order. kInvalid for a bad path, a duplicate, or a file where another needs a folder;
  // kTooLarge beyond the limits.
  static Result<Manifest> make(std::vector<File> files, const Limits& limits);
  // Only the canonical text is accepted, so that a folder has one digest. Errors as make().
  static Result<Manifest> parse(std::string_view text, const Limits& limits);

  std::string text() const;
  // Of text().
  Digest digest() const;
  // Sorted by the bytes of their paths.
  const std::vector<File>& files() const { return files_; }
  // Of all files together.
  std::uint64_t total_bytes() const { return total_bytes_; }

 private:
  std::vector<File> files_;  // Limits::files_max at most
  std::uint64_t total_bytes_ = 0;
};

}  // namespace fallow::artifacts
