#include "cli/agent_unit.h"

#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "cli/agent_unit_template.h"

namespace fallow::cli {
namespace {

// Lines of it stand before and behind what only the machine's own systemd is told.
constexpr std::string_view kSystemOnly = "#system\n";
constexpr std::size_t kUnitBytesMax = 64 << 10;

// Nothing else has a meaning of its own in a unit: '%' and '$' are expanded, blanks part words.
bool is_plain_path(std::string_view path) {
  return path.starts_with('/') && path.find_first_not_of(
                                      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789/._+-@=,") == std::string_view::npos;
}

void fill_in(std::string& text, std::string_view name, std::string_view value) {
  for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += value.size()) {
    text.replace(at, name.size(), value);
  }
}

// "a #system\n b #system\n c": with b or without it.
std::string choose_parts(std::string_view text, bool system) {
  std::string chosen;
  for (bool is_system_part = false;; is_system_part = !is_system_part) {
    const std::size_t mark = text.find(kSystemOnly);
    if (system || !is_system_part) chosen += text.substr(0, mark);
    if (mark == std::string_view::npos) return chosen;
    text.remove_prefix(mark + kSystemOnly.size());
  }
}

bool is_in(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

// Which ProtectHome= hides.
bool is_in_homes(std::string_view path) {
  return is_in(path, "/home") || is_in(path, "/root") || is_in(path, "/run/user");
}

// Of which PrivateTmp= gives the service its own.
bool is_in_tmp(std::string_view path) { return is_in(path, "/tmp") || is_in(path, "/var/tmp"); }

}  // namespace

Result<AgentUnit> usual_agent_unit(bool user, std::string program) {
  AgentUnit unit{.user = user, .program = std::move(program)};
  if (!user) {
    unit.data = "/var/lib/fallow-agent";
    unit.options_file = "/etc/default/fallow-agent";
    unit.unit_file = "/etc/systemd/system/fallow-agent.service";
    unit.enabled_link = "/etc/systemd/system/multi-user.target.wants/fallow-agent.service";
    return unit;
  }
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home != '/') {
    return fail(ErrorCode::kInvalid,
                "HOME names no folder, so there is no place for a user's unit");
  }
  const auto place = [home](const char* variable, const char* usual) {
    const char* const set = std::getenv(variable);
    return set != nullptr && *set == '/' ? std::string(set) : std::string(home) + usual;
  };
  const std::string config = place("XDG_CONFIG_HOME", "/.config");
  unit.data = place("XDG_DATA_HOME", "/.local/share") + "/fallow";
  unit.options_file = config + "/fallow/agent.options";
  unit.unit_file = config + "/systemd/user/fallow-agent.service";
  unit.enabled_link = config + "/systemd/user/default.target.wants/fallow-agent.service";
  return unit;
}

Result<std::string> agent_unit_text(const AgentUnit& unit) {
  for (const std::string* const path : {&unit.program, &unit.data, &unit.options_file}) {
    if (is_plain_path(*path)) continue;
    return fail(ErrorCode::kInvalid,
                "'{}' cannot stand in a systemd unit: give an absolute path of letters, digits and "
                "any of ._+-@=,",
                *path);
  }
  for (const std::string* const path : {&unit.program, &unit.data}) {
    if (unit.user || !is_in_tmp(*path)) continue;
    return fail(ErrorCode::kInvalid,
                "a service of the machine has a /tmp of its own and would not find {}: put it "
                "elsewhere",
                *path);
  }
  std::string text = choose_parts({kAgentUnitTemplate, kAgentUnitTemplateBytes}, !unit.user);
  // The template's own heading speaks of the template.
  text.erase(0, text.find("[Unit]"));
  const bool needs_homes = is_in_homes(unit.data) || is_in_homes(unit.program);
  fill_in(text, "@PROGRAM@", unit.program);
  fill_in(text, "@DATA@", unit.data);
  fill_in(text, "@OPTIONS@", unit.options_file);
  fill_in(text, "@HOMES@", needs_homes ? "no" : "yes");
  fill_in(text, "@TARGET@", unit.user ? "default.target" : "multi-user.target");
  return text;
}

std::string installed_data(const AgentUnit& unit, const std::string& root) {
  constexpr std::string_view kBefore = " agent --data ";
  const auto text = read_file(root + unit.unit_file, kUnitBytesMax);
  const std::size_t begin = text ? text->find(kBefore) : std::string::npos;
  if (begin == std::string::npos) return unit.data;
  const std::size_t end = text->find(' ', begin + kBefore.size());
  return text->substr(begin + kBefore.size(), end - begin - kBefore.size());
}

Result<std::string> agent_options_text(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    const bool has_blank = word.find(' ') != std::string::npos;
    if (word.find_first_of("'\"\\$`\n\r\t%") != std::string::npos) {
      return fail(ErrorCode::kInvalid,
                  "{} cannot be kept in a unit's options: leave out quotes, backslashes, dollar "
                  "signs, percent signs and line ends",
                  word);
    }
    line += (line.empty() ? "" : " ") + (has_blank ? "'" + word + "'" : word);
  }
  return "# Options of `fallow agent`, as `fallow agent install` was given them. A token of --join "
         "is "
         "used once.\nFALLOW_AGENT_OPTIONS=\"" +
         line + "\"\n";
}

}  // namespace fallow::cli
