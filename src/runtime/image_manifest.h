// OCI and Docker manifests and configurations, as far as they are read here. A stranger wrote them.
//
// Pure functions. kInvalid with a sentence when a text is not what it should be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/images.h"
#include "base/result.h"

namespace fallow::runtime {

struct ImageBlob {
  std::string digest;  // 64 hex digits
  std::uint64_t bytes = 0;
};

struct ImageManifest {
  // Of a list: that of the image for this machine's kind of processor; else empty.
  std::string chosen;
  ImageBlob config;
  std::vector<ImageBlob> layers;
  std::uint64_t bytes = 0;  // of config and layers, as they are claimed
};

// `architecture` as images name it: "amd64".
Result<ImageManifest> parse_manifest(std::string_view text, std::string_view architecture);
std::string machine_architecture();

// The first manifest that an OCI layout's index.json names: its digest in hex.
Result<std::string> parse_index(std::string_view text);

// What of an image's configuration a workload sees: environment, entrypoint, command.
Result<agent::ImageFacts> parse_config(std::string_view text, std::string_view architecture);

}  // namespace fallow::runtime
