#include "runtime/image_store.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <optional>
#include <sstream>

#include "base/digest.h"
#include "base/file.h"
#include "base/number.h"
#include "runtime/image_manifest.h"
#include "runtime/image_pull.h"
#include "runtime/image_tree.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kAboutBytesMax = std::size_t{1} << 20;
constexpr std::size_t kConfigBytesMax = std::size_t{8} << 20;
constexpr std::size_t kUseBytesMax = 128;
// What a broken-off pull had whole is kept for another try.
constexpr Duration kOrphanAgeMin = minutes(60);
constexpr auto kWaitStep = std::chrono::milliseconds(200);

Time modified_at(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Time{};
  return Time{std::int64_t{info.st_mtim.tv_sec} * 1'000'000 + info.st_mtim.tv_nsec / 1'000};
}

// "bytes 123", then "blob HEX" for each.
std::optional<std::pair<std::uint64_t, std::vector<std::string>>> parse_about(
    const std::string& text) {
  std::istringstream lines(text);
  std::string word;
  std::pair<std::uint64_t, std::vector<std::string>> about;
  if (!(lines >> word >> about.first) || word != "bytes") return std::nullopt;
  std::string hex;
  while (lines >> word >> hex) about.second.push_back(hex);
  return about;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  std::array<std::uint8_t, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                     bytes.size());
  return to_hex(std::span<const std::uint8_t>(digest));
}

ImageStore::ImageStore(ImageStoreOptions options)
    : options_(std::move(options)),
      tools_(options_.tools, options_.folder + "/pull", options_.bytes_max) {}

ImageStore::~ImageStore() = default;

Result<std::unique_ptr<ImageStore>> ImageStore::open(ImageStoreOptions options) {
  std::unique_ptr<ImageStore> store(new ImageStore(std::move(options)));
  const std::string& folder = store->options_.folder;
  for (const char* name : {"", "/images", "/uses", "/trash", "/pull", "/pull/blobs",
                           "/pull/blobs/sha256", "/pull/tmp"}) {
    FALLOW_TRY(make_folder(folder + name));
  }
  store->trash_ = std::make_unique<Trash>(folder + "/trash", std::vector<std::string>(), "");
  for (const std::string& name : names_in(folder + "/pull/tmp")) {
    store->trash_->take(folder + "/pull/tmp/" + name, "pull");
  }
  FALLOW_TRY(store->read_images());
  store->read_uses();
  store->why_not_ = store->tools_.why_not();
  const std::lock_guard lock(store->mutex_);
  store->sweep_blobs(kOrphanAgeMin);
  return store;
}

Status ImageStore::read_images() {
  for (const std::string& hex : names_in(options_.folder + "/images")) {
    const std::string path = options_.folder + "/images/" + hex;
    const auto text = read_file(path + "/about", kAboutBytesMax);
    const auto about = text ? parse_about(*text) : std::nullopt;
    if (!about || !make_image_points(path + "/rootfs")) {
      trash_->take(path, "image");
      continue;
    }
    images_[hex] = {about->first, about->second, modified_at(path + "/about")};
  }
  return {};
}

void ImageStore::read_uses() {
  for (const std::string& name : names_in(options_.folder + "/uses")) {
    const std::string path = options_.folder + "/uses/" + name;
    const auto lease = parse_number<std::uint64_t>(name);
    const auto hex = read_file(path, kUseBytesMax);
    if (!lease || !hex || !images_.contains(*hex)) {
      ::unlink(path.c_str());
      continue;
    }
    uses_[LeaseId(*lease)] = *hex;
  }
}

Result<std::string> ImageStore::fetch(LeaseId lease, const agent::ImageWish& wish,
                                      const std::atomic<bool>& cancelled,
                                      const agent::ImageProgress& progress) {
  if (!why_not_.empty()) return fail(ErrorCode::kFailed, "{}", why_not_);
  FALLOW_ASSIGN(const ImageName name, parse_image_name(wish.name));
  const bool is_remote = name.kind == ImageKind::kRegistry;
  const bool is_allowed = options_.registries.contains(name.registry);
  if (is_remote) FALLOW_TRY(check_registry(name.registry, is_allowed));
  Pull pull{{name, wish, is_allowed}, cancelled, progress, "", "", "", {}, 0};
  pull.place = "tmp/" + std::to_string(counter_++);
  const std::string place = options_.folder + "/pull/" + pull.place;
  FALLOW_TRY(make_folder(place));
  FALLOW_TRY(make_folder(place + "/var"));
  auto fetched = fetch(lease, pull);
  trash_->take(place, "pull");
  return fetched;
}

Result<std::string> ImageStore::fetch(LeaseId lease, Pull& pull) {
  FALLOW_TRY(resolve(pull));
  const auto room_until =
      std::chrono::steady_clock::now() + std::chrono::microseconds(options_.room_wait_max.value);
  std::unique_lock lock(mutex_);
  while (!images_.contains(pull.hex)) {
    if (pull.cancelled) return fail(ErrorCode::kTimedOut, "the image is not wanted any more");
    if (pulling_.contains(pull.hex)) {
      pull.progress("waiting for image " + pull.source.wish.name + ", which another lease pulls");
      changed_.wait_for(lock, kWaitStep);
      continue;
    }
    const std::uint64_t needed = missing_bytes(pull) + pull.manifest.bytes;
    make_room(needed, pull.hex);
    // What is left is in use, or of pulls under way.
    const std::uint64_t taken = used_bytes() + kept_bytes();
    if (taken + needed > options_.bytes_max) {
      const bool may_wait = std::chrono::steady_clock::now() < room_until;
      if (may_wait && !pulling_.empty() && needed <= options_.bytes_max) {
        pull.progress("waiting for room for image " + pull.source.wish.name +
                      ", beside those that other leases pull");
        changed_.wait_for(lock, kWaitStep);
        continue;
      }
      return fail(ErrorCode::kTooLarge,
                  "the image has {} MB, packed, and of the node's {} MB for images other leases "
                  "use or pull {}",
                  pull.manifest.bytes >> 20, options_.bytes_max >> 20, taken >> 20);
    }
    pull.tree_bytes = pull.manifest.bytes;
    pulling_[pull.hex] = &pull;
    lock.unlock();
    const Status brought = bring(pull);
    lock.lock();
    pulling_.erase(pull.hex);
    changed_.notify_all();
    if (!brought) return tl::unexpected(brought.error());
  }
  FALLOW_TRY(use(lease, pull.hex));
  make_room(0, pull.hex);
  return *from_hex(pull.hex);
}

