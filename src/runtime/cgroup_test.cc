#include "runtime/cgroup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace fallow::runtime {
namespace {

// The parent goes when another agent of this machine, which shares it, is removed.
TEST(Cgroup, AParentThatIsGoneIsMadeAnew) {
  const auto parents = find_cgroup_parents();
  if (parents.empty()) GTEST_SKIP() << "no control groups can be made here";
  const std::string above = parents[0] + "/test-" + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(above.c_str(), 0755), 0);
  const std::string parent = above + "/fallow";
  const Cgroup group({parent}, "7-1", {.processes_max = 5});
  EXPECT_FALSE(group.oci_path().empty());
  EXPECT_TRUE(std::filesystem::exists(parent + "/7-1/cgroup.procs"));
  for (const std::string& folder : {parent + "/7-1", parent, above}) ::rmdir(folder.c_str());
  EXPECT_FALSE(std::filesystem::exists(above));
}

}  // namespace
}  // namespace fallow::runtime
