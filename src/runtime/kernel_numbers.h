// The kernel's small files of numbers, as in control groups and /proc.
//
// Pure reads; any thread. Nothing: the file, or the line, is not there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fallow::runtime {

// The number that is the first line.
std::optional<std::uint64_t> kernel_number(const std::string& path);
// The number of the line "key 123".
std::optional<std::uint64_t> kernel_number(const std::string& path, std::string_view key);

}  // namespace fallow::runtime
