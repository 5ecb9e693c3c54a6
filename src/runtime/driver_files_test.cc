#include "runtime/driver_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "runtime/processes.h"

namespace fallow::runtime {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

// A made driver: files that only have the names.
class DriverFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_driver_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = std::filesystem::canonical(pattern);
    for (const char* name :
         {"libcuda.so.535.54", "libnvidia-ml.so.535.54", "libnvidia-glcore.so.535.54",
          "libnvidia-container.so.1.13", "libc.so.6"}) {
      std::ofstream(folder_ + "/" + name) << name;
    }
    link("libcuda.so.535.54", "libcuda.so.1");
    link("libnvidia-ml.so.535.54", "libnvidia-ml.so.1");
    link("libnvidia-ml.so.1", "libnvidia-ml.so");
    paths_.cdi_folders = {folder_ + "/cdi"};
    paths_.ldconfig = {"/bin/cat", folder_ + "/cache"};
    write_cache({"libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-glcore.so.535.54",
                 "libnvidia-container.so.1.13", "libc.so.6"});
  }
  void TearDown() override { remove_tree(folder_); }

  void link(const std::string& target, const std::string& name) {
    std::filesystem::create_symlink(target, folder_ + "/" + name);
  }
  void write_cache(const std::vector<std::string>& names) {
#if defined(__x86_64__)
    constexpr const char* kKind = "x86-64";
#else
    constexpr const char* kKind = "AArch64";
#endif
    std::ofstream cache(folder_ + "/cache");
    cache << "3 libs found in cache `/etc/ld.so.cache'\n";
    for (const std::string& name : names) {
      cache << "\t" << name << " (libc6) => /usr/lib32/" << name << "\n";
      cache << "\t" << name << " (libc6," << kKind << ") => " << folder_ << "/" << name << "\n";
    }
  }
  void write_spec(const std::string& name, const std::string& device, const std::string& library) {
    std::filesystem::create_directories(folder_ + "/cdi");
    std::ofstream(folder_ + "/cdi/" + name)
        << "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: x\n  containerEdits:\n"
        << "    deviceNodes: [{path: " << device << "}]\ncontainerEdits:\n"
        << "  env: [NVIDIA_VISIBLE_DEVICES=void, LD_PRELOAD=/x, FALLOW_X=y]\n"
        << "  deviceNodes: [{path: /dev/nvidiactl}, {path: /dev/nvidia-modeset}]\n"
        << "  hooks:\n  - path: /x\n    args: [x, create-symlinks, --link, "
           "libcuda.so.1::/usr/lib/libcuda.so]\n"
        << "  mounts:\n  - {hostPath: " << folder_ << "/" << library
        << ", containerPath: /usr/lib/x86_64-linux-gnu/" << library << "}\n"
        << "  - {hostPath: /bin/true, containerPath: /usr/bin/nvidia-smi}\n"
        << "  - {hostPath: /etc/hostname, containerPath: /etc/vulkan/icd.d/nvidia_icd.json}\n";
    ::chmod((folder_ + "/cdi/" + name).c_str(), 0644);
  }
  static std::string inside(const std::string& name) { return "/usr/local/nvidia/lib64/" + name; }

  std::string folder_;
  DriverPaths paths_;
};

TEST_F(DriverFilesTest, WithoutASpecificationTheLinkersLibrariesAreTaken) {
  const std::vector<std::string> devices = {"/dev/nvidia0", "/dev/nvidiactl"};
  const DriverFiles found = find_driver_files(devices, paths_);
  EXPECT_THAT(found.source, HasSubstr("the libraries of the host"));
  EXPECT_EQ(found.device_files, devices);
  // Under every name by which something may load them, and the one that programs load by hand.
  const std::string cuda = folder_ + "/libcuda.so.535.54";
  for (const char* name : {"libcuda.so.535.54", "libcuda.so.1", "libcuda.so"}) {
    EXPECT_THAT(found.files, Contains(Pair(cuda, inside(name)))) << name;
  }
  for (const char* name : {"libnvidia-ml.so.1", "libnvidia-ml.so", "libnvidia-glcore.so.535.54"}) {
    EXPECT_TRUE(found.has_library(name)) << name;
  }
  EXPECT_FALSE(found.has_library("libc.so.6"));
  EXPECT_FALSE(found.has_library("libnvidia-container.so.1.13"));
  for (const auto& [from, at] : found.files) EXPECT_THAT(from, Not(HasSubstr("lib32")));
}

