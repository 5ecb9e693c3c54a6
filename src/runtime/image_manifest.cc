#include "runtime/image_manifest.h"

#include <google/protobuf/util/json_util.h>
#include <sys/utsname.h>

#include <algorithm>

#include "fallow/v1/oci.pb.h"
#include "runtime/image_name.h"

namespace fallow::runtime {
namespace {

constexpr int kLayersMax = 512;
constexpr std::int64_t kBytesMax = std::int64_t{1} << 50;
constexpr std::size_t kShownBytesMax = 64;  // of what a stranger wrote

template <class Message>
Result<Message> parse(std::string_view text, std::string_view what) {
  Message message;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), &message, options);
  if (!status.ok()) return fail(ErrorCode::kInvalid, "the image's {} cannot be read", what);
  return message;
}

Result<std::string> hex_of(const v1::OciDescriptor& part) {
  auto hex = hex_of_digest(part.digest());
  if (!hex) return fail(ErrorCode::kInvalid, "the image names a part without a SHA-256 digest");
  return *std::move(hex);
}

Result<ImageBlob> blob_of(const v1::OciDescriptor& part) {
  FALLOW_ASSIGN(std::string hex, hex_of(part));
  if (part.size() < 0 || part.size() > kBytesMax) {
    return fail(ErrorCode::kInvalid, "the image names a part of {} bytes", part.size());
  }
  return ImageBlob{std::move(hex), static_cast<std::uint64_t>(part.size())};
}

}  // namespace

Result<ImageManifest> parse_manifest(std::string_view text, std::string_view architecture) {
  FALLOW_ASSIGN(const auto read, parse<v1::OciManifest>(text, "manifest"));
  ImageManifest manifest;
  if (read.manifests_size() > 0) {
    const auto found = std::find_if(
        read.manifests().begin(), read.manifests().end(), [&](const v1::OciDescriptor& one) {
          return one.platform().os() == "linux" && one.platform().architecture() == architecture;
        });
    if (found == read.manifests().end()) {
      return fail(ErrorCode::kInvalid, "the image is not made for linux/{}, which this node is",
                  architecture);
    }
    FALLOW_ASSIGN(manifest.chosen, hex_of(*found));
    return manifest;
  }
  if (!read.has_config() || read.layers_size() == 0) {
    return fail(ErrorCode::kInvalid,
                "the image's manifest is of a kind that is not run here; push it as an OCI or "
                "Docker schema 2 image with at least one layer");
  }
  if (read.layers_size() > kLayersMax) {
    return fail(ErrorCode::kInvalid, "the image has more than {} layers", kLayersMax);
  }
  FALLOW_ASSIGN(manifest.config, blob_of(read.config()));
  manifest.bytes = manifest.config.bytes;
  for (const v1::OciDescriptor& one : read.layers()) {
    FALLOW_ASSIGN(ImageBlob layer, blob_of(one));
    manifest.bytes += layer.bytes;
    manifest.layers.push_back(std::move(layer));
  }
  return manifest;
}

std::string machine_architecture() {
  utsname name{};
  ::uname(&name);
  const std::string_view machine = name.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return std::string(machine);
}

Result<std::string> parse_index(std::string_view text) {
  FALLOW_ASSIGN(const auto read, parse<v1::OciManifest>(text, "index"));
  if (read.manifests_size() == 0) {
    return fail(ErrorCode::kInvalid, "the image's index names no manifest");
  }
  return hex_of(read.manifests(0));
}

Result<agent::ImageFacts> parse_config(std::string_view text, std::string_view architecture) {
  FALLOW_ASSIGN(const auto read, parse<v1::OciConfig>(text, "configuration"));
  if (!read.architecture().empty() && read.architecture() != architecture) {
    return fail(ErrorCode::kInvalid, "the image is made for {}, this node is {}",
                read.architecture().substr(0, kShownBytesMax), architecture);
  }
  if (!read.os().empty() && read.os() != "linux") {
    return fail(ErrorCode::kInvalid, "the image is made for {}, this node runs Linux",
                read.os().substr(0, kShownBytesMax));
  }
  agent::ImageFacts facts;
  for (const std::string& setting : read.config().env()) {
    const std::size_t equals = setting.find('=');
    if (equals == 0 || equals == std::string::npos) continue;
    facts.environment.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  facts.entrypoint.assign(read.config().entrypoint().begin(), read.config().entrypoint().end());
  facts.command.assign(read.config().command().begin(), read.config().command().end());
  return facts;
}

}  // namespace fallow::runtime
