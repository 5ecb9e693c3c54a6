// What /proc says of processes, and small files of the kernel in general, as far as the owner watch
// asks.
//
// Pure functions over a root ("" is the machine's, tests make their own); any thread. A process
// that is gone meanwhile answers as one of which nothing is known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fallow::agent {

// The first line of a small file; "" when it cannot be read.
std::string first_line(const std::string& path);

// The numbered folders of <root>/proc, in no order.
std::vector<int> process_ids(const std::string& root);
// Its short name (at most 15 bytes) and the file name of its program, which only its own user and
// root may see.
struct ProcessNames {
  std::string name;
  std::string program;
};
ProcessNames process_names(const std::string& root, int pid);

// Whether it has ended: it is gone, or only waits for its parent to notice.
bool has_ended(const std::string& root, int pid);

// Whose it is. The agent's, or a renter's: it, or a process that it descends from, is `agent` or
// was started in the hidden mode `mark` (runtime/supervisor.h). Unknown: it, or one that it
// descends from, ended while it was asked for, some times over.
enum class Whose : std::uint8_t { kOthers, kAgents, kUnknown };
Whose whose_process(const std::string& root, int pid, int agent, const std::string& mark);

}  // namespace fallow::agent
