#include "agent/process_facts.h"

#include <unistd.h>

#include <array>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "base/number.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kStatBytesMax = 4096;
constexpr std::size_t kWordsBytesMax = std::size_t{4} << 20;
constexpr int kAncestorsMax = 256;
constexpr int kTriesMax = 4;

std::string folder_of(const std::string& root, int pid) {
  return root + "/proc/" + std::to_string(pid) + "/";
}

struct ProcessStat {
  char state = 0;
  int parent = 0;
};

// The third and the fourth field; the second is its name in brackets, which may hold anything.
std::optional<ProcessStat> stat_of(const std::string& root, int pid) {
  const auto text = read_file(folder_of(root, pid) + "stat", kStatBytesMax);
  const std::size_t close = text ? text->rfind(") ") : std::string::npos;
  if (close == std::string::npos || text->size() < close + 5) return std::nullopt;
  const std::string_view rest = std::string_view(*text).substr(close + 2);
  const auto parent = parse_number<int>(rest.substr(2, rest.find(' ', 2) - 2));
  if (!parent) return std::nullopt;
  return ProcessStat{rest[0], *parent};
}

// Its second word.
std::string mode_of(const std::string& root, int pid) {
  const auto words = read_file(folder_of(root, pid) + "cmdline", kWordsBytesMax);
  const std::size_t first = words ? words->find('\0') : std::string::npos;
  if (first == std::string::npos) return "";
  return words->substr(first + 1, words->find('\0', first + 1) - first - 1);
}

Whose descent_of(const std::string& root, int pid, int agent, const std::string& mark) {
  for (int steps = 0; steps < kAncestorsMax; ++steps) {
    if (pid <= 1) return Whose::kOthers;
    if (pid == agent || mode_of(root, pid) == mark) return Whose::kAgents;
    const auto stat = stat_of(root, pid);
    // Of one that is just being forgotten the kernel says 0, as of one that entered from outside.
    if (!stat || (stat->parent == 0 && !stat_of(root, pid))) return Whose::kUnknown;
    pid = stat->parent;
  }
  return Whose::kUnknown;
}

}  // namespace

std::string first_line(const std::string& path) {
  const auto text = read_file(path, kStatBytesMax);
  return text ? text->substr(0, text->find('\n')) : "";
}

std::vector<int> process_ids(const std::string& root) {
  std::vector<int> ids;
  for (const std::string& name : names_in(root + "/proc")) {
    const auto pid = parse_number<int>(name);
    if (pid && *pid > 0) ids.push_back(*pid);
  }
  return ids;
}

ProcessNames process_names(const std::string& root, int pid) {
  ProcessNames names;
  const std::string folder = folder_of(root, pid);
  names.name = first_line(folder + "comm");
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink((folder + "exe").c_str(), path.data(), path.size());
  if (size > 0) {
    const std::string_view program(path.data(), static_cast<std::size_t>(size));
    names.program = program.substr(program.rfind('/') + 1);
  }
  return names;
}

bool has_ended(const std::string& root, int pid) {
  const auto stat = stat_of(root, pid);
  return !stat || stat->state == 'Z' || stat->state == 'X';
}

Whose whose_process(const std::string& root, int pid, int agent, const std::string& mark) {
  Whose whose = Whose::kUnknown;
  // Who has lost its parent meanwhile has another one at the next try.
  for (int tries = 0; whose == Whose::kUnknown && tries < kTriesMax; ++tries) {
    whose = descent_of(root, pid, agent, mark);
  }
  return whose;
}

}  // namespace fallow::agent
