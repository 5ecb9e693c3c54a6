#include "artifacts/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

namespace fallow::artifacts {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return tl::unexpected(file_error("make the folder", path, errno));
}

Time stored_at(const struct stat& status) {
  return Time{std::int64_t{status.st_mtim.tv_sec} * 1'000'000 + status.st_mtim.tv_nsec / 1'000};
}

// Calls visit(digest, path) for every blob below `blobs`; names that are none are passed over.
Status for_each_blob(const std::string& blobs,
                     const std::function<void(const Digest&, const std::string&)>& visit) {
  std::error_code code;
  for (std::filesystem::recursive_directory_iterator it(blobs, code), end; !code && it != end;
       it.increment(code)) {
    if (it.depth() != 2) continue;
    const auto digest = digest_from_hex(it->path().filename().string());
    if (digest) visit(*digest, it->path().string());
  }
  if (code) return tl::unexpected(file_error("list", blobs, code.value()));
  return {};
}

Error not_stored(const Digest& digest) {
  return Error{ErrorCode::kNotFound,
               fmt::format("the artifact {} is not stored here; upload it first", to_hex(digest))};
}

}  // namespace

Result<std::size_t> Blob::read(std::uint64_t offset, std::span<char> into) const {
  return read_at(file_, into, offset, "an artifact");
}

// Guarded by `mutex`, which may be held while uploads_mutex_ is taken, never the other way round.
// `path` and `size` do not change.
struct BlobStore::Upload {
  std::mutex mutex;
  Fd file;
  std::string path;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
  Digester digester;
  bool ended = false;

  ~Upload() {
    if (file) ::unlink(path.c_str());
  }
};

BlobStore::~BlobStore() = default;

Result<std::unique_ptr<BlobStore>> BlobStore::open(const std::string& folder,
                                                   const StoreLimits& limits) {
  auto store = std::unique_ptr<BlobStore>(new BlobStore(folder, limits));
  FALLOW_TRY(make_folder(folder));
  FALLOW_TRY(make_folder(folder + "/blobs"));
  FALLOW_TRY(make_folder(folder + "/uploads"));
  FALLOW_TRY(store->count_and_clean());
  return store;
}

Status BlobStore::count_and_clean() {
  std::error_code code;
  for (std::filesystem::directory_iterator it(folder_ + "/uploads", code), end; !code && it != end;
       it.increment(code)) {
    ::unlink(it->path().c_str());
  }
  if (code) return tl::unexpected(file_error("list", folder_ + "/uploads", code.value()));
  return for_each_blob(folder_ + "/blobs", [this](const Digest&, const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
      bytes_used_ += static_cast<std::uint64_t>(status.st_size);
    }
  });
}

std::string BlobStore::path_of(const Digest& digest) const {
  const std::string hex = to_hex(digest);
  return fmt::format("{}/blobs/{}/{}/{}", folder_, hex.substr(0, 2), hex.substr(2, 2), hex);
}

Status BlobStore::reserve(std::uint64_t bytes) {
  std::uint64_t used = bytes_used_.load();
  do {
    if (used > limits_.bytes_max || bytes > limits_.bytes_max - used) {
      return fail(ErrorCode::kTooLarge,
                  "the artifact store is full: {} of {} bytes are used and {} more are asked for; "
                  "remove artifacts that are no longer needed or raise the store's limit",
                  used, limits_.bytes_max, bytes);
    }
  } while (!bytes_used_.compare_exchange_weak(used, used + bytes));
  return {};
}

bool BlobStore::refresh(const Digest& digest) {
  const std::lock_guard lock(names_);
  // Where times cannot be set, being there is what counts.
  return ::utimensat(AT_FDCWD, path_of(digest).c_str(), nullptr, 0) == 0 || has(digest);
}

