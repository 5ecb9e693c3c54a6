#include "client/transfer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>
#include <utility>

#include "base/file.h"

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

ApiResult<void> send_file(Api& api, const Fd& folder, const artifacts::File& file,
                          const TransferRules& rules) {
  const auto place = artifacts::place_of(file, rules.layout);
  if (!place) return tl::unexpected(local_error(place.error()));
  auto opened = artifacts::open_below(folder, place->path);
  if (!opened) return tl::unexpected(local_error(opened.error()));
  return api.put_blob(to_hex(file.digest), file.size,
                      [&](std::uint64_t offset, std::span<char> into) -> Result<std::size_t> {
                        FALLOW_TRY(check_cancelled(rules));
                        return read_at(*opened, into, place->offset + offset, place->path);
                      });
}

// Those that the store does not have; how many bytes that were.
ApiResult<std::uint64_t> send_missing(Api& api, const std::string& folder,
                                      const std::vector<artifacts::File>& files,
                                      const TransferRules& rules) {
  const auto opened = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (!opened) return tl::unexpected(local_error(opened.error()));
  std::uint64_t sent_bytes = 0;
  for (const artifacts::File& file : files) {
    if (const Status wanted = check_cancelled(rules); !wanted) {
      return tl::unexpected(local_error(wanted.error()));
    }
    const auto there = api.has_blob(to_hex(file.digest));
    if (!there) return tl::unexpected(there.error());
    if (*there) continue;
    if (auto sent = send_file(api, *opened, file, rules); !sent) {
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

ApiResult<void> send_text(Api& api, const Digest& digest, std::string_view text) {
  return api.put_blob(to_hex(digest), text.size(),
                      [text](std::uint64_t offset, std::span<char> into) -> Result<std::size_t> {
                        return text.copy(into.data(), into.size(), offset);
                      });
}

ApiResult<Uploaded> send_manifest(Api& api, const artifacts::Manifest& manifest,
                                  std::uint64_t sent_bytes) {
  const Uploaded uploaded{manifest.digest(), manifest.files().size(), manifest.total_bytes(),
                          sent_bytes};
  if (auto sent = send_text(api, uploaded.manifest, manifest.text()); !sent) {
    return tl::unexpected(sent.error());
  }
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
  const auto sent = send_missing(api, folder, scanned->manifest.files(), rules);
  if (!sent) return tl::unexpected(sent.error());
  return send_manifest(api, scanned->manifest, *sent);
}

ApiResult<Uploaded> upload_parts(Api& api, const std::vector<Part>& parts,
                                 const TransferRules& rules) {
  std::vector<artifacts::File> all;
  std::uint64_t sent_bytes = 0;
  for (const Part& part : parts) {
    std::string folder;
    bool is_folder = false;
    auto files = scan_part(part, rules, folder, is_folder);
    if (!files) return tl::unexpected(local_error(files.error()));
    const auto sent = send_missing(api, folder, *files, rules);
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
  return send_manifest(api, *manifest, sent_bytes);
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
  const artifacts::Fetch fetch = [&](const artifacts::File& file,
                                     const artifacts::Write& write) -> Status {
    FALLOW_TRY(check_cancelled(rules));
    const auto checked = [&](std::string_view bytes) -> Status {
      FALLOW_TRY(check_cancelled(rules));
      return write(bytes);
    };
    if (auto done = api.get_blob(to_hex(file.digest), checked); !done) {
      failed = done.error();
      return tl::unexpected(plain_error(failed));
    }
    return {};
  };
  const auto unpack =
      rules.layout == artifacts::Layout::kPieces ? artifacts::unpack_pieces : artifacts::unpack;
  if (const auto done = unpack(*manifest, fetch, destination); !done) {
    return tl::unexpected(
        own_error(failed.message.empty() ? local_error(done.error()) : std::move(failed)));
  }
  return manifest->files().size();
}

}  // namespace fallow::client
