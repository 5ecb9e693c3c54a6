// Uploads in pieces, over as many connections and lives of the store as it takes.
#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "artifacts/store.h"
#include "artifacts/upload.h"
#include "base/env.h"
#include "base/number.h"

namespace fallow::artifacts {
namespace {

struct UploadName {
  UploadKey key;
  std::uint64_t size = 0;
};

// DIGEST-UPLOADER-SIZE; nothing for a temporary or a stranger's file.
std::optional<UploadName> parse_upload_name(std::string_view name) {
  const std::size_t first = name.find('-');
  const std::size_t second = name.find('-', first == name.npos ? first : first + 1);
  if (second == name.npos) return std::nullopt;
  const auto digest = digest_from_hex(name.substr(0, first));
  const auto uploader = parse_number<std::uint64_t>(name.substr(first + 1, second - first - 1));
  const auto size = parse_number<std::uint64_t>(name.substr(second + 1));
  if (!digest || !uploader || !size) return std::nullopt;
  return UploadName{{*digest, *uploader}, *size};
}

}  // namespace

Status BlobStore::take_up_uploads() {
  std::error_code code;
  for (std::filesystem::directory_iterator it(folder_ + "/uploads", code), end; !code && it != end;
       it.increment(code)) {
    const std::string path = it->path().string();
    const auto name = parse_upload_name(it->path().filename().string());
    struct stat status {};
    const bool fits = name && ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
                      static_cast<std::uint64_t>(status.st_size) <= name->size &&
                      name->size <= limits_.blob_bytes_max &&
                      uploads_.size() < limits_.uploads_max && !uploads_.contains(name->key);
    if (!fits) {
      ::unlink(path.c_str());
      continue;
    }
    auto upload = std::make_shared<Upload>();
    upload->path = path;
    upload->size = name->size;
    upload->offset = static_cast<std::uint64_t>(status.st_size);
    bytes_used_ += upload->offset;
    uploads_[name->key] = std::move(upload);
  }
  if (code) return tl::unexpected(file_error("list", folder_ + "/uploads", code.value()));
  return {};
}

std::string BlobStore::path_of(const UploadKey& key, std::uint64_t size) const {
  return fmt::format("{}/uploads/{}-{}-{}", folder_, to_hex(key.digest), key.uploader, size);
}

Result<std::uint64_t> BlobStore::begin(const UploadKey& key, std::uint64_t size) {
  if (size > limits_.blob_bytes_max) {
    return fail(ErrorCode::kTooLarge, "an artifact of {} bytes is beyond the maximum of {}", size,
                limits_.blob_bytes_max);
  }
  if (size == 0) {
    if (touch(key.digest)) return 0;
    if (key.digest != digest_of(std::string_view())) {
      return fail(ErrorCode::kCorrupt, "{} is not the digest of no bytes", to_hex(key.digest));
    }
    FALLOW_TRY(put(""));
    return 0;
  }

  for (;;) {
    if (touch(key.digest)) {
      abandon(key);  // another uploader was faster
      return size;
    }
    const auto found = find_or_begin(key, size);
    if (!found && found.error().code == ErrorCode::kBusy && abandon_idlest(key.uploader)) continue;
    FALLOW_ASSIGN(const std::shared_ptr<Upload> upload, found);
    if (upload == nullptr) continue;
    const std::lock_guard lock(upload->mutex);
    if (upload->ended) continue;  // completed or failed meanwhile: it is no longer in the map
    if (upload->size != size) {
      return fail(ErrorCode::kInvalid, "the upload of {} was begun with {} bytes, now it is {}",
                  to_hex(key.digest), upload->size, size);
    }
    if (upload->offset == size) {  // all of it came before a crash, but it got no name
      if (const Status done = finish(key, *upload); !done) {
        return tl::unexpected(without_room(done.error()));
      }
      return size;
    }
    ::utimensat(AT_FDCWD, upload->path.c_str(), nullptr, 0);  // not idle
    return upload->offset;
  }
}

Result<std::shared_ptr<BlobStore::Upload>> BlobStore::find_or_begin(const UploadKey& key,
                                                                    std::uint64_t size) {
  const std::lock_guard lock(uploads_mutex_);
  const auto found = uploads_.find(key);
  if (found != uploads_.end()) return found->second;
  // An upload leaves the map after its blob has its name, so this look cannot come too early.
  if (has(key.digest)) return nullptr;
  if (uploads_.size() >= limits_.uploads_max) {
    return fail(ErrorCode::kBusy, "{} uploads are under way, the maximum; try again later",
                uploads_.size());
  }
  const auto own = std::count_if(uploads_.begin(), uploads_.end(), [&](const auto& other) {
    return other.first.uploader == key.uploader;
  });
  if (static_cast<std::size_t>(own) >= limits_.uploads_per_uploader_max) {
    return fail(ErrorCode::kBusy,
                "{} of your uploads are unfinished, the maximum; finish some of them first", own);
  }
  // Said now, before the sender spends its line; append() decides.
  FALLOW_TRY(reserve(size));
  release(size);
  auto upload = std::make_shared<Upload>();
  upload->path = path_of(key, size);
  auto file = open_file(upload->path, O_RDWR | O_CREAT | O_TRUNC);
  if (!file) return tl::unexpected(without_room(file.error()));
  upload->file = std::move(*file);
  upload->size = size;
  uploads_[key] = upload;
  return upload;
}

std::shared_ptr<BlobStore::Upload> BlobStore::find(const UploadKey& key) {
  const std::lock_guard lock(uploads_mutex_);
  const auto found = uploads_.find(key);
  return found == uploads_.end() ? nullptr : found->second;
}

Result<std::uint64_t> BlobStore::append(const UploadKey& key, std::uint64_t offset,
                                        std::string_view bytes) {
  const std::shared_ptr<Upload> upload = find(key);
  const auto none = [&] {
    return fail(ErrorCode::kNotFound, "no upload of {} is under way; begin it again",
                to_hex(key.digest));
  };
  if (upload == nullptr) return none();

  const std::lock_guard lock(upload->mutex);
  if (upload->ended) return none();
  if (offset != upload->offset) {
    return fail(ErrorCode::kInvalid, "the upload of {} goes on at {}, not at {}",
                to_hex(key.digest), upload->offset, offset);
  }
  if (bytes.size() > upload->size - offset) {
    return fail(ErrorCode::kInvalid, "the upload of {} has {} bytes, this piece ends at {}",
                to_hex(key.digest), upload->size, offset + bytes.size());
  }
  FALLOW_TRY(upload->open());
  FALLOW_TRY(reserve(bytes.size()));
  if (const Status written = write_all_at(upload->file, bytes, offset, upload->path); !written) {
    release(bytes.size());
    return tl::unexpected(without_room(written.error()));
  }
  if (upload->digested == offset) {
    upload->digester.update(bytes);
    upload->digested += bytes.size();
  }
  upload->offset += bytes.size();
  if (upload->offset < upload->size) return upload->offset;
  if (const Status done = finish(key, *upload); !done) {
    return tl::unexpected(without_room(done.error()));
  }
  return upload->size;
}

Status BlobStore::finish(const UploadKey& key, Upload& upload) {
  const Status done = publish_checked(key.digest, upload);
  // All bytes are there: what kept them from their name may pass, and then they need not come
  // again.
  const bool is_lost = upload.unsure || (!done && done.error().code == ErrorCode::kCorrupt);
  if (!done && !upload.named && !is_lost) return done;
  if (!done && !upload.named) {
    release(upload.offset);
    upload.remove();
  }
  end(key, upload);
  return done;
}

Status BlobStore::publish_checked(const Digest& digest, Upload& upload) {
  FALLOW_TRY(upload.open());
  FALLOW_TRY(upload.catch_up());
  const Digest found = upload.digest();
  if (found != digest) {
    return fail(ErrorCode::kCorrupt,
                "the uploaded bytes have the digest {}, not {}; upload them again from the start",
                to_hex(found), to_hex(digest));
  }
  return publish(digest, upload);
}

void BlobStore::end(const UploadKey& key, Upload& upload) {
  upload.ended = true;
  const std::lock_guard lock(uploads_mutex_);
  uploads_.erase(key);
}

void BlobStore::abandon(const UploadKey& key) {
  const std::shared_ptr<Upload> upload = find(key);
  if (upload == nullptr) return;
  const std::lock_guard lock(upload->mutex);
  if (upload->ended) return;
  release(upload->offset);
  upload->remove();
  end(key, *upload);
}

std::size_t BlobStore::uploads() const {
  const std::lock_guard lock(uploads_mutex_);
  return uploads_.size();
}

bool BlobStore::abandon_if_idle(const UploadKey& key, Upload& upload, Time before) {
  const std::lock_guard lock(upload.mutex);  // a piece that is under way comes first
  struct stat status {};
  if (upload.ended) return false;
  if (::stat(upload.path.c_str(), &status) == 0 && stored_at(status) >= before) return false;
  release(upload.offset);
  upload.remove();
  end(key, upload);
  return true;
}

bool BlobStore::abandon_idlest(std::uint64_t uploader) {
  const Time before = system_clock()->now() - limits_.upload_idle_min;  // as the file system's
  std::vector<std::pair<Time, UploadKey>> idle;
  {
    const std::lock_guard lock(uploads_mutex_);
    for (const auto& [key, upload] : uploads_) {
      struct stat status {};
      if (key.uploader != uploader || ::stat(upload->path.c_str(), &status) != 0) continue;
      if (stored_at(status) < before) idle.emplace_back(stored_at(status), key);
    }
  }
  std::sort(idle.begin(), idle.end());
  return std::any_of(idle.begin(), idle.end(), [&](const auto& one) {
    const std::shared_ptr<Upload> upload = find(one.second);
    return upload != nullptr && abandon_if_idle(one.second, *upload, before);
  });
}

std::size_t BlobStore::abandon_idle(Time before) {
  std::vector<std::pair<UploadKey, std::shared_ptr<Upload>>> uploads;
  {
    const std::lock_guard lock(uploads_mutex_);
    uploads.assign(uploads_.begin(), uploads_.end());
  }
  std::size_t abandoned = 0;
  for (const auto& [key, upload] : uploads) {
    if (abandon_if_idle(key, *upload, before)) ++abandoned;
  }
  return abandoned;
}

}  // namespace fallow::artifacts
