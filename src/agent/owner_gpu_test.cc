#include "agent/owner_gpu.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "agent/owner_fixture_test.h"

namespace fallow::agent {
namespace {

// A driver's library with two devices. The first has three processes: 70 computes, 71 draws, 72
// does not say what memory it holds and has computed for 43 % in each of two samples. The other has
// none, and counts its time from elsewhere.
constexpr const char* kLibrary = R"(
#include <string.h>
struct process { unsigned pid; unsigned long long bytes; unsigned gpu, compute; };
struct sample { unsigned pid; unsigned long long at; unsigned sm, memory, encoder, decoder; };
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned* count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = index == 0 ? "x" : "y";
  return 0;
}
static int is_second(void* device) { return strcmp(device, "y") == 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(void* device, unsigned* count, struct process* out) {
  if (*count < 2) return 7;
  *count = is_second(device) ? 0 : 2;
  if (*count == 0) return 0;
  out[0] = (struct process){70, 3000ull << 20, 0, 0};
  out[1] = (struct process){72, ~0ull, 0, 0};
  return 0;
}
int nvmlDeviceGetGraphicsRunningProcesses_v2(void* device, unsigned* count, struct process* out) {
  if (*count < 1) return 7;
  *count = is_second(device) ? 0 : 1;
  if (*count == 0) return 0;
  out[0] = (struct process){71, 200ull << 20, 0, 0};
  return 0;
}
int nvmlDeviceGetProcessUtilization(void* device, struct sample* out, unsigned* count,
                                    unsigned long long since) {
  if (since >= (is_second(device) ? 9000000 : 2000)) return 6;
  if (*count < 1) return 7;
  *count = 1;
  out[0] = (struct sample){is_second(device) ? 73 : 72, since + 1000, 43, 1, 0, 0};
  if (is_second(device)) out[0].at = 9000000;
  return 0;
}
)";

class GpuSignsTest : public OwnerTreeTest {
 protected:
  void SetUp() override {
    if (std::system("cc --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no C compiler here";
    put("nvml.c", kLibrary);
    const std::string library = root_ + "/libnvidia-ml.so.1";
    const std::string build = "cc -w -shared -fPIC -o " + library + " " + root_ + "/nvml.c";
    ASSERT_EQ(std::system(build.c_str()), 0);
    library_ = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << ::dlerror();
  }
  void TearDown() override {
    if (library_ != nullptr) ::dlclose(library_);
  }
  GpuSigns signs(std::uint32_t memory_mb, std::uint32_t percent) {
    return {Nvml(library_), {memory_mb, percent}, root_, 50, "workload-supervisor"};
  }
  // At its second look: the first passes over what was used before.
  std::optional<std::string> second_look(std::uint32_t percent) {
    GpuSigns used = signs(0, percent);
    EXPECT_FALSE(used.look());
    return used.look();
  }
  void* library_ = nullptr;
};

TEST_F(GpuSignsTest, AProcessThatIsNoRentersIsTheOwners) {
  put_process(70, 1, "blender", "");
  put_process(71, 1, "Xorg", "");
  EXPECT_EQ(signs(1'000, 0).look(), "blender holds a GPU's memory");
  EXPECT_FALSE(signs(4'000, 0).look());
  EXPECT_FALSE(signs(1'000, 50).look() == "blender uses a GPU");
  EXPECT_FALSE(second_look(20)) << "72 is gone already";
  put_process(72, 1, "doom", "");
  GpuSigns used = signs(0, 20);
  ASSERT_TRUE(used.has_devices());
  EXPECT_FALSE(used.look()) << "that was used before anybody watched";
  EXPECT_EQ(used.look(), "doom uses a GPU");
  EXPECT_FALSE(used.look()) << "that use was told already";
  EXPECT_FALSE(second_look(44));
}

TEST_F(GpuSignsTest, ARentersIsNot) {
  put_process(60, 1, "fallow", "", std::string("fallow\0workload-supervisor\0", 27));
  put_process(70, 60, "python3", "");
  put_process(72, 50, "fallow", "");  // the agent's own proof of the device
  EXPECT_FALSE(signs(1'000, 20).look());
  EXPECT_FALSE(second_look(20));
}

TEST_F(GpuSignsTest, WhoseParentIsGoneIsNobodysSign) {
  put_process(70, 69, "blender", "");
  EXPECT_FALSE(signs(1'000, 0).look());
}

TEST_F(GpuSignsTest, WithoutALibraryThereAreNoDevices) {
  const GpuSigns none(Nvml(nullptr), {1, 1}, root_, 50, "");
  EXPECT_FALSE(none.has_devices());
}

}  // namespace
}  // namespace fallow::agent
