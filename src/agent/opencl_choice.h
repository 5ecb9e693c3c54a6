// OpenClChoice: which of the devices that OpenCL lists stand for devices of the node, and which
// device files are theirs.
//
// A machine may have several OpenCL drivers, and each lists a card that it can drive: the same
// card must not be offered twice, and no lease must be given the files of another's card. What
// cannot be told apart is left out.
//
// Values and the files of /sys and /dev; no driver is asked. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace fallow::agent {

constexpr std::uint32_t kNvidiaVendor = 0x10DE;
constexpr std::uint32_t kAmdVendor = 0x1002;

// What a device says of itself.
struct OpenClFacts {
  std::size_t platform = 0;  // the place of its driver in the list
  bool is_processor = false;
  std::uint32_t vendor = 0;  // of its maker, by the PCI numbers
  std::string pci;           // "0000:03:00.0"; empty: its driver does not say
};

class OpenClChoice {
 public:
  // `has_nvml`: NVML lists NVIDIA's. `root`: the folder that stands for /, for tests.
  explicit OpenClChoice(bool has_nvml, std::string root = "")
      : has_nvml_(has_nvml), root_(std::move(root)) {}

  struct Verdict {
    bool is_taken = false;
    std::string why;                 // not, where the owner can do something about it
    std::vector<std::string> files;  // that it needs, shared ones included
  };
  // In the order of platforms, each device once. Of several that are the same card the first is
  // taken. A GPU whose driver does not say where it sits may be any card of its maker that another
  // driver has listed: such ones are taken of one driver only.
  Verdict judge(const OpenClFacts& device);

 private:
  struct Maker {
    std::size_t platform = 0;    // the first that one of its GPUs was taken of
    bool has_placeless = false;  // one of those does not say where it sits
  };
  bool is_double(const OpenClFacts& device) const;
  // In /dev/dri. Nothing: they cannot be told from those of other devices.
  std::optional<std::vector<std::string>> render_nodes_of(const OpenClFacts& device) const;

  const bool has_nvml_;
  const std::string root_;
  bool has_processor_ = false;
  std::set<std::string> places_;  // PCI addresses of those that were taken
  std::set<std::string> nodes_;   // and their files in /dev/dri
  std::map<std::uint32_t, Maker> makers_;
};

}  // namespace fallow::agent
