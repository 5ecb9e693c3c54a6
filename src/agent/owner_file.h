// OwnerFile: what the owner of the machine has told the agent, as one word in a file:
// "away" (or no file), "present" or "paused". `fallow agent pause` writes it.
//
// Owned by the agent's loop thread.
#pragma once

#include <string>

#include "base/file.h"
#include "base/result.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

class OwnerFile {
 public:
  // Watches <folder>/owner; the folder exists.
  static Result<OwnerFile> open(std::string folder);

  // Readable when the file may have changed.
  int event_fd() const { return watch_.get(); }
  // Reads it anew. A word that is not known counts as "present": the owner wins.
  v1::OwnerState read();

  // For the command line, which tells a running agent through the file.
  static Status write(const std::string& folder, v1::OwnerState state);

 private:
  OwnerFile(std::string folder, Fd watch) : folder_(std::move(folder)), watch_(std::move(watch)) {}

  std::string folder_;
  Fd watch_;
};

}  // namespace fallow::agent
