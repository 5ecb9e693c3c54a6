#include "server/pages.h"

#include <charconv>

#include "base/base64.h"

namespace fallow::server {

Answer<std::size_t> page_size_of(std::uint32_t wanted) {
  if (wanted > kPageSizeMax) {
    return refuse_field("page_size", "page_size is at most {}; follow next_page_token for more",
                        kPageSizeMax);
  }
  return wanted == 0 ? kPageSizeDefault : wanted;
}

std::string page_token(std::string_view list, std::uint64_t position) {
  return to_base64url(fmt::format("{}:{}", list, position));
}

Answer<std::uint64_t> page_position(std::string_view list, std::string_view token) {
  if (token.empty()) return 0;
  const auto raw = from_base64url(token);
  if (raw && raw->size() > list.size() + 1 && raw->starts_with(list) &&
      (*raw)[list.size()] == ':') {
    std::uint64_t position = 0;
    const char* const end = raw->data() + raw->size();
    const auto [stop, error] = std::from_chars(raw->data() + list.size() + 1, end, position);
    if (error == std::errc() && stop == end) return position;
  }
  return refuse_field("page_token", "this is not a next_page_token of this list");
}

}  // namespace fallow::server
