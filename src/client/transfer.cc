#include "client/transfer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>
#include <utility>

#include "base/file.h"
#include "client/attempts.h"

namespace fallow::client {
namespace {

constexpr std::size_t kScanBytes = std::size_t{256} << 10;

Status check_cancelled(const TransferRules& rules) {
  if (rules.cancelled != nullptr && rules.cancelled->load()) {
    return fail(ErrorCode::kTimedOut, "the transfer was cancelled");
  }
  if (rules.until && std::chrono::steady_clock::now() >= *rules.until) {
    return fail(ErrorCode::kTimedOut, "the transfer took too long");
  }
  return {};
}

std::chrono::steady_clock::time_point end_of(const TransferRules::Pace& pace, std::uint64_t bytes) {
  return pace.from + std::chrono::seconds(bytes / pace.bytes_per_s);
}

// The market is away, or busy.
bool is_passing(const ApiError& error) {
  return error.kind == ApiError::Kind::kUnreachable ||
         (error.kind == ApiError::Kind::kRefused &&
          may_come_later(static_cast<int>(error.problem.status())));
}

// What one upload asks and sends, over as many connections as it takes. A market that is not there
// at its beginning is told of at once.
class Sender {
 public:
  // Both outlive it.
  Sender(Api& api, const TransferRules& rules) : api_(api), rules_(rules) {}

  ApiResult<bool> has(const Digest& digest) {
    return keep_trying<bool>([&] { return api_.has_blob(to_hex(digest)); });
  }
  ApiResult<void> put(const Digest& digest, std::uint64_t bytes, const Api::BlobSource& source) {
    std::uint64_t reached = 0;
    const Api::BlobSource watched = [&](std::uint64_t offset,
                                        std::span<char> into) -> Result<std::size_t> {
      FALLOW_TRY(check_cancelled(rules_));
      // Never twice for the same bytes: that they are lost on their way, every time, is no
      // progress.
      if (offset > reached) {
        reached = offset;
        patience_.heard();
      }
      return source(offset, into);
    };
    return keep_trying<void>([&] { return api_.put_blob(to_hex(digest), bytes, watched); });
  }

 private:
  template <class Value, class Step>
  ApiResult<Value> keep_trying(const Step& step) {
    for (;;) {
      if (const Status wanted = check_cancelled(rules_); !wanted) {
        return tl::unexpected(local_error(wanted.error()));
      }
      ApiResult<Value> done = step();
      if (done) patience_.heard();
      if (done || !is_passing(done.error())) return done;
      if (!patience_.has_stood() || !patience_.wait(rules_.cancelled)) return done;
    }
  }

