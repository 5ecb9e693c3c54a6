// What an order's `image` names. docs/images.md has the grammar.
//
// Pure functions. What parse_image_name() lets through is safe as a part of a program's argument:
// no blanks, no control characters, no leading dash, no path that leads upwards.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fallow::runtime {

enum class ImageKind {
  kRegistry,       // ghcr.io/org/tool:1.2, alpine, name@sha256:...
  kDockerArchive,  // docker-archive:PATH, a file of the input
  kOciArchive,     // oci-archive:PATH
  kOciFolder,      // oci:PATH, a folder of the input
};

struct ImageName {
  ImageKind kind = ImageKind::kRegistry;
  std::string registry;    // "docker.io", "127.0.0.1:5000"
  std::string repository;  // "library/alpine"
  std::string tag;         // empty with a digest
  std::string digest;      // 64 hex digits; empty: none was pinned
  std::string path;        // of the archive or folder, below the input
  std::string inner;       // which image of it; empty: the only one
};

// The 64 hex digits of "sha256:" and 64 lower-case hex digits; nothing for any other text.
std::optional<std::string> hex_of_digest(std::string_view text);

// kInvalid with a sentence for the renter.
Result<ImageName> parse_image_name(std::string_view text);

// As skopeo takes it. `input` is where the input folder is seen; `digest`, 64 hex digits, stands in
// for tag and digest of a registry's image unless it is empty.
std::string skopeo_source(const ImageName& name, std::string_view input, std::string_view digest);

// "registry.example:5000" -> "registry.example", "[::1]:5000" -> "::1".
std::string registry_host(std::string_view registry);

// kDenied when the registry is at an address that is not of the public internet, unless `allowed`
// names it: an order must not have the provider's machine ask its neighbours. Resolves the name:
// kUnreachable when that fails. Blocks.
Status check_registry(const std::string& registry, bool allowed);

}  // namespace fallow::runtime
