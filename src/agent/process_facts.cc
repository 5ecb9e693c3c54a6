#include "agent/process_facts.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

#include "base/file.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kStatBytesMax = 4096;
constexpr std::size_t kWordsBytesMax = std::size_t{4} << 20;
constexpr int kAncestorsMax = 256;

std::string folder_of(const std::string& root, int pid) {
  return root + "/proc/" + std::to_string(pid) + "/";
}

// The fourth field; the second is its name in brackets, which may hold anything.
int parent_of(const std::string& root, int pid) {
  const auto text = read_file(folder_of(root, pid) + "stat", kStatBytesMax);
  const std::size_t close = text ? text->rfind(") ") : std::string::npos;
  int parent = 0;
  if (close == std::string::npos || text->size() < close + 5) return 0;
  std::from_chars(text->data() + close + 4, text->data() + text->size(), parent);
  return parent;
}

// Its second word.
std::string mode_of(const std::string& root, int pid) {
  const auto words = read_file(folder_of(root, pid) + "cmdline", kWordsBytesMax);
  const std::size_t first = words ? words->find('\0') : std::string::npos;
  if (first == std::string::npos) return "";
  return words->substr(first + 1, words->find('\0', first + 1) - first - 1);
}

}  // namespace

std::string first_line(const std::string& path) {
  const auto text = read_file(path, kStatBytesMax);
  return text ? text->substr(0, text->find('\n')) : "";
}

std::vector<int> process_ids(const std::string& root) {
  std::vector<int> ids;
  for (const std::string& name : names_in(root + "/proc")) {
    int pid = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (read.ptr == name.data() + name.size() && pid > 0) ids.push_back(pid);
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

bool is_of_agent(const std::string& root, int pid, int agent, const std::string& mark) {
  for (int steps = 0; pid > 1 && steps < kAncestorsMax; ++steps) {
    if (pid == agent || mode_of(root, pid) == mark) return true;
    pid = parent_of(root, pid);
  }
  return false;
}

}  // namespace fallow::agent
