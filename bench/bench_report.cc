#include "bench_report.h"

#include <fmt/core.h>
#include <sodium.h>

#include "base/check.h"

namespace fallow::bench {

Report::Report() { FALLOW_CHECK(sodium_init() >= 0, "libsodium cannot start"); }

void Report::add(std::string_view name, double value, std::string_view unit,
                 std::string_view beside) {
  rows_.push_back(Row{std::string(name), value, std::string(unit), std::string(beside)});
}

void Report::print(bool json) const {
  if (!json) {
    for (const Row& row : rows_) {
      fmt::print("{:<58} {:>14.6g} {:<12} {}\n", row.name, row.value, row.unit, row.beside);
    }
    return;
  }
  // Names, units and remarks are the benchmarks' own words: without quotes or backslashes.
  fmt::print("{{");
  std::string_view comma;
  for (const Row& row : rows_) {
    fmt::print(R"({}"{}": {{"value": {:.6g}, "unit": "{}", "beside": "{}"}})", comma, row.name,
               row.value, row.unit, row.beside);
    comma = ",\n ";
  }
  fmt::print("}}\n");
}

}  // namespace fallow::bench
