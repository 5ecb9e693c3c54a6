#include "artifacts/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "artifacts/upload.h"

namespace fallow::artifacts {
namespace {

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

// A blob's folder is named by its digest's first two bytes.
std::uint16_t folder_of(const Digest& digest) {
  return static_cast<std::uint16_t>(unsigned{digest[0]} << 8U | digest[1]);
}

Error not_stored(const Digest& digest) {
  return Error{ErrorCode::kNotFound,
               fmt::format("the artifact {} is not stored here; upload it first", to_hex(digest))};
}

}  // namespace

Result<std::size_t> Blob::read(std::uint64_t offset, std::span<char> into) const {
  return read_at(file_, into, offset, "an artifact");
}

BlobStore::~BlobStore() = default;

Result<std::unique_ptr<BlobStore>> BlobStore::open(const std::string& folder,
                                                   const StoreLimits& limits) {
  auto store = std::unique_ptr<BlobStore>(new BlobStore(folder, limits));
  FALLOW_TRY(make_folder(folder));
  FALLOW_TRY(make_folder(folder + "/blobs"));
  FALLOW_TRY(make_folder(folder + "/uploads"));
  FALLOW_TRY(store->count_blobs());
  FALLOW_TRY(store->take_up_uploads());
  return store;
}

Status BlobStore::count_blobs() {
  return visit([this](const Stored& blob) { bytes_used_ += blob.size; });
}

std::string BlobStore::path_of(const Digest& digest) const {
  const std::string hex = to_hex(digest);
  return fmt::format("{}/blobs/{}/{}/{}", folder_, hex.substr(0, 2), hex.substr(2, 2), hex);
}

Status BlobStore::reserve(std::uint64_t bytes) {
  std::uint64_t used = bytes_used_.load();
  do {
    if (used > limits_.bytes_max || bytes > limits_.bytes_max - used) {
      return fail(ErrorCode::kFull,
                  "the artifact store is full: {} of {} bytes are used and {} more are asked for; "
                  "what nothing refers to is swept in time, or its operator raises the limit",
                  used, limits_.bytes_max, bytes);
    }
  } while (!bytes_used_.compare_exchange_weak(used, used + bytes));
  return {};
}

bool BlobStore::touch(const Digest& digest) {
  const std::lock_guard lock(names_);
  // Where times cannot be set, being there is what counts.
  return ::utimensat(AT_FDCWD, path_of(digest).c_str(), nullptr, 0) == 0 || has(digest);
}

Result<Digest> BlobStore::put(std::string_view bytes) {
  const Digest digest = digest_of(bytes);
  if (touch(digest)) return digest;
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
    return tl::unexpected(without_room(file.error()));
  }
  upload.file = std::move(*file);
  upload.offset = bytes.size();
  Status done = write_all(upload.file, bytes, upload.path);
  if (done) done = publish(digest, upload);
  if (!done) {
    if (!upload.named) {
      release(bytes.size());
      upload.remove();
    }
    return tl::unexpected(without_room(done.error()));
  }
  return digest;
}

Status BlobStore::publish(const Digest& digest, Upload& upload) {
  // It is stored now, however long ago its last piece came: no sweep may take it before it is
  // named.
  if (::futimens(upload.file.get(), nullptr) != 0) {
    return tl::unexpected(file_error("store", upload.path, errno));
  }
  if (Status synced = sync_file(upload.file, upload.path); !synced) {
    upload.unsure = true;
    return synced;
  }
  const std::string path = path_of(digest);
  const std::string folder = path.substr(0, path.rfind('/'));
  const std::string above = folder.substr(0, folder.rfind('/'));
  FALLOW_TRY(make_folder(above));
  FALLOW_TRY(make_folder(folder));
  {
    const std::lock_guard lock(names_);
    if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0) {
      release(upload.offset);  // somebody else stored the same meanwhile; this copy goes
      upload.remove();
      return {};
    }
    if (::rename(upload.path.c_str(), path.c_str()) != 0) {
      return tl::unexpected(file_error("store", path, errno));
    }
    upload.named = true;
  }
  FALLOW_TRY(sync_folder(folder));
  FALLOW_TRY(sync_folder(above));
  return sync_folder(folder_ + "/blobs");
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
  std::string piece(kStorePieceBytes, '\0');
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
  lost_names_.insert(folder_of(digest));
  return {};
}

Status BlobStore::visit(const std::function<void(const Stored&)>& each) const {
  return for_each_blob(folder_ + "/blobs", [&](const Digest& digest, const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return;
    each({digest, static_cast<std::uint64_t>(status.st_size), stored_at(status)});
  });
}

Result<std::optional<std::uint64_t>> BlobStore::remove_stored_before(const Digest& digest,
                                                                     Time before) {
  const std::lock_guard lock(names_);
  struct stat status {};
  if (::stat(path_of(digest).c_str(), &status) != 0 || stored_at(status) >= before) {
    return std::nullopt;
  }
  FALLOW_TRY(remove_locked(digest));
  return static_cast<std::uint64_t>(status.st_size);
}

bool BlobStore::let_go(const Digest& digest, Time before) {
  const std::lock_guard lock(names_);
  const std::string path = path_of(digest);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || stored_at(status) >= before) return false;
  const timespec long_ago[2] = {{0, UTIME_OMIT}, {1, 0}};
  return ::utimensat(AT_FDCWD, path.c_str(), long_ago, 0) == 0;
}

Status BlobStore::sync_removals() {
  std::set<std::uint16_t> folders;
  {
    const std::lock_guard lock(names_);
    folders.swap(lost_names_);
  }
  Status done;
  while (done && !folders.empty()) {
    const unsigned folder = *folders.begin();
    done =
        sync_folder(fmt::format("{}/blobs/{:02x}/{:02x}", folder_, folder >> 8U, folder & 0xffU));
    if (done) folders.erase(folders.begin());
  }
  if (!done) {
    const std::lock_guard lock(names_);
    lost_names_.merge(folders);
  }
  return done;
}

}  // namespace fallow::artifacts
