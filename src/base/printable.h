// What a stranger chose, made fit for a line of a terminal or of a log: no control character is
// left in it, so it neither begins a line of its own nor makes a terminal do things.
//
// Pure functions over UTF-8; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fallow {

// How many bytes the control character has that `text` begins with: 1 for those of ASCII, 2 for
// those of Unicode beyond it (U+0080 to U+009F), which terminals obey, too; 0: it begins with none.
std::size_t control_bytes(std::string_view text);

// Each control character as one '?'.
std::string printable(std::string_view text);
// The same of a text of several lines: tabs and line ends stay.
std::string printable_lines(std::string_view text);

}  // namespace fallow
