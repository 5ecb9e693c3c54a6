// Inventory: what this machine has to offer.
//
// Drivers may hang, so they are asked by a process of their own (this program in a hidden mode)
// with a time limit: NVML by dlopen, then every OpenCL platform. A GPU is listed once, whichever
// drivers know it. The processor, through PoCL, is a device of kind CPU.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/launch.h"
#include "base/result.h"
#include "base/types.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

// The word by which the program knows that it is to ask the drivers: main() compares its first
// argument with it and returns probe_devices_main().
inline constexpr const char* kProbeMode = "probe-devices";
int probe_devices_main();
// The first word of a line of its that names no device: a tab and a sentence for the owner follow.
inline constexpr std::string_view kProbeNote = "note";

struct InventoryOptions {
  std::vector<std::string> probe = {"/proc/self/exe", kProbeMode};
  Duration probe_max = seconds(20);
  // --device texts. When there are any, they stand for the machine's devices, for tests and
  // simulations: no driver is asked.
  std::vector<std::string> declared;
};

// Numbered from 0. kInvalid for a --device text that cannot be understood; drivers that do not
// answer, and GPUs that cannot be told apart, only make the list shorter (`warnings` says so).
Result<std::vector<LocalDevice>> find_devices(const InventoryOptions& options,
                                              std::vector<std::string>& warnings);

// "model=RTX_4090,memory_gb=24[,kind=gpu|cpu][,count=2]": the devices it declares.
Result<std::vector<v1::Device>> parse_declared(std::string_view text);

// What the probe printed, as devices, and its notes as `warnings`; lines that are not understood
// are left out.
std::vector<LocalDevice> parse_probe(std::string_view text, std::vector<std::string>& warnings);

// "NVIDIA GeForce RTX 4090" -> "RTX_4090": makers' names left out, blanks as underscores.
std::string model_name(std::string_view name);

// Everything but the devices: processor, memory, free disk at `data_folder`.
v1::NodeFacts machine_facts(std::string name, std::string region, const std::string& data_folder);

}  // namespace fallow::agent
