// The program that is process 1 of every sandbox (runtime/init/init.cc), carried inside this one.
#pragma once

#include <string>
#include <string_view>

namespace fallow::runtime {

// The bytes of the static program. Valid for ever.
std::string_view sandbox_init();

// Where it lies inside, and where the agent's own program does that proves devices.
inline constexpr std::string_view kInitPath = "/.init";
inline constexpr std::string_view kProverPath = "/.prover";

// The TIE of runtime/init/init.cc: `tie`, of a command that is joined to who enters first or not.
std::string init_tie(std::string_view tie, bool is_joined);

// The exit code that stands for a command that cannot be run, and what it says then, before "NAME:
// reason".
constexpr int kNotFoundCode = 127;
inline constexpr std::string_view kInitExecFailed = "fallow-init: ";

// "NAME: reason", when that is how the workload's error output begins; else empty.
std::string init_error(std::string_view err_head);

}  // namespace fallow::runtime
