// URLs and request targets: taken apart, decoded, and safe on hostile input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fallow::net {

// Longest URL or request target that is looked at.
constexpr std::size_t kUrlBytesMax = 8 * 1024;

struct Url {
  bool is_tls = false;       // https
  std::string host;          // lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;    // 80 or 443 when not written
  std::string target = "/";  // path and query as written, never empty, no fragment

  // "host:port", with brackets where needed: for messages and the Host header.
  std::string authority() const;
  // Host header: without the port where it is the scheme's own.
  std::string host_header() const;
};

// http://host[:port][/path][?query] and https:// likewise. User names in URLs are refused.
Result<Url> parse_url(std::string_view text);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;

// A request target ("/v1/leases/7?limit=10") taken apart.
struct Target {
  std::string path;                   // decoded
  std::vector<std::string> segments;  // the path's parts between slashes, each decoded on its own,
                                      // so that %2F inside a part stays inside; "/" has none
  QueryParameters query;              // decoded, in order; '+' is a blank

  // The first parameter of that name, or nullptr.
  const std::string* query_value(std::string_view name) const;
};

// Refuses what is not an absolute path, broken percent signs, NUL, and the segments "." and "..".
Result<Target> parse_target(std::string_view target);

// "a%20b" -> "a b". kInvalid when a '%' is not followed by two hex digits.
Result<std::string> percent_decode(std::string_view text);
// Everything but letters, digits and -._~ becomes %XX: for one path segment or query value.
std::string percent_encode(std::string_view text);
Result<QueryParameters> parse_query(std::string_view query);

}  // namespace fallow::net
