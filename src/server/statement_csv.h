// A month's statement as a table (RFC 4180): one row for what the month began with, one a lease,
// one for what came in and one for what went out, one for what it ended with. The amounts of the
// first rows together are that of the last.
//
// Pure functions; any thread. docs/api.md has the columns.
#pragma once

#include <string>

#include "fallow/v1/statement.pb.h"

namespace fallow::server {

// The names of the columns, and the opening balance.
std::string csv_begin(const v1::StatementView& statement);
// Of the page's lines.
std::string csv_lines(const v1::StatementView& statement);
// Money in and out, and the closing balance; of a month that is not over: "so far".
std::string csv_end(const v1::StatementView& statement);

}  // namespace fallow::server