Result<Digest> BlobStore::put(std::string_view bytes) {
  const Digest digest = digest_of(bytes);
  if (refresh(digest)) return digest;
  if (bytes.size() > limits_.blob_bytes_max) {
    return fail(ErrorCode::kTooLarge, "an artifact of {} bytes is beyond the maximum of {}",
                bytes.size(), limits_.blob_bytes_max);
  }
  FALLOW_TRY(reserve(bytes.size()));
  Upload upload;
  upload.path = fmt::format("{}/uploads/{}", folder_, next_temporary_++);
  auto file = open_file(upload.path, O_WRONLY | O_CREAT | O_EXCL);
  if (!file) {
    release(bytes.size());
    return tl::unexpected(file.error());
  }
  upload.file = std::move(*file);
  upload.offset = bytes.size();
  Status done = write_all(upload.file, bytes, upload.path);
  if (done) done = publish(digest, upload);
  if (!done) {
    if (upload.file) release(bytes.size());  // not given its name
    return tl::unexpected(done.error());
  }
  return digest;
}

Result<std::uint64_t> BlobStore::begin(const UploadKey& key, std::uint64_t size) {
  if (size > limits_.blob_bytes_max) {
    return fail(ErrorCode::kTooLarge, "an artifact of {} bytes is beyond the maximum of {}", size,
                limits_.blob_bytes_max);
  }
  if (size == 0) {
    if (refresh(key.digest)) return 0;
    if (key.digest != digest_of(std::string_view())) {
      return fail(ErrorCode::kCorrupt, "{} is not the digest of no bytes", to_hex(key.digest));
    }
    FALLOW_TRY(put(""));
    return 0;
  }

  for (;;) {
    if (refresh(key.digest)) {
      abandon(key);  // another uploader was faster
      return size;
    }
    FALLOW_ASSIGN(const std::shared_ptr<Upload> upload, find_or_begin(key, size));
    if (upload == nullptr) continue;
    const std::lock_guard lock(upload->mutex);
    if (upload->ended) continue;  // completed or failed meanwhile: it is no longer in the map
    if (upload->size != size) {
      return fail(ErrorCode::kInvalid, "the upload of {} was begun with {} bytes, now it is {}",
                  to_hex(key.digest), upload->size, size);
    }
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
  // Said now, before the sender spends its line; append() decides.
  FALLOW_TRY(reserve(size));
  release(size);
  auto upload = std::make_shared<Upload>();
  upload->path = fmt::format("{}/uploads/{}", folder_, next_temporary_++);
  FALLOW_ASSIGN(upload->file, open_file(upload->path, O_WRONLY | O_CREAT | O_EXCL));
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
  FALLOW_TRY(reserve(bytes.size()));
  if (const Status written = write_all_at(upload->file, bytes, offset, upload->path); !written) {
    release(bytes.size());
    return tl::unexpected(written.error());
  }
  upload->digester.update(bytes);
  upload->offset += bytes.size();
  if (upload->offset < upload->size) return upload->offset;

  Status done = publish_checked(key.digest, *upload);
  end(key, *upload);
  if (!done) {
    if (upload->file) release(upload->size);
    return tl::unexpected(done.error());
  }
  return upload->size;
}

Status BlobStore::publish_checked(const Digest& digest, Upload& upload) {
  const Digest found = upload.digester.finish();
  if (found != digest) {
    return fail(ErrorCode::kCorrupt,
                "the uploaded bytes have the digest {}, not {}; upload them again from the start",
                to_hex(found), to_hex(digest));
  }
  return publish(digest, upload);
}

Status BlobStore::publish(const Digest& digest, Upload& upload) {
  FALLOW_TRY(sync_file(upload.file, upload.path));
  const std::string path = path_of(digest);
  const std::string folder = path.substr(0, path.rfind('/'));
  const std::string above = folder.substr(0, folder.rfind('/'));
  FALLOW_TRY(make_folder(above));
  FALLOW_TRY(make_folder(folder));
  {
    const std::lock_guard lock(names_);
    if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0) {
      release(upload.offset);  // somebody else stored the same meanwhile; this copy goes
      return {};
    }
    if (::rename(upload.path.c_str(), path.c_str()) != 0) {
      return tl::unexpected(file_error("store", path, errno));
    }
    upload.file.reset();
  }
  FALLOW_TRY(sync_folder(folder));
  FALLOW_TRY(sync_folder(above));
  return sync_folder(folder_ + "/blobs");
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
  end(key, *upload);
}

