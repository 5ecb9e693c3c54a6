#include "log/folder_snapshots.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/check.h"
#include "base/file.h"
#include "log/little_endian.h"

namespace fallow::log {
namespace {

constexpr std::string_view kSnapshotMagic = "FLWSNAP1";
constexpr std::size_t kHeaderBytes = 8 + 8 + 32;  // magic, index, chain
constexpr std::size_t kTrailerBytes = 8 + 32;     // bytes of content, digest of all before
constexpr std::string_view kSuffix = ".snapshot";
constexpr std::string_view kTemporarySuffix = ".snapshot.new";
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
// Flushing hundreds of megabytes at once would make the log's own syncs wait behind them.
constexpr std::size_t kSyncEveryBytes = std::size_t{8} << 20;

std::string path_of(const std::string& folder, LogIndex index) {
  // Twenty digits, so that names sort as numbers do.
  return fmt::format("{}/{:020}{}", folder, index.value, kSuffix);
}

// The indexes that files are named after, newest first.
Result<std::vector<LogIndex>> named_indexes(const std::string& folder) {
  std::vector<LogIndex> indexes;
  std::error_code code;
  for (std::filesystem::directory_iterator it(folder, code), end; !code && it != end;
       it.increment(code)) {
    const std::string name = it->path().filename().string();
    if (name.size() != 20 + kSuffix.size() || !name.ends_with(kSuffix)) continue;
    if (!std::all_of(name.begin(), name.begin() + 20, [](char c) { return c >= '0' && c <= '9'; }))
      continue;
    indexes.emplace_back(std::strtoull(name.c_str(), nullptr, 10));
  }
  if (code == std::errc::no_such_file_or_directory) return indexes;
  if (code) return tl::unexpected(file_error("list", folder, code.value()));
  std::sort(indexes.rbegin(), indexes.rend());
  return indexes;
}

constexpr std::int64_t kKeptPerSpan = 4;

// When the file was written; 0 when that cannot be known, as of one that is gone.
Time written_at(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return Time{std::int64_t{status.st_mtim.tv_sec} * 1'000'000 + status.st_mtim.tv_nsec / 1'000};
}

// `indexes`: newest first.
void remove_old(const std::string& folder, const std::vector<LogIndex>& indexes,
                std::size_t keep_count, Duration keep_span) {
  if (indexes.size() <= keep_count) return;
  const Time newest = written_at(path_of(folder, indexes.front()));
  std::optional<Time> kept;  // the latest of the older ones that stays
  for (std::size_t i = indexes.size(); i-- > keep_count;) {
    const Time at = written_at(path_of(folder, indexes[i]));
    // Where the next one is old enough, too, this one serves nobody any more.
    const bool outlived =
        i > keep_count && newest - written_at(path_of(folder, indexes[i - 1])) >= keep_span;
    const bool stays = keep_span.value > 0 && !outlived &&
                       (!kept || (at - *kept).value >= keep_span.value / kKeptPerSpan);
    if (stays) {
      kept = at;
    } else {
      ::unlink(path_of(folder, indexes[i]).c_str());
    }
  }
}

std::string header_of(LogIndex index, const Digest& chain) {
  std::string header(kSnapshotMagic);
  put_u64(header, index.value);
  return header + to_bytes(chain);
}

struct Opened {
  Fd file;
  SnapshotInfo info;
};

// Opens the file and believes its header and size only.
Result<Opened> open_header(const std::string& folder, LogIndex index) {
  const std::string path = path_of(folder, index);
  FALLOW_ASSIGN(Fd file, open_file(path, O_RDONLY));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return tl::unexpected(file_error("read", path, errno));
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size < kHeaderBytes + kTrailerBytes) {
    return fail(ErrorCode::kCorrupt, "the snapshot {} is torn: it has only {} bytes", path, size);
  }
  std::string header(kHeaderBytes, '\0');
  FALLOW_TRY(read_at(file, header, 0, path));
  SnapshotInfo info{index, {}, size - kHeaderBytes - kTrailerBytes};
  FALLOW_ASSIGN(info.chain, digest_from_bytes(std::string_view(header).substr(16)));
  if (header != header_of(index, info.chain)) {
    return fail(ErrorCode::kCorrupt, "the snapshot {} does not begin as one of command {}", path,
                index.value);
  }
  return Opened{std::move(file), info};
}

// Reads the whole file and compares its trailer.
Status check_content(const Opened& opened, const std::string& path) {
  Digester digester;
  std::string piece;
  const std::uint64_t end = kHeaderBytes + opened.info.bytes + 8;
  std::uint64_t at = 0;
  while (at < end) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, end - at)));
    FALLOW_ASSIGN(const std::size_t n, read_at(opened.file, piece, at, path));
    if (n != piece.size()) return fail(ErrorCode::kCorrupt, "the snapshot {} is torn", path);
    digester.update(piece);
    at += n;
  }
  std::string trailer(kTrailerBytes, '\0');
  FALLOW_ASSIGN(const std::size_t n, read_at(opened.file, trailer, end - 8, path));
  const bool whole = n == trailer.size() && get_u64(trailer, 0) == opened.info.bytes;
  if (!whole || trailer.substr(8) != to_bytes(digester.finish())) {
    return fail(ErrorCode::kCorrupt, "the snapshot {} was torn or altered: its digest differs",
                path);
  }
  return {};
}

class FolderWriter final : public SnapshotWriter {
 public:
  static Result<std::unique_ptr<SnapshotWriter>> begin(const std::string& folder, LogIndex index,
                                                       const Digest& chain, std::size_t keep_count,
                                                       Duration keep_span) {
    auto writer =
        std::unique_ptr<FolderWriter>(new FolderWriter(folder, index, keep_count, keep_span));
    FALLOW_ASSIGN(writer->file_, open_file(writer->temporary_, O_WRONLY | O_CREAT | O_TRUNC));
    FALLOW_TRY(writer->put(header_of(index, chain)));
    return writer;
  }

