// The hidden mode that proves: this program once more, with the drivers loaded, so that one that
// hangs or crashes takes nothing of the agent with it, and its memory goes with it.
//
// It reads asks from its standard input and writes answers to its standard output, each a length of
// four bytes, little-endian, and a message. All devices at once; it ends with its input.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fallow::agent {

// The word by which main() knows the mode; behind it one word a device, in their order:
//   nvidia   the next of NVIDIA's            gpu   the next of any other maker's
//   cpu      the processor                   any   whatever there is: what a declared device gets
// The first two with its PCI address where the inventory knows it: nvidia@0000:01:00.0
inline constexpr const char* kProveMode = "prove-devices";
int prove_devices_main(int argc, char** argv);

constexpr std::size_t kProofFrameBytesMax = std::size_t{8} << 20;
std::string proof_frame(std::string_view message);

}  // namespace fallow::agent
