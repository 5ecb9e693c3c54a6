// ImageStore: agent::Images on this machine's disk.
//
// An image is known by the SHA-256 of its manifest, lies unpacked and read-only for all leases that
// use it, and is shared by them. Its compressed layers are kept, too: another image with the same
// ones does not fetch them again, and a pull that was broken off goes on behind the last whole one.
// What no lease uses gives way, the longest unused first, when the store passes its size. Pulls
// under way keep their room free from each other: what is still to come of their layers, and their
// tree as it grows.
//
//   FOLDER/images/<digest>/rootfs    the unpacked tree
//   FOLDER/images/<digest>/config    the image's own configuration, as it came
//   FOLDER/images/<digest>/about     its size and its blobs; its time is that of the last use
//   FOLDER/uses/<lease>              the digest of the image that the lease uses
//   FOLDER/pull/blobs/sha256/<digest>   layers and manifests, checked when they were written
//   FOLDER/pull/tmp/                 pulls under way; nothing there outlives the agent
//   FOLDER/trash/                    what is being removed
//
// An image appears by one rename, after everything of it is on the disk: killed at any moment the
// store holds whole images and nothing that could be taken for one. An image in the store does not
// open it: the registry is asked for the manifest each time, with the lease's own login.
//
// One store at a time per folder (the agent's lock sees to that). Methods from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "agent/images.h"
#include "runtime/image_tools.h"
#include "runtime/trash.h"

namespace fallow::runtime {

struct ImageStoreOptions {
  // Absolute. Readable by the agent's user only.
  std::string folder;
  std::uint64_t bytes_max = std::uint64_t{50} << 30;  // of images and layers together
  // "127.0.0.1:5000", "registry.lan": may be at any address, and may speak plain HTTP.
  std::set<std::string> registries;
  // How long a pull waits for the room that others keep.
  Duration room_wait_max = minutes(10);
  ImageToolPaths tools;
};

class ImageStore final : public agent::Images {
 public:
  // Removes what broken-off pulls left. A machine without the tools has a store, too: why_not()
  // then says what is missing.
  static Result<std::unique_ptr<ImageStore>> open(ImageStoreOptions options);
  ~ImageStore() override;

  std::string why_not() const override { return why_not_; }
  Result<std::string> fetch(LeaseId lease, const agent::ImageWish& wish,
                            const std::atomic<bool>& cancelled,
                            const agent::ImageProgress& progress) override;
  Result<agent::ImageFacts> of(LeaseId lease) const override;
  void release(LeaseId lease) override;
  std::vector<LeaseId> leases() const override;

  // Of images and layers.
  std::uint64_t bytes_used() const;
  // Digests in hex.
  std::vector<std::string> images() const;

 private:
  struct Image {
    std::uint64_t bytes = 0;
    std::vector<std::string> blobs;  // hex
    Time used_at;
  };
  struct Pull;

  explicit ImageStore(ImageStoreOptions options);
  Status read_images();
  void read_uses();
  Result<std::string> fetch(LeaseId lease, Pull& pull);
  // Without the mutex: runtime/image_pull.cc.
  Status resolve(Pull& pull) const;
  Status bring(Pull& pull);
  Status publish(Pull& pull);
  // Keeps room for a tree of so many bytes. False: there is none, and what was kept is given back.
  bool grow(Pull& pull, std::uint64_t bytes);
  // With the mutex, from here on.
  Status use(LeaseId lease, const std::string& hex);
  void touch(const std::string& hex);
  bool is_used(const std::string& hex) const;
  std::uint64_t used_bytes() const;
  // What is still to come of a pull's layers; and what all pulls under way may still take.
  std::uint64_t missing_bytes(const Pull& pull) const;
  std::uint64_t kept_bytes() const;
  // Evicts until `bytes` more have room, or nothing is left that no lease uses.
  void make_room(std::uint64_t bytes, const std::string& spared);
  void sweep_blobs(Duration age_min);

  const ImageStoreOptions options_;
  const ImageTools tools_;
  std::string why_not_;
  std::unique_ptr<Trash> trash_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Image> images_;  // by digest in hex
  std::map<LeaseId, std::string> uses_;
  std::map<std::string, const Pull*> pulling_;  // by digest; one thread each
  std::atomic<std::uint64_t> counter_ = 0;
};

// The manifest's digest as the world knows it: SHA-256, in hex.
std::string sha256_hex(std::string_view bytes);

}  // namespace fallow::runtime
