#include "runtime/cdi.h"

#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "base/file.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kCdiBytesMax = std::size_t{4} << 20;
constexpr std::string_view kDisplays = "/dev/dri/card";
constexpr std::string_view kParts = "/dev/nvidia-caps/";

bool is_plain_path(std::string_view path) {
  return path.starts_with('/') && path.find("/../") == path.npos && !path.ends_with("/..") &&
         path.find('\0') == path.npos;
}

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool is_numbered(std::string_view path, std::string_view stem) {
  return path.starts_with(stem) && path.size() > stem.size() &&
         path.find_first_not_of("0123456789", stem.size()) == path.npos;
}

std::string text_of(const YAML::Node& map, const char* name) {
  const YAML::Node value = map[name];
  return value && value.IsScalar() ? value.Scalar() : "";
}

void read_nodes(const YAML::Node& list, CdiEdits& edits) {
  for (const YAML::Node& node : list) {
    const std::string path = text_of(node, "path");
    const std::string host_path = text_of(node, "hostPath");
    const std::string type = text_of(node, "type");
    if (!is_plain_path(path) || (!host_path.empty() && host_path != path) ||
        (!type.empty() && type != "c" && type != "u")) {
      edits.left_out.push_back("the device " + path);
    } else if (!has(edits.device_nodes, path)) {
      edits.device_nodes.push_back(path);
    }
  }
}

void read_mounts(const YAML::Node& list, CdiEdits& edits) {
  for (const YAML::Node& mount : list) {
    std::string from = text_of(mount, "hostPath");
    std::string at = text_of(mount, "containerPath");
    const std::string type = text_of(mount, "type");
    if (is_plain_path(from) && is_plain_path(at) && (type.empty() || type == "bind")) {
      edits.mounts.emplace_back(std::move(from), std::move(at));
    } else {
      edits.left_out.push_back("the mount at " + at);
    }
  }
}

// A hook is a program that runs as root beside a stranger's files. None is ever run: of the known
// ones the effect is had in another way, or is not needed.
void read_hooks(const YAML::Node& list, CdiEdits& edits) {
  for (const YAML::Node& hook : list) {
    std::vector<std::string> words;
    for (const YAML::Node& word : hook["args"]) words.push_back(word.Scalar());
    const auto is_named = [&words](const char* name) {
      return std::find(words.begin(), words.end(), name) != words.end();
    };
    if (is_named("create-symlinks")) {
      for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const std::size_t colons = words[i + 1].find("::");
        if (words[i] != "--link" || colons == std::string::npos) continue;
        edits.links.emplace_back(words[i + 1].substr(0, colons), words[i + 1].substr(colons + 2));
      }
    } else if (!is_named("update-ldcache") && !is_named("chmod") &&
               !is_named("enable-cuda-compat") && !is_named("disable-device-node-modification")) {
      edits.left_out.push_back("the hook " + text_of(hook, "path") +
                               (words.size() > 1 ? " " + words[1] : ""));
    }
  }
}

CdiEdits read_edits(const YAML::Node& node) {
  CdiEdits edits;
  if (!node || !node.IsMap()) return edits;
  for (const YAML::Node& setting : node["env"]) {
    const std::string& text = setting.Scalar();
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    edits.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  read_nodes(node["deviceNodes"], edits);
  read_mounts(node["mounts"], edits);
  read_hooks(node["hooks"], edits);
  return edits;
}

void append_edits(CdiEdits& to, const CdiEdits& more) {
  const auto add = [](auto& all, const auto& some) {
    for (const auto& one : some) {
      if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
    }
  };
  add(to.environment, more.environment);
  add(to.device_nodes, more.device_nodes);
  add(to.mounts, more.mounts);
  add(to.links, more.links);
  add(to.left_out, more.left_out);
}

// The files by which the agent knows a device: of NVIDIA's its own, of others the render node.
std::vector<std::string> known_by(const CdiEdits& edits) {
  std::vector<std::string> own;
  for (const char* stem : {"/dev/nvidia", "/dev/dri/renderD"}) {
    for (const std::string& node : edits.device_nodes) {
      if (is_numbered(node, stem)) own.push_back(node);
    }
    if (!own.empty()) break;
  }
  return own;
}

bool is_part(const CdiEdits& edits) {
  return std::any_of(edits.device_nodes.begin(), edits.device_nodes.end(),
                     [](const std::string& node) { return node.starts_with(kParts); });
}

}  // namespace

