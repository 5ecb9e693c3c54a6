// What this host has for virtual machines: KVM, and what VFIO would need to give one a GPU.
//
// Free functions; they look at the host's files, no state.
#pragma once

#include <string>

namespace fallow::runtime {

// Why the processor cannot be lent to a virtual machine, as a sentence; empty: it can.
std::string why_no_kvm(const std::string& device = "/dev/kvm");
// What to do about it.
std::string kvm_remedy(const std::string& why);

// What is missing to give a GPU to a virtual machine, as a sentence; empty: nothing of the host's.
// `root`: the folder that stands for /, for tests.
std::string why_no_vfio(const std::string& root = "");
// What to do about it.
std::string vfio_remedy(const std::string& why);

}  // namespace fallow::runtime
