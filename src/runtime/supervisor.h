// The supervisor: a small process of its own for each workload.
//
// It is a program of its own (bin/supervisor), so that it outlives the agent and starts quickly. It
// makes the sandbox, keeps its output in bounded files, follows the agent's wishes, watches the
// limits that the kernel does not, kills the workload when its fence passes, and writes down how it
// ended. runtime/launch_file.h describes the files. One thread; no more memory than its buffers.
#pragma once

namespace fallow::runtime {

// Its first argument, by which others know it among the machine's processes: main() compares it and
// returns supervisor_main(argc - 2, argv + 2).
inline constexpr const char* kSupervisorMode = "workload-supervisor";

// Arguments: the lease's folder, with its `spec`. With "--probe" before it, the command is not the
// file's but `true`: exit status 0 when a sandbox of the file's kind ran it, else 1 and a sentence
// why not.
int supervisor_main(int argc, char** argv);

}  // namespace fallow::runtime