bool is_one_device(std::string_view device_file) {
  return is_numbered(device_file, "/dev/nvidia") || is_numbered(device_file, "/dev/dri/renderD") ||
         is_numbered(device_file, kDisplays) || device_file.starts_with(kParts);
}

Result<CdiSpec> parse_cdi(std::string_view text) {
  CdiSpec spec;
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap()) return fail(ErrorCode::kInvalid, "it is no CDI specification");
    const std::string version = text_of(root, "cdiVersion");
    spec.kind = text_of(root, "kind");
    if (!version.starts_with("0.") && !version.starts_with("1.")) {
      return fail(ErrorCode::kInvalid, "it has the version '{}' of CDI, which is not known here",
                  version);
    }
    if (spec.kind.find('/') == std::string::npos || !root["devices"].IsSequence()) {
      return fail(ErrorCode::kInvalid, "it names no kind of device and no devices");
    }
    for (const YAML::Node& device : root["devices"]) {
      spec.devices.push_back({text_of(device, "name"), read_edits(device["containerEdits"])});
    }
    spec.edits = read_edits(root["containerEdits"]);
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::kInvalid, "it cannot be read: {}", error.what());
  }
  return spec;
}

std::vector<CdiSpec> read_cdi(const std::vector<std::string>& folders,
                              std::vector<std::string>& faults) {
  std::vector<CdiSpec> specs;
  for (const std::string& folder : folders) {
    std::vector<std::string> names = names_in(folder);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (!name.ends_with(".yaml") && !name.ends_with(".json")) continue;
      const std::string path = folder + "/" + name;
      struct stat info {};
      if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
      if ((info.st_uid != 0 && info.st_uid != ::geteuid()) || (info.st_mode & 022) != 0) {
        faults.push_back(path + " is not taken: others than root may write it");
        continue;
      }
      const auto text = read_file(path, kCdiBytesMax);
      auto spec = text ? parse_cdi(*text) : Result<CdiSpec>(tl::unexpected(text.error()));
      if (!spec) {
        faults.push_back(path + " is not taken: " + spec.error().message);
        continue;
      }
      spec->path = path;
      specs.push_back(std::move(*spec));
    }
  }
  return specs;
}

std::optional<CdiEdits> cdi_edits_for(const CdiSpec& spec,
                                      const std::vector<std::string>& device_files) {
  CdiEdits edits;
  bool found = false;
  for (const CdiSpec::Device& device : spec.devices) {
    const std::vector<std::string> own = known_by(device.edits);
    const bool is_leased = !own.empty() && !is_part(device.edits) &&
                           std::all_of(own.begin(), own.end(), [&](const std::string& node) {
                             return has(device_files, node);
                           });
    if (!is_leased) continue;
    found = true;
    append_edits(edits, device.edits);
  }
  if (!found) return std::nullopt;
  // What stands for all containers may name a device of another lease.
  CdiEdits shared = spec.edits;
  std::erase_if(shared.device_nodes, [](const std::string& node) { return is_one_device(node); });
  append_edits(edits, shared);
  // The same of a specification that was written before a device came or went: of NVIDIA's, whose
  // files alone tell which device is meant, no render node goes along.
  if (std::any_of(edits.device_nodes.begin(), edits.device_nodes.end(),
                  [](const std::string& node) { return is_numbered(node, "/dev/nvidia"); })) {
    std::erase_if(edits.device_nodes, [&](const std::string& node) {
      return is_one_device(node) && !has(device_files, node);
    });
  }
  std::erase_if(edits.device_nodes,
                [](const std::string& node) { return node.starts_with(kDisplays); });
  return edits;
}

}  // namespace fallow::runtime
