// ProveChoice: which of the devices that OpenCL lists proves for which of the node's.
//
// By the PCI address where both sides know it: drivers list devices in orders of their own, and a
// card must not be asked what another has promised. Values; no driver is asked.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fallow::agent {

// A device that OpenCL lists.
struct ProveCandidate {
  std::string kind;  // a word of agent/prove.h: "nvidia", "gpu" or "cpu"
  std::string pci;   // "0000:03:00.0"; empty: its driver does not say
};

// For each word of agent/prove.h the place of its candidate; nothing: there is none. GPUs that
// know no address are taken in their order, by words that found none at theirs.
std::vector<std::optional<std::size_t>> choose_provers(
    const std::vector<std::string_view>& words, const std::vector<ProveCandidate>& candidates);

}  // namespace fallow::agent
