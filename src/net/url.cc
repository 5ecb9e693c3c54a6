#include "net/url.h"

#include <algorithm>

#include "base/number.h"
#include "net/ascii.h"

namespace fallow::net {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), text.begin(),
                                                    [](char a, char b) { return a == lower(b); });
}

Result<std::uint16_t> parse_port(std::string_view text) {
  const auto port = parse_number<std::uint16_t>(text);
  if (!port || *port == 0) {
    return fail(ErrorCode::kInvalid, "'{}' is not a port between 1 and 65535", text);
  }
  return *port;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool is_dots(std::string_view segment) { return segment == "." || segment == ".."; }

Result<std::string> decode(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      decoded.push_back(' ');
      continue;
    }
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return fail(ErrorCode::kInvalid,
                  "a '%' is not followed by two hex digits; write '%25' for it");
    }
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

}  // namespace

std::string Url::authority() const {
  const bool brackets = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", host, brackets ? "]" : "", port);
}

std::string Url::host_header() const {
  std::string text = authority();
  if (port == (is_tls ? 443 : 80)) text.resize(text.rfind(':'));
  return text;
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) {
    return fail(ErrorCode::kInvalid, "the URL is longer than {} bytes", kUrlBytesMax);
  }
  if (!is_printable(text)) {
    return fail(ErrorCode::kInvalid, "the URL has blanks or unprintable characters; encode them");
  }
  Url url;
  std::string_view rest = text;
  if (starts_with_ignoring_case(rest, "https://")) {
    url.is_tls = true;
    rest.remove_prefix(8);
  } else if (starts_with_ignoring_case(rest, "http://")) {
    rest.remove_prefix(7);
  } else {
    return fail(ErrorCode::kInvalid, "'{}' does not begin with http:// or https://", text);
  }
  rest = rest.substr(0, rest.find('#'));
  const std::size_t host_end = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, host_end);
  const std::string_view target =
      host_end == std::string_view::npos ? std::string_view() : rest.substr(host_end);
  if (authority.find('@') != std::string_view::npos) {
    return fail(ErrorCode::kInvalid, "'{}' carries a user name, which is not supported", text);
  }

  url.port = url.is_tls ? 443 : 80;
  std::string_view host = authority;
  std::string_view port;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) {
      return fail(ErrorCode::kInvalid, "'{}' has a '[' without a ']'", text);
    }
    host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    if (host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos ||
        host.find(':') == std::string_view::npos) {
      return fail(ErrorCode::kInvalid, "'{}' is not an IPv6 address", host);
    }
  } else {
    const std::size_t colon = authority.find(':');
    host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon);
    if (!std::all_of(host.begin(), host.end(), [](char c) {
          return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
        })) {
      return fail(ErrorCode::kInvalid, "'{}' is not a host name", host);
    }
  }
  if (host.empty() || host.size() > 253) {
    return fail(ErrorCode::kInvalid, "'{}' names no host", text);
  }
  if (!port.empty()) {
    if (port.front() != ':') return fail(ErrorCode::kInvalid, "'{}' has junk after the host", text);
    FALLOW_ASSIGN(url.port, parse_port(port.substr(1)));
  }
  url.host = host;
  std::transform(url.host.begin(), url.host.end(), url.host.begin(), lower);
  url.target = target;
  if (url.target.empty() || url.target.front() != '/') url.target.insert(0, 1, '/');
  return url;
}

const std::string* Target::query_value(std::string_view name) const {
  const auto found = std::find_if(query.begin(), query.end(), [name](const auto& parameter) {
    return parameter.first == name;
  });
  return found == query.end() ? nullptr : &found->second;
}

Result<Target> parse_target(std::string_view target) {
  if (target.empty() || target.front() != '/' || !is_printable(target)) {
    return fail(ErrorCode::kInvalid, "the request's target is not an absolute path");
  }
  Target parsed;
  const std::size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (mark != std::string_view::npos) {
    FALLOW_ASSIGN(parsed.query, parse_query(target.substr(mark + 1)));
  }
  FALLOW_ASSIGN(parsed.path, percent_decode(path));
  if (parsed.path.find('\0') != std::string::npos) {
    return fail(ErrorCode::kInvalid, "the path holds a NUL");
  }
  std::size_t begin = 1;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    FALLOW_ASSIGN(std::string segment, percent_decode(path.substr(begin, end - begin)));
    parsed.segments.push_back(std::move(segment));
    if (is_dots(parsed.segments.back())) {
      return fail(ErrorCode::kInvalid, "the path holds the segment '{}'", parsed.segments.back());
    }
    begin = end + 1;
  }
  return parsed;
}

Result<std::string> percent_decode(std::string_view text) { return decode(text, false); }

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.push_back('%');
    encoded.push_back(kHex[byte >> 4]);
    encoded.push_back(kHex[byte & 15]);
  }
  return encoded;
}

Result<QueryParameters> parse_query(std::string_view query) {
  QueryParameters parameters;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    FALLOW_ASSIGN(std::string name, decode(pair.substr(0, equals), true));
    FALLOW_ASSIGN(std::string value, decode(pair.substr(std::min(equals + 1, pair.size())), true));
    parameters.emplace_back(std::move(name), std::move(value));
  }
  return parameters;
}

}  // namespace fallow::net
