// fallow wallet statement: a calendar month of an account, as people read it, as JSON or as CSV.
#pragma once

#include <cstdint>
#include <string>

#include "cli/context.h"

namespace fallow::cli {

struct StatementOptions {
  std::uint64_t account = 0;  // 0: the key's own
  std::string month;          // "2026-11"; empty: the present one
  bool csv = false;
  std::uint32_t count_max = 50;  // of lines that are shown; CSV has all
};

int show_statement(const Context& context, const StatementOptions& options);

}  // namespace fallow::cli
