#include "runtime/image_name.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/public_address.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kNameBytesMax = 512;
constexpr std::size_t kTagBytesMax = 128;
constexpr std::string_view kDefaultRegistry = "docker.io";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

bool is_tag(std::string_view text) {
  const auto fits = [](char c) { return is_letter(c) || is_digit(c) || c == '_'; };
  return !text.empty() && text.size() <= kTagBytesMax && fits(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return fits(c) || c == '.' || c == '-'; });
}

// "library/alpine": parts of lower-case letters and digits with . _ - between them.
bool is_repository(std::string_view text) {
  while (true) {
    const std::string_view part = text.substr(0, text.find('/'));
    const auto fits = [](char c) { return is_lower(c) || is_digit(c); };
    if (part.empty() || !fits(part.front()) || !fits(part.back())) return false;
    if (!std::all_of(part.begin(), part.end(),
                     [&](char c) { return fits(c) || c == '.' || c == '_' || c == '-'; })) {
      return false;
    }
    if (part.size() == text.size()) return true;
    text.remove_prefix(part.size() + 1);
  }
}

bool is_registry_host(std::string_view text) {
  std::string_view host = text;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view inner = host.substr(1, end - 1);
    if (inner.empty() || !std::all_of(inner.begin(), inner.end(),
                                      [](char c) { return is_hex(c) || c == ':' || c == '.'; })) {
      return false;
    }
    host.remove_prefix(end + 1);
    if (host.empty()) return true;
    if (host[0] != ':') return false;
  } else {
    const std::string_view name = host.substr(0, host.find(':'));
    const auto fits = [](char c) { return is_letter(c) || is_digit(c); };
    if (name.empty() || !fits(name.front()) || !fits(name.back()) ||
        !std::all_of(name.begin(), name.end(),
                     [&](char c) { return fits(c) || c == '.' || c == '-'; })) {
      return false;
    }
    host.remove_prefix(name.size());
    if (host.empty()) return true;
  }
  const std::string_view port = host.substr(1);
  return !port.empty() && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
}

// Below the input: plain parts, nothing that a program could take for something else.
bool is_input_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.front() == '-') return false;
  while (true) {
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    if (!std::all_of(part.begin(), part.end(), [](char c) {
          return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-' || c == '+';
        })) {
      return false;
    }
    if (part.size() == path.size()) return true;
    path.remove_prefix(part.size() + 1);
  }
}

Result<ImageName> parse_input_name(std::string_view text, ImageKind kind) {
  ImageName name;
  name.kind = kind;
  const std::size_t colon = text.find(':');
  std::string_view path = text.substr(0, colon);
  while (path.starts_with("./")) path.remove_prefix(2);
  if (!is_input_path(path)) {
    return fail(ErrorCode::kInvalid,
                "the image's path must lead to a file or folder of the input: letters, digits and "
                "._-+ between slashes, without '..'");
  }
  name.path = path;
  if (colon == std::string_view::npos) return name;
  const std::string_view inner = text.substr(colon + 1);
  // A docker archive's images have whole names: "tool:1.2".
  const std::size_t last = inner.rfind(':');
  const bool fits = kind == ImageKind::kDockerArchive
                        ? last != std::string_view::npos && is_tag(inner.substr(last + 1)) &&
                              is_repository(inner.substr(0, last))
                        : is_tag(inner);
  if (!fits) {
    return fail(ErrorCode::kInvalid, "'{}' is not the name of an image in an archive", inner);
  }
  name.inner = inner;
  return name;
}

