// Specifications of the Container Device Interface (CNCF, versions 0.3 to 1.x): what the maker of a
// device says a container needs for it. Read as far as it is used here.
//
// An administrator, or a driver's own program, wrote them; a file that others may write is not
// taken. Free functions; they read the host's files, no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fallow::runtime {

// Absolute paths, none of which leads upwards.
struct CdiEdits {
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> device_nodes;                    // the same on the host and inside
  std::vector<std::pair<std::string, std::string>> mounts;  // on the host, inside
  // Links that a hook was to make inside: what they point at, where they stand.
  std::vector<std::pair<std::string, std::string>> links;
  // What was asked for beside that, in words. None of it is done.
  std::vector<std::string> left_out;
};

struct CdiSpec {
  std::string path;  // of its file
  std::string kind;  // "nvidia.com/gpu"
  struct Device {
    std::string name;
    CdiEdits edits;
  };
  std::vector<Device> devices;
  CdiEdits edits;  // of every container that gets one of them
};

// kInvalid with a sentence when it is no specification.
Result<CdiSpec> parse_cdi(std::string_view text);

// Of the folders, the first ones counting most; in each by name. A sentence in `faults` for each
// that is not taken.
std::vector<CdiSpec> read_cdi(const std::vector<std::string>& folders,
                              std::vector<std::string>& faults);

// What the specification says for those of its devices that are among `device_files`, and for them
// alone: nothing when none is. Device nodes of others, of displays and of parts of devices are left
// out.
std::optional<CdiEdits> cdi_edits_for(const CdiSpec& spec,
                                      const std::vector<std::string>& device_files);

// "/dev/nvidia0", "/dev/dri/renderD128": one device, not what all of a driver's share.
bool is_one_device(std::string_view device_file);

}  // namespace fallow::runtime
