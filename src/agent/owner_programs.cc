#include "agent/owner_programs.h"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include "agent/process_facts.h"

namespace fallow::agent {
namespace {

constexpr Duration kYoungFor = seconds(3);
constexpr Duration kAllEvery = seconds(30);
constexpr std::size_t kNameBytesMax = 15;  // the kernel keeps no more of a name

}  // namespace

ProgramSigns::ProgramSigns(std::string root, std::vector<std::string> names, int agent,
                           std::string mark)
    : root_(std::move(root)), names_(std::move(names)), agent_(agent), mark_(std::move(mark)) {}

bool ProgramSigns::is_named(const std::string& name) const {
  return !name.empty() &&
         std::any_of(names_.begin(), names_.end(), [&name](const std::string& pattern) {
           if (::fnmatch(pattern.c_str(), name.c_str(), 0) == 0) return true;
           // Cut by the kernel, so that only its begin can be compared.
           return name.size() == kNameBytesMax && pattern.starts_with(name);
         });
}

std::optional<std::string> ProgramSigns::examine(int pid) const {
  const ProcessNames names = process_names(root_, pid);
  // What the kernel has cut off a name, the file still has.
  const bool is_whole = names.name.size() < kNameBytesMax || !names.program.starts_with(names.name);
  const std::string found = is_named(names.program)            ? names.program
                            : is_whole && is_named(names.name) ? names.name
                                                               : std::string();
  if (found.empty() || has_ended(root_, pid) ||
      whose_process(root_, pid, agent_, mark_) != Whose::kOthers) {
    return std::nullopt;
  }
  return found;
}

// "0.20 0.18 0.12 1/80 11206": the last number changes with every new process.
std::string ProgramSigns::newest() const {
  const std::string line = first_line(root_ + "/proc/loadavg");
  return line.substr(line.rfind(' ') + 1);
}

std::optional<std::string> ProgramSigns::look(Time now) {
  const std::string newest = this->newest();
  const bool all = !all_at_ || now >= *all_at_;
  if (all || newest.empty() || newest != newest_ || now < settled_at_) {
    const bool first = !all_at_;
    std::map<int, Time> known;
    if (all) runs_.clear();
    for (const int pid : process_ids(root_)) {
      const auto before = known_.find(pid);
      const bool is_new = before == known_.end();
      const Time until = is_new && !first ? now + kYoungFor : is_new ? now : before->second;
      known.emplace_hint(known.end(), pid, until);
      if (until > now) settled_at_ = std::max(settled_at_, until);
      if (!all && !is_new && until <= now) continue;
      if (auto found = examine(pid)) runs_[pid] = std::move(*found);
    }
    known_ = std::move(known);
    newest_ = newest;
    if (all) all_at_ = now + kAllEvery;
  }
  for (auto it = runs_.begin(); it != runs_.end();) {
    if (has_ended(root_, it->first)) {
      it = runs_.erase(it);
    } else {
      return "program " + it->second + " runs";
    }
  }
  return std::nullopt;
}

}  // namespace fallow::agent
