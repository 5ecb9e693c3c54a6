// Reads SkyPilot's task files as far as this market has the same thing.
//
// A pure function; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fallow::cli {

struct Converted {
  std::string job_file;           // YAML of docs/job-files.md; parse_job_file() takes it
  std::vector<std::string> left;  // sentences: what was left out, and what to do about it
};

// kInvalid, with line and column first, for what is no YAML or says nothing to run.
Result<Converted> convert_skypilot(std::string_view text);

}  // namespace fallow::cli
