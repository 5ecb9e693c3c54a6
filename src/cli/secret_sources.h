// Where the values of a job's secrets are read from. A value itself never stands on a command line,
// which others on the machine see and shells write down, nor in a job file.
//
// Values; one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::cli {

class Parser;

struct SecretSources {
  // "NAME=env:VARIABLE", "NAME=file:PATH"; "NAME" alone is the variable of that name.
  std::vector<std::string> secrets;
  std::string image_user;                                    // empty: no login
  std::string image_password = "env:FALLOW_IMAGE_PASSWORD";  // env:VARIABLE or file:PATH

  bool empty() const { return secrets.empty() && image_user.empty(); }
};

// The options of `run` and `secrets` that say it.
void add_secret_options(Parser& command, SecretSources& sources);

// "env:" or "file:" and something behind it.
bool is_secret_source(std::string_view text);

// All of them, read now. Without a lease. kInvalid says which is not there, and never shows a
// value.
Result<v1::LeaseSecrets> read_secret_sources(const SecretSources& sources);

}  // namespace fallow::cli
