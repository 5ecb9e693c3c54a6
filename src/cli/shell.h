// Words for other programs: what a shell reads as one word, and where this program is.
#pragma once

#include <string>
#include <string_view>

namespace fallow::cli {

// In single quotes: 'it'\''s one word to a shell'.
std::string shell_quoted(std::string_view word);

// The path of the program that runs; "fallow" when the kernel does not say.
std::string own_path();

}  // namespace fallow::cli
