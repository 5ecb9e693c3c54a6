#include "runtime/host_machines.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"

namespace fallow::runtime {

std::string why_no_kvm(const std::string& device) {
  const auto kvm = open_file(device, O_RDWR);
  if (!kvm) {
    return kvm.error().code == ErrorCode::kNotFound ? "there is no " + device : kvm.error().message;
  }
  // The number has been 12 since Linux 2.6.22.
  if (::ioctl(kvm->get(), KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
    return device + " does not speak as KVM does";
  }
  return "";
}

std::string kvm_remedy(const std::string& why) {
  if (why.find("there is no") != std::string::npos) {
    return "switch virtualization (VT-x, AMD-V) on in the firmware, and modprobe kvm_intel or "
           "kvm_amd; on a machine that is itself a virtual one, its host must allow nested "
           "virtualization";
  }
  return "run the agent as root, or as a user of the group kvm";
}

std::string why_no_vfio(const std::string& root) {
  if (names_in(root + "/sys/kernel/iommu_groups").empty()) return "the IOMMU is off";
  if (::access((root + "/sys/bus/pci/drivers/vfio-pci").c_str(), F_OK) != 0) {
    return "the driver vfio-pci is not loaded";
  }
  if (::access((root + "/dev/vfio/vfio").c_str(), F_OK) != 0) return "there is no /dev/vfio/vfio";
  return "";
}

std::string vfio_remedy(const std::string& why) {
  if (why.find("IOMMU") != std::string::npos) {
    return "switch VT-d or AMD-Vi on in the firmware, and boot Linux with intel_iommu=on or "
           "amd_iommu=on";
  }
  return "modprobe vfio-pci";
}

}  // namespace fallow::runtime
