// HTTP/1.1 messages as values, and how their heads are written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/url.h"

namespace fallow::net {

struct HeaderField {
  std::string name;
  std::string value;
};

// Header fields in order; names compare without case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<HeaderField> fields) : fields_(fields) {}

  void add(std::string name, std::string value);
  // Replaces every field of that name.
  void set(std::string name, std::string value);
  void remove(std::string_view name);
  // The first value, or nullptr.
  const std::string* find(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  // True when a comma-separated list under that name has the token ("Connection: close").
  bool has_token(std::string_view name, std::string_view token) const;
  const std::vector<HeaderField>& fields() const { return fields_; }

 private:
  std::vector<HeaderField> fields_;
};

bool equals_ignoring_case(std::string_view a, std::string_view b);

// The head of a request as a server received it.
struct Request {
  std::string method;  // "GET"
  std::string target;  // as sent
  Target parts;        // the target, decoded
  Headers headers;
  std::optional<std::uint64_t> content_length;  // when the body has a stated length
  bool is_chunked = false;
  bool is_http_1_0 = false;
  bool keep_alive = true;
  bool expects_continue = false;

  bool has_body() const { return is_chunked || content_length.value_or(0) > 0; }
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

// "Not Found" for 404; "Unknown" for what is not registered.
std::string_view status_text(int status);

// An RFC 9457 problem+json response. Its code is the status in words: "content_too_large".
Response problem_response(int status, std::string_view detail);

// Content-Length, Transfer-Encoding, Connection and Date are not for callers to set in responses.
// CR, LF and NUL inside names and values become blanks, so that no value can forge a field.
std::string write_response_head(int status, const Headers& headers);
std::string write_request_head(std::string_view method, std::string_view target,
                               const Headers& headers);

}  // namespace fallow::net