Status ImageStore::use(LeaseId lease, const std::string& hex) {
  FALLOW_TRY(replace_file(options_.folder + "/uses/" + std::to_string(lease.value), hex));
  uses_[lease] = hex;
  touch(hex);
  return {};
}

void ImageStore::touch(const std::string& hex) {
  const auto found = images_.find(hex);
  if (found == images_.end()) return;
  const std::string about = options_.folder + "/images/" + hex + "/about";
  ::utimensat(AT_FDCWD, about.c_str(), nullptr, 0);
  found->second.used_at = modified_at(about);
}

Result<agent::ImageFacts> ImageStore::of(LeaseId lease) const {
  std::string hex;
  {
    const std::lock_guard lock(mutex_);
    const auto found = uses_.find(lease);
    if (found == uses_.end()) {
      return fail(ErrorCode::kNotFound, "the image of lease {} is not here", lease.value);
    }
    hex = found->second;
  }
  const std::string path = options_.folder + "/images/" + hex;
  FALLOW_ASSIGN(const std::string text, read_file(path + "/config", kConfigBytesMax));
  FALLOW_ASSIGN(agent::ImageFacts facts, parse_config(text, machine_architecture()));
  facts.root = path + "/rootfs";
  FALLOW_ASSIGN(facts.digest, from_hex(hex));
  return facts;
}

void ImageStore::release(LeaseId lease) {
  const std::lock_guard lock(mutex_);
  const auto found = uses_.find(lease);
  if (found == uses_.end()) return;
  ::unlink((options_.folder + "/uses/" + std::to_string(lease.value)).c_str());
  touch(found->second);
  uses_.erase(found);
}

std::vector<LeaseId> ImageStore::leases() const {
  const std::lock_guard lock(mutex_);
  std::vector<LeaseId> all;
  for (const auto& [lease, hex] : uses_) all.push_back(lease);
  return all;
}

std::uint64_t ImageStore::bytes_used() const {
  const std::lock_guard lock(mutex_);
  return used_bytes();
}

std::vector<std::string> ImageStore::images() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& [hex, image] : images_) all.push_back(hex);
  return all;
}

bool ImageStore::is_used(const std::string& hex) const {
  return std::any_of(uses_.begin(), uses_.end(),
                     [&hex](const auto& use) { return use.second == hex; });
}

std::uint64_t ImageStore::used_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [hex, image] : images_) bytes += image.bytes;
  const std::string folder = options_.folder + "/pull/blobs/sha256/";
  for (const std::string& hex : names_in(folder)) {
    struct stat info {};
    if (::stat((folder + hex).c_str(), &info) == 0) {
      bytes += static_cast<std::uint64_t>(info.st_size);
    }
  }
  return bytes;
}

std::uint64_t ImageStore::missing_bytes(const Pull& pull) const {
  std::uint64_t bytes = 0;
  for (const ImageBlob& layer : pull.manifest.layers) {
    struct stat info {};
    const std::string path = options_.folder + "/pull/blobs/sha256/" + layer.digest;
    const std::uint64_t here =
        ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
    bytes += layer.bytes - std::min(here, layer.bytes);
  }
  return bytes;
}

std::uint64_t ImageStore::kept_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [hex, pull] : pulling_) bytes += missing_bytes(*pull) + pull->tree_bytes;
  return bytes;
}

void ImageStore::make_room(std::uint64_t bytes, const std::string& spared) {
  while (used_bytes() + kept_bytes() + bytes > options_.bytes_max) {
    auto oldest = images_.end();
    for (auto it = images_.begin(); it != images_.end(); ++it) {
      if (it->first == spared || is_used(it->first)) continue;
      if (oldest == images_.end() || it->second.used_at < oldest->second.used_at) oldest = it;
    }
    if (oldest == images_.end()) break;
    trash_->take(options_.folder + "/images/" + oldest->first, "image");
    images_.erase(oldest);
    sweep_blobs(kOrphanAgeMin);
  }
  if (used_bytes() + kept_bytes() + bytes > options_.bytes_max) sweep_blobs(Duration());
}

// Those of no image: an evicted one's go at once, those of broken-off pulls later.
void ImageStore::sweep_blobs(Duration age_min) {
  if (!pulling_.empty()) return;
  std::set<std::string> wanted;
  for (const auto& [hex, image] : images_) wanted.insert(image.blobs.begin(), image.blobs.end());
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const Time before = Time{std::int64_t{now.tv_sec} * 1'000'000} - age_min;
  const std::string folder = options_.folder + "/pull/blobs/sha256/";
  for (const std::string& hex : names_in(folder)) {
    const std::string path = folder + hex;
    if (!wanted.contains(hex) && modified_at(path) <= before) ::unlink(path.c_str());
  }
}

}  // namespace fallow::runtime
