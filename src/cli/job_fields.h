// The fields of a job file, of which parser and schema are made. Private to job_file.cc and
// job_schema.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fallow::cli {

constexpr std::uint32_t kJobCountMax = 100'000;  // tasks of an order: core/limits.h

enum class JobFieldKind : std::uint8_t {
  kText,
  kMoney,
  kNumber,
  kCount,
  kFlag,
  kWord,
  kWords,
  kNames,
  kSource,
  kSources,
  kPlaces,        // PATH: text
  kPorts,         // a list of PORT or PORT:LOCAL
  kMatrix,        // NAME: [values]
  kAlternatives,  // a list of sections
};

struct JobField {
  const char* section;  // "" or "resources"
  const char* name;
  JobFieldKind kind;
  const char* what;
  std::vector<std::string> words = {};  // of kWord
};

// In the order in which people read them. For ever.
const std::vector<JobField>& job_fields();

}  // namespace fallow::cli
