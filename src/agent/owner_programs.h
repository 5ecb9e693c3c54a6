// ProgramSigns: programs of certain names that run on this machine, but for a renter's.
//
// Reads /proc alone and needs no rights. When nobody starts a program a look costs one small read:
// processes are looked at when they are new, for the first seconds again, since a new one becomes
// another program, and all of them twice a minute. One thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace fallow::agent {

class ProgramSigns {
 public:
  // `root`, `agent` and `mark` as in process_facts.h. A name may hold * for anything, and is held
  // against a process's short name and the file name of its program.
  ProgramSigns(std::string root, std::vector<std::string> names, int agent, std::string mark);

  // "program doom runs", or nothing. `now` is monotonic.
  std::optional<std::string> look(Time now);

 private:
  bool is_named(const std::string& name) const;
  std::optional<std::string> examine(int pid) const;
  std::string newest() const;

  const std::string root_;
  const std::vector<std::string> names_;
  const int agent_;
  const std::string mark_;
  std::string newest_;               // when it last looked
  std::map<int, Time> known_;        // until when each is looked at again
  std::map<int, std::string> runs_;  // what was found
  std::optional<Time> all_at_;       // when all are looked at again
  Time settled_at_{};                // when the last of the new ones needs no further look
};

}  // namespace fallow::agent
