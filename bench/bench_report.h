// What a benchmark prints: a table for people, or one JSON object for scripts. Each row is a figure
// with its unit and, where there is one, the limit measured in the same run or the target.
//
// Owner: a benchmark's main(). One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fallow::bench {

class Report {
 public:
  // Also begins libsodium, as the program does: before that it hashes by its slowest code.
  Report();

  void add(std::string_view name, double value, std::string_view unit,
           std::string_view beside = "");
  // To stdout.
  void print(bool json) const;

 private:
  struct Row {
    std::string name;
    double value;
    std::string unit;
    std::string beside;
  };
  std::vector<Row> rows_;  // as many as the benchmark adds
};

// The value below which `part` (0..1) of `values` lie; 0 of none. Reorders them.
template <class T>
T quantile(std::vector<T>& values, double part) {
  if (values.empty()) return T{};
  const auto at = static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * part);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

}  // namespace fallow::bench
