#include <gtest/gtest.h>

#include <cstring>

#include "runtime/supervisor.h"

// The tests' own program is also the supervisor's, as the agent's is.
int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], fallow::runtime::kSupervisorMode) == 0) {
    return fallow::runtime::supervisor_main(argc - 2, argv + 2);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
