// What the tests of images share: images made by hand, as OCI folders.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/image_manifest.h"
#include "runtime/image_store.h"

namespace fallow::runtime {

// One entry of a layer, as hostile as it likes.
struct TarEntry {
  std::string name;
  char type = '0';  // '0' file, '1' hard link, '2' symbolic link, '3' character device, '5' folder
  std::string content;
  std::string target;
  unsigned mode = 0755;
};

inline std::string tar_of(const std::vector<TarEntry>& entries) {
  std::string bytes;
  for (const TarEntry& entry : entries) {
    std::string head(512, '\0');
    const auto put = [&head](std::size_t at, const std::string& text) {
      head.replace(at, text.size(), text);
    };
    const auto octal = [](std::uint64_t number, int digits) {
      std::ostringstream text;
      text << std::oct << number;
      return std::string(static_cast<std::size_t>(digits) - text.str().size(), '0') + text.str();
    };
    put(0, entry.name.substr(0, 100));
    put(100, octal(entry.mode, 7));
    put(108, octal(0, 7));
    put(116, octal(0, 7));
    put(124, octal(entry.content.size(), 11));
    put(136, octal(0, 11));
    put(148, "        ");
    head[156] = entry.type;
    put(157, entry.target.substr(0, 100));
    put(257, std::string("ustar\0", 6) + "00");
    if (entry.type == '3') put(329, octal(1, 7)), put(337, octal(1, 7));
    std::uint64_t sum = 0;
    for (const char c : head) sum += static_cast<unsigned char>(c);
    put(148, octal(sum, 6));
    head[154] = '\0';
    bytes += head + entry.content;
    bytes.resize((bytes.size() + 511) / 512 * 512);
  }
  return bytes + std::string(1024, '\0');
}

inline std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An OCI folder with one image. `config` goes into the configuration's "config".
inline void write_oci_folder(const std::string& folder, const std::vector<std::string>& layers,
                             const std::string& config = "{}",
                             const std::string& architecture = machine_architecture()) {
  std::filesystem::create_directories(folder + "/blobs/sha256");
  const auto blob = [&folder](const std::string& bytes) {
    const std::string hex = sha256_hex(bytes);
    std::ofstream(folder + "/blobs/sha256/" + hex, std::ios::binary) << bytes;
    return "\"digest\":\"sha256:" + hex + "\",\"size\":" + std::to_string(bytes.size());
  };
  std::string parts;
  std::string ids;
  for (const std::string& layer : layers) {
    const std::string comma = parts.empty() ? "" : ",";
    parts +=
        comma + R"({"mediaType":"application/vnd.oci.image.layer.v1.tar",)" + blob(layer) + "}";
    ids += comma + "\"sha256:" + sha256_hex(layer) + "\"";
  }
  const std::string about = R"({"architecture":")" + architecture + R"(","os":"linux","config":)" +
                            config + R"(,"rootfs":{"type":"layers","diff_ids":[)" + ids + "]}}";
  const std::string manifest =
      R"({"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json",)" +
      blob(about) + R"(},"layers":[)" + parts + "]}";
  std::ofstream(folder + "/index.json")
      << R"({"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
      << blob(manifest) << R"(,"annotations":{"org.opencontainers.image.ref.name":"v1"}}]})";
  std::ofstream(folder + "/oci-layout") << R"({"imageLayoutVersion":"1.0.0"})";
}

// A layer with the host's shell and what it needs to start.
inline std::string shell_layer() {
  std::vector<TarEntry> entries = {{"bin/", '5', "", ""}, {"etc/", '5', "", ""}};
  for (const char* path : {"/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6",
                           "/lib/ld-linux-aarch64.so.1", "/lib/aarch64-linux-gnu/libc.so.6"}) {
    if (::access(path, R_OK) == 0) entries.push_back({path + 1, '0', file_text(path), ""});
  }
  entries.push_back({"bin/sh", '0', file_text("/bin/sh"), ""});
  entries.push_back({"etc/image-name", '0', "an image\n", "", 0644});
  return tar_of(entries);
}

}  // namespace fallow::runtime
