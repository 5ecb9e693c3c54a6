// A job written down: what `fallow run -f job.yaml` reads and `fallow validate` checks.
//
// Pure functions; any thread. docs/job-files.md is the contract for people, docs/job.schema.json
// for editors; both the parser and the schema are made from one table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/requirement_options.h"
#include "cli/secret_sources.h"

namespace fallow::cli {

// A file or folder of this machine, and where a task finds it in its working folder.
struct JobInput {
  std::string place;
  std::string source;
};

// A job of `fallow run`, whether its options or a file say it.
struct Job {
  RequirementOptions requirements;
  std::vector<RequirementOptions> alternatives;  // instead of them, one will do; empty: none
  std::string name;
  std::string budget;
  std::string project;
  double deadline_hours = 0;  // 0: none
  double restart_minutes = 5;
  std::string input;  // folder
  std::vector<JobInput> inputs;
  std::string output;  // folder
  std::string image;
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<std::string> ports;        // PORT or PORT:LOCAL
  SecretSources secrets;
  std::vector<std::string> command;
  std::uint32_t attempts_max = 0;
  std::uint32_t checkpoint_seconds = 0;  // from one saving to the next; 0: the node's
  bool no_wait = false;
  bool no_restart = false;

  // What will do, one of them.
  std::vector<RequirementOptions> wishes() const {
    return alternatives.empty() ? std::vector<RequirementOptions>{requirements} : alternatives;
  }
};

// The job of a file's text. Relative folders are below `folder`, where the file stands. kInvalid
// begins with "line:column: " of what is wrong, says what is known there, and names the nearest
// word.
Result<Job> parse_job_file(std::string_view text, const std::string& folder);

// The same of a file; messages begin with its path.
Result<Job> load_job_file(const std::string& path);

// JSON Schema (2020-12) of these files, for editors.
std::string job_file_schema();

}  // namespace fallow::cli