Result<ImageName> parse_registry_name(std::string_view text) {
  ImageName name;
  std::string_view rest = text;
  const std::size_t at = rest.find('@');
  if (at != std::string_view::npos) {
    auto digest = hex_of_digest(rest.substr(at + 1));
    if (!digest) {
      return fail(ErrorCode::kInvalid, "the image's digest must be sha256: and 64 hex digits");
    }
    name.digest = *std::move(digest);
    rest = rest.substr(0, at);
  }
  const std::size_t slash = rest.find('/');
  const std::string_view first = rest.substr(0, slash);
  if (slash != std::string_view::npos &&
      (first.find_first_of(".:") != std::string_view::npos || first == "localhost")) {
    name.registry = first;
    rest.remove_prefix(slash + 1);
  } else {
    name.registry = kDefaultRegistry;
  }
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
    name.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(name.tag)) return fail(ErrorCode::kInvalid, "'{}' is no tag of an image", name.tag);
  }
  if (!is_registry_host(name.registry) || !is_repository(rest)) {
    return fail(ErrorCode::kInvalid,
                "the image must be named as [REGISTRY/]NAME[:TAG][@sha256:DIGEST], or as "
                "oci-archive:PATH, docker-archive:PATH or oci:PATH in the input");
  }
  name.repository = rest;
  if (name.registry == kDefaultRegistry && rest.find('/') == std::string_view::npos) {
    name.repository = "library/" + name.repository;
  }
  if (!name.digest.empty()) {
    name.tag.clear();  // the digest says it all
  } else if (name.tag.empty()) {
    name.tag = "latest";
  }
  return name;
}

}  // namespace

std::optional<std::string> hex_of_digest(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  constexpr std::size_t kHexDigits = 64;
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  if (text.size() != kHexDigits || !std::all_of(text.begin(), text.end(), is_hex)) {
    return std::nullopt;
  }
  return std::string(text);
}

Result<ImageName> parse_image_name(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) {
    return fail(ErrorCode::kInvalid, "an image's name has 1 to {} bytes", kNameBytesMax);
  }
  constexpr std::string_view kDocker = "docker://";
  if (text.starts_with(kDocker)) return parse_registry_name(text.substr(kDocker.size()));
  for (const auto& [prefix, kind] :
       {std::pair<std::string_view, ImageKind>{"docker-archive:", ImageKind::kDockerArchive},
        {"oci-archive:", ImageKind::kOciArchive},
        {"oci:", ImageKind::kOciFolder}}) {
    if (text.starts_with(prefix)) return parse_input_name(text.substr(prefix.size()), kind);
  }
  return parse_registry_name(text);
}

std::string skopeo_source(const ImageName& name, std::string_view input, std::string_view digest) {
  if (name.kind == ImageKind::kRegistry) {
    const std::string place = "docker://" + name.registry + "/" + name.repository;
    if (!digest.empty()) return place + "@sha256:" + std::string(digest);
    return name.digest.empty() ? place + ":" + name.tag : place + "@sha256:" + name.digest;
  }
  std::string text = name.kind == ImageKind::kDockerArchive ? "docker-archive:"
                     : name.kind == ImageKind::kOciArchive  ? "oci-archive:"
                                                            : "oci:";
  text.append(input).append("/").append(name.path);
  if (!name.inner.empty()) text.append(":").append(name.inner);
  return text;
}

std::string registry_host(std::string_view registry) {
  if (registry.starts_with('[')) {
    return std::string(registry.substr(1, registry.find(']') - 1));
  }
  return std::string(registry.substr(0, registry.find(':')));
}

Status check_registry(const std::string& registry, bool allowed) {
  if (allowed) return {};
  // What its clients speak to is not what it is called.
  const std::string host =
      registry == kDefaultRegistry ? "registry-1.docker.io" : registry_host(registry);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found); error != 0) {
    return fail(ErrorCode::kUnreachable, "the registry {} is not to be found: {}", registry,
                ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    std::array<char, 64> address{};
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, address.data(), address.size(), nullptr, 0,
                      NI_NUMERICHOST) != 0 ||
        !is_public_address(address.data())) {
      return fail(ErrorCode::kDenied,
                  "the registry {} is not on the public internet; a provider allows one with "
                  "`fallow agent --registry {}`",
                  registry, registry);
    }
  }
  return {};
}

}  // namespace fallow::runtime