  ~FolderWriter() override {
    if (!committed_) ::unlink(temporary_.c_str());
  }

  Status write(std::string_view piece) override {
    content_bytes_ += piece.size();
    return put(piece);
  }

  Status commit() override {
    FALLOW_CHECK(!committed_, "the snapshot of command {} was committed before", index_.value);
    std::string size;
    put_u64(size, content_bytes_);
    FALLOW_TRY(put(size));
    FALLOW_TRY(write_all(file_, to_bytes(digester_.finish()), temporary_));
    FALLOW_TRY(sync_file(file_, temporary_));
    if (::rename(temporary_.c_str(), path_of(folder_, index_).c_str()) != 0) {
      return tl::unexpected(file_error("rename", temporary_, errno));
    }
    committed_ = true;
    FALLOW_TRY(sync_folder(folder_));
    FALLOW_ASSIGN(const std::vector<LogIndex> indexes, named_indexes(folder_));
    remove_old(folder_, indexes, keep_count_, keep_span_);
    return {};
  }

 private:
  FolderWriter(const std::string& folder, LogIndex index, std::size_t keep_count,
               Duration keep_span)
      : folder_(folder),
        temporary_(fmt::format("{}/{:020}{}", folder, index.value, kTemporarySuffix)),
        index_(index),
        keep_count_(keep_count),
        keep_span_(keep_span) {}

  Status put(std::string_view bytes) {
    digester_.update(bytes);
    while (!bytes.empty()) {
      const std::string_view part = bytes.substr(0, kSyncEveryBytes - unsynced_bytes_);
      FALLOW_TRY(write_all(file_, part, temporary_));
      bytes.remove_prefix(part.size());
      unsynced_bytes_ += part.size();
      if (unsynced_bytes_ == kSyncEveryBytes) {
        FALLOW_TRY(sync_file(file_, temporary_));
        unsynced_bytes_ = 0;
      }
    }
    return {};
  }

  const std::string folder_;
  const std::string temporary_;
  const LogIndex index_;
  const std::size_t keep_count_;
  const Duration keep_span_;
  Fd file_;
  Digester digester_;
  std::uint64_t content_bytes_ = 0;
  std::size_t unsynced_bytes_ = 0;
  bool committed_ = false;
};

class FolderReader final : public SnapshotReader {
 public:
  FolderReader(Opened opened, std::string path)
      : opened_(std::move(opened)), path_(std::move(path)) {}
  const SnapshotInfo& info() const override { return opened_.info; }
  Result<std::size_t> read(std::span<char> into) override {
    const std::uint64_t left = opened_.info.bytes - at_;
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left));
    FALLOW_ASSIGN(const std::size_t n,
                  read_at(opened_.file, into.first(want), kHeaderBytes + at_, path_));
    if (n != want) return fail(ErrorCode::kCorrupt, "the snapshot {} became shorter", path_);
    at_ += n;
    return n;
  }

 private:
  Opened opened_;
  std::string path_;
  std::uint64_t at_ = 0;
};

}  // namespace

Result<std::unique_ptr<FolderSnapshots>> FolderSnapshots::open(const std::string& folder,
                                                               std::size_t keep_count,
                                                               Duration keep_span) {
  FALLOW_CHECK(keep_count > 0, "a store that keeps nothing is none");
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return tl::unexpected(file_error("make the folder", folder, errno));
  }
  std::error_code code;
  for (std::filesystem::directory_iterator it(folder, code), end; !code && it != end;
       it.increment(code)) {
    if (it->path().string().ends_with(kTemporarySuffix)) ::unlink(it->path().c_str());
  }
  if (code) return tl::unexpected(file_error("list", folder, code.value()));
  return std::unique_ptr<FolderSnapshots>(new FolderSnapshots(folder, keep_count, keep_span));
}

std::unique_ptr<FolderSnapshots> FolderSnapshots::open_to_read(const std::string& folder) {
  return std::unique_ptr<FolderSnapshots>(new FolderSnapshots(folder, 0, Duration()));
}

Result<std::unique_ptr<SnapshotWriter>> FolderSnapshots::begin(LogIndex index,
                                                               const Digest& chain) {
  if (keep_count_ == 0) {
    return fail(ErrorCode::kDenied, "the snapshots in {} are only read here", folder_);
  }
  return FolderWriter::begin(folder_, index, chain, keep_count_, keep_span_);
}

Result<std::vector<SnapshotInfo>> FolderSnapshots::list() {
  FALLOW_ASSIGN(const std::vector<LogIndex> indexes, named_indexes(folder_));
  std::vector<SnapshotInfo> infos;
  for (const LogIndex index : indexes) {
    if (const auto opened = open_header(folder_, index)) infos.push_back(opened->info);
  }
  return infos;
}

Result<OpenedSnapshot> FolderSnapshots::open_newest(LogIndex at_most) {
  FALLOW_ASSIGN(const std::vector<LogIndex> indexes, named_indexes(folder_));
  OpenedSnapshot result;
  for (const LogIndex index : indexes) {
    if (index > at_most) continue;
    const std::string path = path_of(folder_, index);
    auto opened = open_header(folder_, index);
    const Status checked = opened ? check_content(*opened, path) : tl::unexpected(opened.error());
    if (checked) {
      result.reader = std::make_unique<FolderReader>(std::move(*opened), path);
      return result;
    }
    result.skipped.push_back(checked.error().message + "; using an older one");
  }
  return result;
}

}  // namespace fallow::log
