// NameLookups: names to addresses, on threads that are there for it alone.
//
// The system's resolver blocks, for half a minute where nobody answers, and cannot be broken off.
// So each lookup has a thread for as long as it lasts. Whoever has waited long enough goes on
// without it; its thread is written off: it counts until the system lets go of it, and nothing
// waits for it any more, not even the end of the program. There are so many threads at most, of one
// asker so many, and of one name of his one: further lookups wait in a line, past which those of
// others go. So a name that nobody answers for holds up itself, and who asks for many of them
// himself.
//
// Any thread. Its owner destroys it when no find() is under way; threads may outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "net/dial.h"
#include "net/task.h"

namespace fallow::net {

struct NameLookupLimits {
  std::size_t threads_max = 64;
  std::size_t threads_per_asker_max = 4;
  std::size_t waiting_max = 1'024;  // for a thread
};

class NameLookups {
 public:
  // Blocks. kUnreachable: the name is not known.
  using Lookup = std::function<Result<std::vector<std::string>>(const std::string& host)>;

  // `lookup` is called on threads that may outlive this object; empty: the system's resolver.
  explicit NameLookups(NameLookupLimits limits, Lookup lookup = {});

  // The addresses of the host ("192.0.2.1", "2001:db8::1") in the order in which they are to be
  // tried. kTimedOut after `timeout`, waiting for a thread included; kBusy when too many wait.
  Task<Result<std::vector<std::string>>> find(std::string host, std::uint64_t asker,
                                              Duration timeout);
  // find() of the asker, for dial(). This object outlives it.
  NameLookup of(std::uint64_t asker);

  struct Counts {
    std::size_t running = 0;      // lookups that have a thread, of them
    std::size_t written_off = 0;  // those that nobody waits for any more
  };
  Counts counts() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // also of its threads
};

}  // namespace fallow::net
