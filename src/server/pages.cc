#include "server/pages.h"

#include "base/base64.h"
#include "base/number.h"

namespace fallow::server {

Answer<std::size_t> page_size_of(std::uint32_t wanted) {
  if (wanted > kPageSizeMax) {
    return refuse_field("page_size", "page_size is at most {}; follow next_page_token for more",
                        kPageSizeMax);
  }
  return wanted == 0 ? kPageSizeDefault : wanted;
}

std::string page_token(std::string_view list, std::string_view name) {
  return to_base64url(fmt::format("{}:{}", list, name));
}

Answer<std::string> page_name(std::string_view list, std::string_view token) {
  if (token.empty()) return std::string();
  const auto raw = from_base64url(token);
  if (raw && raw->size() > list.size() + 1 && raw->starts_with(list) &&
      (*raw)[list.size()] == ':') {
    return std::string(raw->substr(list.size() + 1));
  }
  return refuse_field("page_token", "this is not a next_page_token of this list");
}

std::string page_token(std::string_view list, std::uint64_t position) {
  return page_token(list, std::to_string(position));
}

Answer<std::uint64_t> page_position(std::string_view list, std::string_view token) {
  FALLOW_ASSIGN(const std::string name, page_name(list, token));
  if (name.empty()) return 0;
  if (const auto position = parse_number<std::uint64_t>(name)) return *position;
  return refuse_field("page_token", "this is not a next_page_token of this list");
}

}  // namespace fallow::server
