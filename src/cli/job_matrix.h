// A sweep: a task for each combination of named values. Private to job_file.cc.
//
// The market knows tasks by their numbers alone: what a task's values are follows from its number,
// in the shell that runs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fallow::cli {

// What the tasks of a sweep find in their environment.
struct JobMatrix {
  std::vector<std::pair<std::string, std::vector<std::string>>> names;
  std::uint32_t combinations = 1;
};

// A variable that the shell can set, and not the market's own.
bool is_matrix_name(std::string_view name);

// Text for the shell that sets them. The last name's values change from task to task; all tasks of
// a gang have the same.
std::string script_of(const JobMatrix& matrix);

}  // namespace fallow::cli
