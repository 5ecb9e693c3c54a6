#include "server/console_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "base/digest.h"
#include "base/file.h"

namespace fallow::server {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 10> kPages = {"sign-in", "market",  "new",    "jobs",
                                                     "leases",  "provide", "wallet", "operator",
                                                     "account", "teams"};

constexpr std::string_view kIndex = "/index.html";
constexpr std::string_view kHashedFolder = "/assets/";

// No script but the console's own files, no connection but to this server, nobody's frame. Styles
// that scripts set on elements are not sheets, so `style-src 'self'` is enough for them.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src "
    "'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

constexpr std::string_view kNoConsole =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Fallow</title>"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<h1>This server runs, but it has no console</h1>"
    "<p>Its pages are built apart from it. In Fallow's source folder, on a machine with Node.js 18 "
    "or newer and npm, run <code>make web</code>, then start the server again. Where the pages lie "
    "elsewhere, name their folder: <code>fallow server --console FOLDER</code>.</p>"
    "<p>The API is at <code>/v1</code>; <a href=\"/v1/openapi.json\">its description</a>.</p>"
    "</html>\n";

std::string_view media_type_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  const std::string_view ending = dot == name.npos ? "" : name.substr(dot);
  if (ending == ".html") return "text/html; charset=utf-8";
  if (ending == ".js") return "text/javascript; charset=utf-8";
  if (ending == ".css") return "text/css; charset=utf-8";
  if (ending == ".svg") return "image/svg+xml";
  if (ending == ".json") return "application/json";
  if (ending == ".webmanifest") return "application/manifest+json";
  if (ending == ".txt") return "text/plain; charset=utf-8";
  if (ending == ".png") return "image/png";
  if (ending == ".ico") return "image/x-icon";
  if (ending == ".woff2") return "font/woff2";
  return "application/octet-stream";
}

void add_security(net::Headers& headers) {
  headers.set("Content-Security-Policy", std::string(kPolicy));
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set("X-Frame-Options", "DENY");
  headers.set("Referrer-Policy", "no-referrer");
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  headers.set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
}

// "br;q=0" is a refusal.
bool accepts(const net::Request& request, std::string_view coding) {
  const std::string* header = request.headers.find("Accept-Encoding");
  if (header == nullptr) return false;
  std::string_view rest = *header;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    std::string_view part = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));
    const std::string_view name = part.substr(0, part.find_first_of(" \t;"));
    if (!net::equals_ignoring_case(name, coding)) continue;
    const std::size_t weight = part.find("q=");
    return weight == part.npos || part.substr(weight + 2).find_first_of("123456789") != part.npos;
  }
  return false;
}

}  // namespace

Result<ConsoleFiles> ConsoleFiles::load(const std::string& folder, const ConsoleLimits& limits) {
  ConsoleFiles console;
  std::map<std::string, std::string> compressed;  // "/a.js.br" and their bytes
  std::size_t bytes_left = limits.bytes_max;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    const fs::file_status status = at->symlink_status(error);
    if (error || !fs::is_regular_file(status)) continue;
    if (console.files_.size() + compressed.size() >= limits.files_max) {
      return fail(ErrorCode::kTooLarge, "the console's folder {} holds more than {} files", folder,
                  limits.files_max);
    }
    FALLOW_ASSIGN(std::string bytes, read_file(at->path().string(), bytes_left));
    bytes_left -= bytes.size();
    std::string name = "/" + fs::relative(at->path(), folder, error).generic_string();
    if (name.ends_with(".br") || name.ends_with(".gz")) {
      compressed.emplace(std::move(name), std::move(bytes));
      continue;
    }
    File file;
    file.etag = "\"" + to_hex(digest_of(std::string_view(bytes))).substr(0, 32) + "\"";
    file.media_type = media_type_of(name);
    file.bytes = std::move(bytes);
    console.files_.emplace(std::move(name), std::move(file));
  }
  if (error || !console.files_.contains(kIndex)) {
    return fail(ErrorCode::kNotFound,
                "{} is no folder of a built console: it has no index.html; `make web` builds one "
                "in web/dist",
                folder);
  }
  for (auto& [name, file] : console.files_) {
    if (const auto found = compressed.find(name + ".br"); found != compressed.end()) {
      file.brotli = std::move(found->second);
    }
    if (const auto found = compressed.find(name + ".gz"); found != compressed.end()) {
      file.gzip = std::move(found->second);
    }
  }
  return console;
}

bool ConsoleFiles::is_page(const net::Target& target) {
  if (target.segments.empty()) return true;
  return std::find(kPages.begin(), kPages.end(), target.segments[0]) != kPages.end();
}

std::optional<net::Response> ConsoleFiles::find(const net::Request& request) const {
  const bool is_page_path = is_page(request.parts);
  if (files_.empty()) {
    if (!is_page_path) return std::nullopt;
    net::Response response{
        404,
        {{"Content-Type", "text/html; charset=utf-8"}, {"Cache-Control", "no-store"}},
        std::string(kNoConsole)};
    add_security(response.headers);
    return response;
  }
  if (is_page_path) return answer(files_.find(kIndex)->second, true, false, request);
  const auto found = files_.find(request.parts.path);
  if (found == files_.end()) return std::nullopt;
  return answer(found->second, found->first == kIndex, found->first.starts_with(kHashedFolder),
                request);
}

net::Response ConsoleFiles::answer(const File& file, bool is_index, bool is_immutable,
                                   const net::Request& request) const {
  net::Response response;
  add_security(response.headers);
  response.headers.set("Content-Type", file.media_type);
  response.headers.set("Vary", "Accept-Encoding");
  if (is_index) {
    response.headers.set("Cache-Control", "no-store");
  } else {
    response.headers.set("Cache-Control",
                         is_immutable ? "public, max-age=31536000, immutable" : "no-cache");
    response.headers.set("ETag", file.etag);
    const std::string* known = request.headers.find("If-None-Match");
    if (known != nullptr && *known == file.etag) {
      response.status = 304;
      return response;
    }
  }
  if (!file.brotli.empty() && accepts(request, "br")) {
    response.headers.set("Content-Encoding", "br");
    response.body = file.brotli;
  } else if (!file.gzip.empty() && accepts(request, "gzip")) {
    response.headers.set("Content-Encoding", "gzip");
    response.body = file.gzip;
  } else {
    response.body = file.bytes;
  }
  return response;
}

}  // namespace fallow::server
