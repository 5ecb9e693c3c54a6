#include "server/log_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <utility>

#include "base/file.h"

namespace fallow::server {
namespace {

constexpr std::string_view kCutNote = "\n[fallow: output beyond the maximum was cut off here]\n";

std::string_view name_of(v1::LogStream stream) {
  return stream == v1::STDERR ? "stderr" : "stdout";
}

// An empty file beside the stream tells that its end was reached.
std::string end_mark(const std::string& path) { return path + ".end"; }

}  // namespace

LogStore::LogStore(std::string folder, LogStoreLimits limits)
    : folder_(std::move(folder)), limits_(limits) {}

Result<std::unique_ptr<LogStore>> LogStore::open(const std::string& folder, LogStoreLimits limits) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(ErrorCode::kFailed, "cannot make the folder {} for the output of workloads: {}",
                folder, error.message());
  }
  return std::unique_ptr<LogStore>(new LogStore(folder, limits));
}

std::string LogStore::path(LeaseId lease, v1::LogStream stream) const {
  // 256 folders keep each of them small enough for every file system.
  return fmt::format("{}/{:02x}/{}.{}", folder_, lease.value / 4096 % 256, lease.value,
                     name_of(stream));
}

std::uint64_t LogStore::append(const v1::LogChunk& chunk) {
  std::uint64_t reach = 0;
  {
    const std::lock_guard lock(mutex_);
    reach = append_locked(chunk);
  }
  watchers_.notify(chunk.lease());
  return reach;
}

std::uint64_t LogStore::append_locked(const v1::LogChunk& chunk) {
  const std::string file_path = path(LeaseId(chunk.lease()), chunk.stream());
  std::error_code ignored;  // open_file below says it better
  std::filesystem::create_directories(std::filesystem::path(file_path).parent_path(), ignored);
  const auto file = open_file(file_path, O_RDWR | O_CREAT);
  if (!file) return 0;
  struct stat facts {};
  if (::fstat(file->get(), &facts) != 0) return 0;
  const auto size = static_cast<std::uint64_t>(facts.st_size);

  const std::uint64_t end = chunk.offset() + chunk.data().size();
  if (end < chunk.offset()) return size;
  if (size > limits_.stream_bytes_max) {  // the note has been written
    if (chunk.last()) (void)open_file(end_mark(file_path), O_WRONLY | O_CREAT);
    return end;
  }
  if (chunk.offset() > size) return size;  // a gap: send from `size`

  const std::uint64_t known = size - chunk.offset();
  if (known < chunk.data().size()) {
    std::string_view fresh = std::string_view(chunk.data()).substr(known);
    const std::uint64_t room = limits_.stream_bytes_max - size;
    const bool cut = fresh.size() > room;
    if (!write_all_at(*file, fresh.substr(0, room), size, file_path)) return size;
    if (cut && !write_all_at(*file, kCutNote, limits_.stream_bytes_max, file_path)) return size;
  }
  if (chunk.last()) (void)open_file(end_mark(file_path), O_WRONLY | O_CREAT);
  return std::max(size, end);
}

Result<LogStore::Piece> LogStore::read(LeaseId lease, v1::LogStream stream, std::uint64_t offset,
                                       std::size_t bytes_max) {
  const std::string file_path = path(lease, stream);
  // The mark is looked for first: whatever was written before it is then seen below.
  std::error_code ignored;
  const bool ended = std::filesystem::exists(end_mark(file_path), ignored);
  auto file = open_file(file_path, O_RDONLY);
  if (!file) {
    if (file.error().code == ErrorCode::kNotFound) return Piece{.data = {}, .complete = ended};
    return tl::unexpected(std::move(file).error());
  }
  Piece piece;
  piece.data.resize(bytes_max);
  FALLOW_ASSIGN(const std::size_t count, read_at(*file, std::span(piece.data), offset, file_path));
  piece.data.resize(count);
  piece.complete = ended && count < bytes_max;
  return piece;
}

std::unique_ptr<Subscription> LogStore::watch(LeaseId lease, std::function<void()> changed) {
  return watchers_.watch(lease.value, std::move(changed));
}

}  // namespace fallow::server
