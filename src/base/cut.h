// A text that is too long, cut without breaking a character. A pure function; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace fallow {

// At most `bytes_max` bytes of a UTF-8 text, cut between characters.
inline std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

}  // namespace fallow
