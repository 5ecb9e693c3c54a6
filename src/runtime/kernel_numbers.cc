#include "runtime/kernel_numbers.h"

#include <algorithm>

#include "base/file.h"
#include "base/number.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kNumbersBytesMax = 64 << 10;

}  // namespace

std::optional<std::uint64_t> kernel_number(const std::string& path) {
  const auto text = read_file(path, kNumbersBytesMax);
  if (!text) return std::nullopt;
  return parse_number<std::uint64_t>(std::string_view(*text).substr(0, text->find('\n')));
}

std::optional<std::uint64_t> kernel_number(const std::string& path, std::string_view key) {
  const auto text = read_file(path, kNumbersBytesMax);
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      return parse_number<std::uint64_t>(line.substr(key.size() + 1));
    }
  }
  return std::nullopt;
}

}  // namespace fallow::runtime
