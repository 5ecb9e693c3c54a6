#include "net/http.h"

#include <algorithm>

#include "net/ascii.h"

namespace fallow::net {
namespace {

void append_safe(std::string& out, std::string_view text) {
  for (const char c : text) out.push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
}

void append_fields(std::string& out, const Headers& headers) {
  for (const HeaderField& field : headers.fields()) {
    append_safe(out, field.name);
    out += ": ";
    append_safe(out, field.value);
    out += "\r\n";
  }
  out += "\r\n";
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

void Headers::add(std::string name, std::string value) {
  fields_.push_back({std::move(name), std::move(value)});
}

void Headers::set(std::string name, std::string value) {
  remove(name);
  add(std::move(name), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(
      fields_, [name](const HeaderField& field) { return equals_ignoring_case(field.name, name); });
}

const std::string* Headers::find(std::string_view name) const {
  const auto found = std::find_if(fields_.begin(), fields_.end(), [name](const HeaderField& field) {
    return equals_ignoring_case(field.name, name);
  });
  return found == fields_.end() ? nullptr : &found->value;
}

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields_.begin(), fields_.end(),
      [name](const HeaderField& field) { return equals_ignoring_case(field.name, name); }));
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
  for (const HeaderField& field : fields_) {
    if (!equals_ignoring_case(field.name, name)) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      if (equals_ignoring_case(trim(rest.substr(0, end)), token)) return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return false;
}

std::string_view status_text(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

Response problem_response(int status, std::string_view detail) {
  std::string code;
  for (const char c : status_text(status)) {
    if (c != '-' && c != ' ') code.push_back(lower(c));
    if (c == '-' || c == ' ') code.push_back('_');
  }
  std::string escaped;
  for (const char c : detail) {
    if (c == '"' || c == '\\') escaped.push_back('\\');
    escaped.push_back(c < ' ' || c >= '\x7f' ? '?' : c);  // details are ASCII sentences
  }
  Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/problem+json");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.body =
      fmt::format(R"({{"type":"about:blank","title":"{}","status":{},"code":"{}","detail":"{}"}})",
                  status_text(status), status, code, escaped);
  return response;
}

std::string write_response_head(int status, const Headers& headers) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, status_text(status));
  append_fields(head, headers);
  return head;
}

std::string write_request_head(std::string_view method, std::string_view target,
                               const Headers& headers) {
  std::string head;
  append_safe(head, method);
  head += ' ';
  for (const char c : target) {
    if (c > ' ' && c < '\x7f') {
      head.push_back(c);
    } else {
      head += percent_encode(std::string_view(&c, 1));
    }
  }
  head += " HTTP/1.1\r\n";
  append_fields(head, headers);
  return head;
}

}  // namespace fallow::net