bool BlobStore::has(const Digest& digest) const {
  return ::access(path_of(digest).c_str(), F_OK) == 0;
}

Result<Blob> BlobStore::get(const Digest& digest) const {
  auto file = open_file(path_of(digest), O_RDONLY | O_NOFOLLOW);
  if (!file) {
    if (file.error().code == ErrorCode::kNotFound) return tl::unexpected(not_stored(digest));
    return tl::unexpected(file.error());
  }
  struct stat status {};
  if (::fstat(file->get(), &status) != 0) {
    return tl::unexpected(file_error("read", path_of(digest), errno));
  }
  return Blob(std::move(*file), static_cast<std::uint64_t>(status.st_size));
}

Result<std::string> BlobStore::get_whole(const Digest& digest, std::size_t bytes_max) const {
  FALLOW_ASSIGN(const Blob blob, get(digest));
  if (blob.size() > bytes_max) {
    return fail(ErrorCode::kTooLarge, "the artifact {} has {} bytes, more than {}", to_hex(digest),
                blob.size(), bytes_max);
  }
  std::string bytes(static_cast<std::size_t>(blob.size()), '\0');
  FALLOW_ASSIGN(const std::size_t n, blob.read(0, bytes));
  bytes.resize(n);
  if (digest_of(bytes) != digest) {
    return fail(ErrorCode::kCorrupt, "the stored artifact {} was altered; upload it again",
                to_hex(digest));
  }
  return bytes;
}

Status BlobStore::check(const Digest& digest) {
  FALLOW_ASSIGN(const Blob blob, get(digest));
  Digester digester;
  std::string piece(kPieceBytes, '\0');
  for (std::uint64_t at = 0;;) {
    FALLOW_ASSIGN(const std::size_t n, blob.read(at, piece));
    if (n == 0) break;
    digester.update(std::string_view(piece).substr(0, n));
    at += n;
  }
  if (digester.finish() == digest) return {};
  (void)remove(digest);  // already gone is as good
  return fail(ErrorCode::kCorrupt,
              "the stored artifact {} was altered and is removed; upload it "
              "again",
              to_hex(digest));
}

Status BlobStore::remove(const Digest& digest) {
  const std::lock_guard lock(names_);
  return remove_locked(digest);
}

Status BlobStore::remove_locked(const Digest& digest) {
  const std::string path = path_of(digest);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || ::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return tl::unexpected(not_stored(digest));
    return tl::unexpected(file_error("remove", path, errno));
  }
  release(static_cast<std::uint64_t>(status.st_size));
  return {};
}

Result<BlobStore::Swept> BlobStore::sweep(const std::function<bool(const Digest&)>& keep,
                                          Time stored_before) {
  Swept swept;
  std::vector<Digest> unwanted;
  FALLOW_TRY(for_each_blob(folder_ + "/blobs", [&](const Digest& digest, const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || stored_at(status) >= stored_before) return;
    if (!keep(digest)) unwanted.push_back(digest);
  }));
  for (const Digest& digest : unwanted) {
    const std::lock_guard lock(names_);
    struct stat status {};
    // Stored anew while we looked: somebody is about to name it.
    if (::stat(path_of(digest).c_str(), &status) != 0 || stored_at(status) >= stored_before) {
      continue;
    }
    FALLOW_TRY(remove_locked(digest));
    ++swept.blobs;
    swept.bytes += static_cast<std::uint64_t>(status.st_size);
  }

  std::vector<UploadKey> idle;
  {
    const std::lock_guard lock(uploads_mutex_);
    for (const auto& [key, upload] : uploads_) {
      struct stat status {};
      if (::stat(upload->path.c_str(), &status) == 0 && stored_at(status) < stored_before) {
        idle.push_back(key);
      }
    }
  }
  for (const UploadKey& key : idle) abandon(key);
  swept.uploads = idle.size();
  return swept;
}

}  // namespace fallow::artifacts