TEST_F(DriverFilesTest, ASpecificationCountsFirst) {
  write_spec("nvidia.yaml", "/dev/nvidia0", "libcuda.so.535.54");
  const DriverFiles found = find_driver_files({"/dev/nvidia0", "/dev/nvidia-uvm"}, paths_);
  EXPECT_EQ(found.source, folder_ + "/cdi/nvidia.yaml");
  EXPECT_THAT(found.device_files, testing::ElementsAre("/dev/nvidia0", "/dev/nvidia-uvm",
                                                       "/dev/nvidiactl", "/dev/nvidia-modeset"));
  EXPECT_TRUE(found.has_library("libcuda.so.1"));
  EXPECT_TRUE(found.has_library("libcuda.so")) << "the link that a hook would have made";
  EXPECT_FALSE(found.has_library("libnvidia-ml.so.1")) << "it is not named there";
  EXPECT_THAT(found.files, Contains(Pair("/bin/true", "/usr/local/nvidia/bin/nvidia-smi")));
  EXPECT_THAT(found.environment, testing::ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "void")));
  EXPECT_THAT(found.notes, Contains(HasSubstr("nvidia_icd.json is left out")));
  for (const auto& [from, at] : found.files) {
    EXPECT_THAT(at, testing::StartsWith("/usr/local/nvidia/")) << from;
  }
  // Of another device it says nothing.
  EXPECT_THAT(find_driver_files({"/dev/nvidia1"}, paths_).source, HasSubstr("of the host"));
}

TEST_F(DriverFilesTest, OneOfBeforeTheDriversUpdateIsHelpedOut) {
  write_spec("nvidia.yaml", "/dev/nvidia0", "libcuda.so.470.1");
  const DriverFiles found = find_driver_files({"/dev/nvidia0"}, paths_);
  EXPECT_THAT(found.source, HasSubstr("nvidia.yaml, the libraries of the host"));
  EXPECT_THAT(found.files, Contains(Pair(folder_ + "/libcuda.so.535.54", inside("libcuda.so.1"))));
  EXPECT_THAT(found.notes, Contains(HasSubstr("1 libraries that are not there")));
  std::set<std::string> places;
  for (const auto& [from, at] : found.files) {
    EXPECT_TRUE(places.insert(at).second) << at << " twice";
  }
}

TEST_F(DriverFilesTest, WithoutNvidiaThereIsNothingToFind) {
  const std::vector<std::vector<std::string>> cases = {
      {}, {"/dev/null"}, {"/dev/nvidiactl"}, {"/dev/dri/renderD128"}};
  for (const std::vector<std::string>& devices : cases) {
    const DriverFiles found = find_driver_files(devices, paths_);
    EXPECT_TRUE(found.files.empty());
    EXPECT_TRUE(found.source.empty());
    EXPECT_EQ(found.device_files, devices);
  }
  paths_.ldconfig = {"/bin/false"};
  const DriverFiles broken = find_driver_files({"/dev/nvidia0"}, paths_);
  EXPECT_TRUE(broken.files.empty());
  EXPECT_THAT(broken.notes, Contains(HasSubstr("cache cannot be read")));
}

TEST_F(DriverFilesTest, TheOrdersOwnVariablesStay) {
  write_spec("nvidia.yaml", "/dev/nvidia0", "libcuda.so.535.54");
  LaunchFile launch;
  launch.spec.device_files = {"/dev/nvidia0"};
  launch.spec.environment = {{"PATH", "/image/bin"},
                             {"LD_LIBRARY_PATH", "/first"},
                             {"NVIDIA_VISIBLE_DEVICES", "mine"},
                             {"LD_LIBRARY_PATH", "/opt/lib:/usr/local/nvidia/lib64"},
                             {"PATH", "/order/bin"}};
  launch.driver = paths_;
  add_driver_files(launch);
  EXPECT_THAT(launch.spec.environment,
              testing::ElementsAre(Pair("PATH", "/image/bin"), Pair("LD_LIBRARY_PATH", "/first"),
                                   Pair("NVIDIA_VISIBLE_DEVICES", "mine"),
                                   Pair("LD_LIBRARY_PATH", "/opt/lib:/usr/local/nvidia/lib64"),
                                   Pair("PATH", "/order/bin:/usr/local/nvidia/bin")));
  LaunchFile none;
  none.spec.environment = {{"PATH", "/image/bin"}};
  none.driver = paths_;
  add_driver_files(none);
  EXPECT_TRUE(none.driver_files.empty());
  EXPECT_THAT(none.spec.environment, testing::ElementsAre(Pair("PATH", "/image/bin")));
}

}  // namespace
}  // namespace fallow::runtime
