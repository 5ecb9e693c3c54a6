#include "agent/data_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/file.h"

namespace fallow::agent {
namespace {

constexpr std::string_view kKey = "node.key";
constexpr std::string_view kMembership = "membership";
// May be there before the key is: who starts an agent may write down there what it says.
constexpr std::array<std::string_view, 3> kEarly{"owner-policy.toml", "owner", "agent.log"};
// The service's home is this folder, where drivers of devices keep what they compile.
constexpr std::array<std::string_view, 9> kLater{"workloads",  "images",        "kernels",
                                                 "notes",      "owner-history", "energy",
                                                 "agent.lock", ".cache",        ".nv"};
// Of a file that is being replaced (base/file.h).
constexpr std::string_view kBeside = ".new";
// Of the file system itself.
constexpr std::string_view kFound = "lost+found";

bool is_there(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

bool is_early(std::string_view name) {
  if (name.ends_with(kBeside)) name.remove_suffix(kBeside.size());
  return name == kFound || name == kKey ||
         std::find(kEarly.begin(), kEarly.end(), name) != kEarly.end();
}

}  // namespace

bool is_agents_folder(const std::string& folder) {
  return is_there(folder + "/" + std::string(kKey));
}

Status check_takes_agent(const std::string& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return tl::unexpected(file_error("look into", folder, errno));
  }
  if (!S_ISDIR(info.st_mode)) return fail(ErrorCode::kInvalid, "{} is no folder", folder);
  if (is_agents_folder(folder)) return {};
  for (const std::string& name : names_in(folder)) {
    if (is_early(name)) continue;
    return fail(ErrorCode::kInvalid,
                "{} holds other things ({}), and no node's key: give an agent a folder of its own, "
                "as {}/fallow-agent",
                folder, name, folder);
  }
  return {};
}

std::vector<std::string> agents_names_in(const std::string& folder) {
  std::vector<std::string> names;
  const bool all = is_agents_folder(folder);
  if (!all && !check_takes_agent(folder)) return names;
  const auto add = [&](std::string_view name) {
    const std::string beside = std::string(name) + std::string(kBeside);
    if (is_there(folder + "/" + beside)) names.push_back(beside);
    if (is_there(folder + "/" + std::string(name))) names.emplace_back(name);
  };
  for (const std::string_view name : kEarly) add(name);
  if (all) {
    for (const std::string_view name : kLater) add(name);
    add(kMembership);
  }
  add(kKey);
  return names;
}

}  // namespace fallow::agent
