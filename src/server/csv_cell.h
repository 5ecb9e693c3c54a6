// A cell of a table (RFC 4180) with text in it that somebody else has chosen.
//
// A pure function, any thread.
#pragma once

#include <string>
#include <string_view>

namespace fallow::server {

// Quoted where it must be. What a spreadsheet would take for a formula begins with an apostrophe.
std::string csv_cell(std::string_view text);

}  // namespace fallow::server