  Api& api_;
  const TransferRules& rules_;
  Patience patience_;
};

ApiResult<void> send_file(Sender& sender, const Fd& folder, const artifacts::File& file,
                          const TransferRules& rules) {
  const auto place = artifacts::place_of(file, rules.layout);
  if (!place) return tl::unexpected(local_error(place.error()));
  auto opened = artifacts::open_below(folder, place->path);
  if (!opened) return tl::unexpected(local_error(opened.error()));
  return sender.put(file.digest, file.size, [&](std::uint64_t offset, std::span<char> into) {
    return read_at(*opened, into, place->offset + offset, place->path);
  });
}

// Those that the store does not have; how many bytes that were.
ApiResult<std::uint64_t> send_missing(Sender& sender, const std::string& folder,
                                      const std::vector<artifacts::File>& files,
                                      const TransferRules& rules) {
  const auto opened = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (!opened) return tl::unexpected(local_error(opened.error()));
  std::uint64_t sent_bytes = 0;
  for (const artifacts::File& file : files) {
    const auto there = sender.has(file.digest);
    if (!there) return tl::unexpected(there.error());
    if (*there) continue;
    if (auto sent = send_file(sender, *opened, file, rules); !sent) {
      return tl::unexpected(sent.error());
    }
    sent_bytes += file.size;
  }
  return sent_bytes;
}

// The regular file `name` of the folder.
Result<artifacts::File> scan_file(const std::string& folder, const std::string& name,
                                  const TransferRules& rules) {
  FALLOW_ASSIGN(const Fd parent, open_file(folder, O_RDONLY | O_DIRECTORY));
  FALLOW_ASSIGN(const Fd opened, artifacts::open_below(parent, name));
  struct stat status {};
  if (::fstat(opened.get(), &status) != 0) {
    return tl::unexpected(file_error("read", folder + "/" + name, errno));
  }
  artifacts::File file;
  file.path = name;
  file.executable = (status.st_mode & S_IXUSR) != 0;
  Digester digester;
  std::vector<char> buffer(kScanBytes);
  for (;;) {
    FALLOW_TRY(check_cancelled(rules));
    FALLOW_ASSIGN(const std::size_t n, read_at(opened, std::span(buffer), file.size, name));
    if (n == 0) break;
    digester.update(std::string_view(buffer.data(), n));
    file.size += n;
  }
  file.digest = digester.finish();
  return file;
}

// The part's files, as they are called below `folder`.
Result<std::vector<artifacts::File>> scan_part(const Part& part, const TransferRules& rules,
                                               std::string& folder, bool& is_folder) {
  std::error_code unknown;
  is_folder = part.place.empty() || std::filesystem::is_directory(part.source, unknown);
  if (is_folder) {
    folder = part.source;
    FALLOW_ASSIGN(artifacts::Scanned scanned,
                  artifacts::scan(folder, rules.limits, rules.unkept,
                                  [&rules] { return check_cancelled(rules); }));
    return scanned.manifest.files();
  }
  const std::filesystem::path path(part.source);
  folder = path.parent_path().empty() ? "." : path.parent_path().string();
  FALLOW_ASSIGN(artifacts::File file, scan_file(folder, path.filename().string(), rules));
  return std::vector<artifacts::File>{std::move(file)};
}

ApiResult<Uploaded> send_manifest(Sender& sender, const artifacts::Manifest& manifest,
                                  std::uint64_t sent_bytes) {
  const Uploaded uploaded{manifest.digest(), manifest.files().size(), manifest.total_bytes(),
                          sent_bytes};
  const std::string text = manifest.text();
  const auto sent =
      sender.put(uploaded.manifest, text.size(),
                 [&text](std::uint64_t offset, std::span<char> into) -> Result<std::size_t> {
                   return text.copy(into.data(), into.size(), offset);
                 });
  if (!sent) return tl::unexpected(sent.error());
  return uploaded;
}

// What the store gave is well: that this side has no room for it says nothing of the artifact.
ApiError own_error(ApiError error) {
  const bool is_of_disk = error.code == ErrorCode::kTooLarge || error.code == ErrorCode::kNotFound;
  if (error.kind == ApiError::Kind::kLocal && is_of_disk) error.code = ErrorCode::kFailed;
  return error;
}

}  // namespace

ApiResult<Uploaded> upload_folder(Api& api, const std::string& folder, const TransferRules& asked) {
  TransferRules rules = asked;
  const artifacts::Check may_go_on = [&rules] { return check_cancelled(rules); };
  const auto scanned = rules.layout == artifacts::Layout::kPieces
                           ? artifacts::scan_pieces(folder, rules.limits, may_go_on)
                           : artifacts::scan(folder, rules.limits, rules.unkept, may_go_on);
  if (!scanned) return tl::unexpected(local_error(scanned.error()));
  if (rules.pace) {
    const auto until = end_of(*rules.pace, scanned->manifest.total_bytes());
    rules.until = std::min(rules.until.value_or(until), until);
  }
  Sender sender(api, rules);
  const auto sent = send_missing(sender, folder, scanned->manifest.files(), rules);
  if (!sent) return tl::unexpected(sent.error());
  return send_manifest(sender, scanned->manifest, *sent);
}

ApiResult<Uploaded> upload_parts(Api& api, const std::vector<Part>& parts,
                                 const TransferRules& rules) {
  Sender sender(api, rules);
  std::vector<artifacts::File> all;
  std::uint64_t sent_bytes = 0;
  for (const Part& part : parts) {
    std::string folder;
    bool is_folder = false;
    auto files = scan_part(part, rules, folder, is_folder);
    if (!files) return tl::unexpected(local_error(files.error()));
    const auto sent = send_missing(sender, folder, *files, rules);
    if (!sent) return tl::unexpected(sent.error());
    sent_bytes += *sent;
    for (artifacts::File& file : *files) {
      if (!is_folder) file.path = part.place;
      if (is_folder && !part.place.empty()) file.path = part.place + "/" + file.path;
      all.push_back(std::move(file));
    }
  }
  const auto manifest = artifacts::Manifest::make(std::move(all), rules.limits);
  if (!manifest) return tl::unexpected(local_error(manifest.error()));
  return send_manifest(sender, *manifest, sent_bytes);
}

ApiResult<std::size_t> download_folder(Api& api, const std::string& manifest_hex,
                                       const std::string& destination, const TransferRules& rules) {
  const artifacts::Limits& limits = rules.limits;
  std::string text;
  auto got = api.get_blob(manifest_hex, [&](std::string_view bytes) -> Status {
    if (text.size() + bytes.size() > limits.manifest_bytes_max) {
      return fail(ErrorCode::kTooLarge, "the manifest is larger than {} bytes",
                  limits.manifest_bytes_max);
    }
    text.append(bytes);
    return {};
  });
  if (!got) return tl::unexpected(got.error());
  if (to_hex(digest_of(text)) != manifest_hex) {
    return tl::unexpected(local_error(
        {ErrorCode::kCorrupt, "the bytes of the manifest are not those of its digest"}));
  }
  const auto manifest = artifacts::Manifest::parse(text, limits);
  if (!manifest) return tl::unexpected(local_error(manifest.error()));

  ApiError failed;
  const artifacts::Fetch fetch = [&](const artifacts::File& file, std::uint64_t from,
                                     const artifacts::Write& write) -> Status {
    failed = {};
    FALLOW_TRY(check_cancelled(rules));
    const auto checked = [&](std::string_view bytes) -> Status {
      FALLOW_TRY(check_cancelled(rules));
      return write(bytes);
    };
    if (auto done = api.get_blob(to_hex(file.digest), checked, from); !done) {
      failed = done.error();
      return tl::unexpected(plain_error(failed));
    }
    return {};
  };
  const auto unpack =
      rules.layout == artifacts::Layout::kPieces ? artifacts::unpack_pieces : artifacts::unpack;
  if (const auto done = unpack(*manifest, fetch, destination, rules.existing); !done) {
    return tl::unexpected(
        own_error(failed.message.empty() ? local_error(done.error()) : std::move(failed)));
  }
  return manifest->files().size();
}

}  // namespace fallow::client
