#include "runtime/image_pull.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "runtime/image_tree.h"
#include "runtime/processes.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kIndexBytesMax = std::size_t{1} << 20;
constexpr std::size_t kBlobTextBytesMax = std::size_t{8} << 20;
// A look at a tree that is being unpacked is as rare as it is slow.
constexpr int kLookShare = 20;

std::uint64_t file_bytes(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

// Of the files that lie directly in the folder: what skopeo is writing.
std::uint64_t bytes_in(const std::string& folder_path) {
  std::uint64_t bytes = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(folder_path.c_str()), ::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    struct stat info {};
    if (::fstatat(::dirfd(folder.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(info.st_mode)) {
      bytes += static_cast<std::uint64_t>(info.st_size);
    }
  }
  return bytes;
}

std::string megabytes(std::uint64_t bytes) {
  const std::uint64_t tenths = (bytes + 50'000) / 100'000;
  return fmt::format("{}.{}", tenths / 10, tenths % 10);
}

Time monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Time{std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000};
}

Error too_large(std::uint64_t bytes_max) {
  return {ErrorCode::kTooLarge,
          fmt::format("the image needs more than what others leave of the node's {} MB for images",
                      bytes_max >> 20)};
}

}  // namespace

// What the name stands for: which manifest, and how large.
Status ImageStore::resolve(Pull& pull) const {
  const GoOn go_on = [&pull] { return !pull.cancelled; };
  const ImageName& name = pull.source.name;
  pull.progress("looking for image " + pull.source.wish.name);
  FALLOW_ASSIGN(std::string text, tools_.manifest(pull.source, "", pull.place, go_on));
  pull.hex = sha256_hex(text);
  if (!name.digest.empty() && name.digest != pull.hex) {
    return fail(ErrorCode::kInvalid, "the registry's manifest is not the one of this digest");
  }
  FALLOW_ASSIGN(pull.manifest, parse_manifest(text, machine_architecture()));
  if (name.kind != ImageKind::kRegistry) return {};
  pull.copied = pull.hex;
  if (pull.manifest.chosen.empty()) return {};
  const std::string chosen = pull.manifest.chosen;
  FALLOW_ASSIGN(text, tools_.manifest(pull.source, chosen, pull.place, go_on));
  if (sha256_hex(text) != chosen) {
    return fail(ErrorCode::kInvalid, "the registry's manifest is not the one of this digest");
  }
  FALLOW_ASSIGN(pull.manifest, parse_manifest(text, machine_architecture()));
  pull.copied = chosen;
  return {};
}

Status ImageStore::bring(Pull& pull) {
  const std::string& name = pull.source.wish.name;
  const std::string folder = options_.folder + "/pull/" + pull.place;
  bool is_over = false;
  const std::string blobs = options_.folder + "/pull/blobs/sha256/";
  const Status copied = tools_.copy(pull.source, pull.copied, pull.place, [&] {
    const std::uint64_t moving = bytes_in(folder + "/layout") + bytes_in(folder + "/var");
    std::uint64_t bytes = moving;
    for (const ImageBlob& layer : pull.manifest.layers) {
      bytes += std::min(file_bytes(blobs + layer.digest), layer.bytes);
    }
    pull.progress(fmt::format("pulling image {}: {} of {} MB", name,
                              megabytes(std::min(bytes, pull.manifest.bytes)),
                              megabytes(pull.manifest.bytes)));
    is_over = !grow(pull, moving);
    return !is_over && !pull.cancelled;
  });
  if (is_over) return tl::unexpected(too_large(options_.bytes_max));
  if (!copied) return copied;

  // umoci knows no blobs elsewhere.
  ::rmdir((folder + "/layout/blobs").c_str());
  if (::symlink("../../../blobs", (folder + "/layout/blobs").c_str()) != 0) {
    return tl::unexpected(file_error("link", folder + "/layout/blobs", errno));
  }
  pull.progress("unpacking image " + name);
  Time look_at;
  const Status unpacked = tools_.unpack(pull.place, [&] {
    const Time began = monotonic_now();
    if (began < look_at) return !pull.cancelled.load();
    const auto root = open_file(folder + "/rootfs", O_RDONLY | O_DIRECTORY);
    is_over = root && !grow(pull, disk_bytes(*root, options_.bytes_max));
    const Duration took = monotonic_now() - began;
    look_at = monotonic_now() + Duration(took.value * kLookShare);
    return !is_over && !pull.cancelled;
  });
  if (is_over) return tl::unexpected(too_large(options_.bytes_max));
  if (!unpacked) return unpacked;
  return publish(pull);
}

bool ImageStore::grow(Pull& pull, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes <= pull.tree_bytes) return true;
  const std::uint64_t more = bytes - pull.tree_bytes;
  make_room(more, pull.hex);
  const bool has_room = used_bytes() + kept_bytes() + more <= options_.bytes_max;
  // Given back at once: of two that outgrow the store together one may go on.
  pull.tree_bytes = has_room ? bytes : 0;
  return has_room;
}

Status ImageStore::publish(Pull& pull) {
  const std::string folder = options_.folder + "/pull/" + pull.place;
  const std::string blobs = options_.folder + "/pull/blobs/sha256/";
  Image image;
  FALLOW_ASSIGN(image.bytes, settle_image_tree(folder + "/rootfs", options_.bytes_max));
  if (!grow(pull, image.bytes)) return tl::unexpected(too_large(options_.bytes_max));
  FALLOW_ASSIGN(const std::string index, read_file(folder + "/layout/index.json", kIndexBytesMax));
  FALLOW_ASSIGN(const std::string hex, parse_index(index));
  FALLOW_ASSIGN(const std::string text, read_file(blobs + hex, kBlobTextBytesMax));
  FALLOW_ASSIGN(const ImageManifest manifest, parse_manifest(text, machine_architecture()));
  FALLOW_ASSIGN(const std::string config,
                read_file(blobs + manifest.config.digest, kBlobTextBytesMax));
  // Now rather than when it is to start.
  FALLOW_TRY(parse_config(config, machine_architecture()));
  image.blobs = {hex, manifest.config.digest};
  for (const ImageBlob& layer : manifest.layers) image.blobs.push_back(layer.digest);
  std::string about = fmt::format("bytes {}\n", image.bytes);
  for (const std::string& blob : image.blobs) about += "blob " + blob + "\n";

  const std::string whole = folder + "/image";
  if (::mkdir(whole.c_str(), 0700) != 0) return tl::unexpected(file_error("make", whole, errno));
  if (::rename((folder + "/rootfs").c_str(), (whole + "/rootfs").c_str()) != 0) {
    return tl::unexpected(file_error("move", folder + "/rootfs", errno));
  }
  FALLOW_TRY(replace_file(whole + "/config", config));
  FALLOW_TRY(replace_file(whole + "/about", about));
  // All of the tree is on the disk before its name is.
  FALLOW_ASSIGN(const Fd opened, open_file(whole, O_RDONLY | O_DIRECTORY));
  if (::syncfs(opened.get()) != 0) return tl::unexpected(file_error("sync", whole, errno));
  const std::lock_guard lock(mutex_);
  const std::string path = options_.folder + "/images/" + pull.hex;
  if (::rename(whole.c_str(), path.c_str()) != 0) {
    return tl::unexpected(file_error("make", path, errno));
  }
  FALLOW_TRY(sync_folder(options_.folder + "/images"));
  images_[pull.hex] = std::move(image);
  pull.tree_bytes = 0;  // counted as an image from here on
  touch(pull.hex);
  return {};
}

}  // namespace fallow::runtime
