#include "runtime/guest_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "runtime/guest_archive.h"
#include "runtime/host_machines.h"
#include "runtime/levels.h"
#include "runtime/processes.h"

namespace fallow::runtime {
namespace {

using testing::HasSubstr;

class GuestKernelTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_kernel_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { remove_tree(root_); }

  void write(const std::string& path, const std::string& text = "x") const {
    std::filesystem::create_directories((root_ + path).substr(0, (root_ + path).rfind('/')));
    ASSERT_TRUE(replace_file(root_ + path, text));
  }
  void install(const std::string& version, const std::vector<std::string>& modules) const {
    write("/boot/vmlinuz-" + version);
    for (const std::string& module : modules) {
      write("/lib/modules/" + version + "/kernel/" + module);
    }
  }

  const std::vector<std::string> all_ = {
      "drivers/virtio/virtio_ring.ko",  "drivers/virtio/virtio_pci.ko",
      "drivers/char/virtio_console.ko", "net/9p/9pnet.ko",
      "net/9p/9pnet_virtio.ko",         "fs/9p/9p.ko"};
  std::string root_;
};

TEST_F(GuestKernelTest, TheNewestThatHasWhatMachinesNeedIsTaken) {
  MicrovmTools tools;
  EXPECT_FALSE(find_guest_kernel({root_}, tools));
  install("6.1.0-9-amd64", all_);
  install("6.1.0-10-amd64", all_);
  install("6.12.0-cloud-amd64", {"drivers/virtio/virtio_pci.ko", "drivers/char/virtio_console.ko"});
  ASSERT_TRUE(find_guest_kernel({root_ + "/none", root_}, tools));
  EXPECT_EQ(tools.kernel, root_ + "/boot/vmlinuz-6.1.0-10-amd64");
  ASSERT_EQ(tools.modules.size(), all_.size());
  // Each behind those that it needs.
  for (std::size_t i = 0; i < all_.size(); ++i) {
    EXPECT_EQ(tools.modules[i], root_ + "/lib/modules/6.1.0-10-amd64/kernel/" + all_[i]);
  }
}

TEST_F(GuestKernelTest, WhatIsBuiltInNeedsNoModule) {
  MicrovmTools tools;
  install("7.0", {all_[1], all_[2], all_[3], all_[4]});
  const Status none = find_guest_kernel({root_}, tools);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("fs/9p/9p.ko"));
  write("/lib/modules/7.0/modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/fs/9p/9p.ko\n");
  ASSERT_TRUE(find_guest_kernel({root_}, tools));
  EXPECT_EQ(tools.modules.size(), 4U);
}

TEST_F(GuestKernelTest, WhatTheHostLacksIsSaidAndHowToGetIt) {
  EXPECT_EQ(why_no_kvm(root_ + "/kvm"), "there is no " + root_ + "/kvm");
  EXPECT_THAT(kvm_remedy(why_no_kvm(root_ + "/kvm")), HasSubstr("firmware"));
  EXPECT_THAT(why_no_kvm("/dev/null"), HasSubstr("does not speak"));
  EXPECT_THAT(why_no_vfio(root_), HasSubstr("IOMMU"));
  EXPECT_THAT(vfio_remedy(why_no_vfio(root_)), HasSubstr("intel_iommu=on"));
  std::filesystem::create_directories(root_ + "/sys/kernel/iommu_groups/0");
  EXPECT_THAT(why_no_vfio(root_), HasSubstr("vfio-pci"));
  EXPECT_EQ(vfio_remedy(why_no_vfio(root_)), "modprobe vfio-pci");
  std::filesystem::create_directories(root_ + "/sys/bus/pci/drivers/vfio-pci");
  write("/dev/vfio/vfio");
  EXPECT_EQ(why_no_vfio(root_), "");
}

TEST_F(GuestKernelTest, AMachineIsNotTriedWhereItCannotBe) {
  SandboxTools tools;
  const auto tried = [&tools] {
    auto levels = try_levels(tools, {"/bin/false"}, testing::TempDir(), {}, {}, v1::MICROVM);
    EXPECT_TRUE(levels && levels->size() == 1 && !levels->front().works);
    return levels->front();
  };
  tools.qemu = root_ + "/qemu";
  EXPECT_EQ(tried().why, tools.qemu + " is not installed");
  EXPECT_THAT(tried().remedy, HasSubstr("--microvm"));
  tools.qemu = "/bin/false";
  tools.guest_kernels = {root_};
  EXPECT_THAT(tried().why, HasSubstr("no kernel"));
  install("6.1", all_);
  tools.kvm = root_ + "/kvm";
  EXPECT_EQ(tried().why, "there is no " + root_ + "/kvm");
  EXPECT_THAT(tried().remedy, HasSubstr("firmware"));
  // Only who says so gets an emulated processor, and that is tried.
  tools.emulates_processors = true;
  EXPECT_EQ(tried().why, "it gave no answer");
}

// The format is the kernel's: every byte counts.
TEST(GuestArchive, IsWhatTheKernelReads) {
  GuestArchive archive;
  archive.add_folder("d");
  archive.add_file("d/f", 0600, "hello");
  const std::string zeros(24, '0');
  EXPECT_EQ(std::move(archive).finish(),
            "07070100000001000041ED0000000000000000000000010000000000000000" + zeros.substr(0, 16) +
                "0000000000000000" + "0000000200000000" + std::string("d\0", 2) +
                "07070100000002000081800000000000000000000000010000000000000005" +
                zeros.substr(0, 16) + "0000000000000000" + "0000000400000000" +
                std::string("d/f\0\0\0", 6) + "hello" + std::string(3, '\0') +
                "07070100000003000000000000000000000000000000010000000000000000" +
                zeros.substr(0, 16) + "0000000000000000" + "0000000B00000000" +
                std::string("TRAILER!!!\0\0\0\0", 14));
}

}  // namespace
}  // namespace fallow::runtime
