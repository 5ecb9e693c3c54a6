#include "artifacts/manifest.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "artifacts/path.h"

namespace fallow::artifacts {
namespace {

constexpr std::size_t kDigestChars = 64;

// One line: digest, blank, size, blank, 'x' or '-', blank, path.
Result<File> parse_line(std::string_view line, std::size_t number) {
  const auto malformed = [number] {
    return fail(ErrorCode::kInvalid,
                "line {} of the manifest is not 'DIGEST SIZE MODE PATH' with mode x or -", number);
  };
  File file;
  if (line.size() < kDigestChars + 1 || line[kDigestChars] != ' ') return malformed();
  const auto digest = digest_from_hex(line.substr(0, kDigestChars));
  if (!digest) return malformed();
  file.digest = *digest;
  line.remove_prefix(kDigestChars + 1);

  const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), file.size);
  const auto digits = static_cast<std::size_t>(end - line.data());
  if (code != std::errc{} || line.substr(0, digits) != std::to_string(file.size)) {
    return malformed();
  }
  line.remove_prefix(digits);

  if (line.size() < 4 || line[0] != ' ' || (line[1] != 'x' && line[1] != '-') || line[2] != ' ') {
    return malformed();
  }
  file.executable = line[1] == 'x';
  file.path = line.substr(3);
  return file;
}

}  // namespace

Result<Manifest> Manifest::make(std::vector<File> files, const Limits& limits) {
  if (files.size() > limits.files_max) {
    return fail(ErrorCode::kTooLarge, "a folder of {} files is beyond the maximum of {}",
                files.size(), limits.files_max);
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.path < b.path; });
  Manifest manifest;
  std::size_t text_bytes = kFirstLine.size();
  std::unordered_set<std::string_view> paths;
  for (const File& file : files) {
    FALLOW_TRY(check_path(file.path, limits.path_bytes_max, limits.path_parts_max));
    if (!paths.insert(file.path).second) {
      return fail(ErrorCode::kInvalid, "the manifest names {} twice", file.path);
    }
    if (file.size > limits.bytes_max - manifest.total_bytes_) {
      return fail(ErrorCode::kTooLarge, "the folder's files have more than {} bytes together",
                  limits.bytes_max);
    }
    manifest.total_bytes_ += file.size;
    text_bytes += kDigestChars + std::to_string(file.size).size() + file.path.size() + 5;
  }
  if (text_bytes > limits.manifest_bytes_max) {
    return fail(ErrorCode::kTooLarge, "the folder's manifest has {} bytes, more than {}",
                text_bytes, limits.manifest_bytes_max);
  }
  for (const File& file : files) {
    const std::string_view path = file.path;
    for (std::size_t slash = path.find('/'); slash != path.npos;
         slash = path.find('/', slash + 1)) {
      if (paths.contains(path.substr(0, slash))) {
        return fail(ErrorCode::kInvalid, "the manifest has {} both as a file and as a folder",
                    path.substr(0, slash));
      }
    }
  }
  manifest.files_ = std::move(files);
  return manifest;
}

Result<Manifest> Manifest::parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.manifest_bytes_max) {
    return fail(ErrorCode::kTooLarge, "the manifest has {} bytes, more than {}", text.size(),
                limits.manifest_bytes_max);
  }
  if (!text.starts_with(kFirstLine)) {
    return fail(ErrorCode::kInvalid, "a manifest begins with the line 'fallow manifest v1'");
  }
  std::vector<File> files;
  std::size_t number = 1;
  for (std::string_view rest = text.substr(kFirstLine.size()); !rest.empty();) {
    ++number;
    const std::size_t end = rest.find('\n');
    if (end == rest.npos) return fail(ErrorCode::kInvalid, "the manifest's last line is cut off");
    if (files.size() == limits.files_max) {
      return fail(ErrorCode::kTooLarge, "the manifest has more than {} files", limits.files_max);
    }
    FALLOW_ASSIGN(File file, parse_line(rest.substr(0, end), number));
    if (!files.empty() && file.path <= files.back().path) {
      return fail(ErrorCode::kInvalid, "line {} of the manifest is out of order: paths ascend",
                  number);
    }
    files.push_back(std::move(file));
    rest.remove_prefix(end + 1);
  }
  return make(std::move(files), limits);
}

std::string Manifest::text() const {
  std::string text(kFirstLine);
  for (const File& file : files_) {
    text += fmt::format("{} {} {} {}\n", to_hex(file.digest), file.size,
                        file.executable ? 'x' : '-', file.path);
  }
  return text;
}

Digest Manifest::digest() const { return digest_of(text()); }

}  // namespace fallow::artifacts
