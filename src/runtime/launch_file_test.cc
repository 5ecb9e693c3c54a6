#include "runtime/launch_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace fallow::runtime {
namespace {

using agent::ExitCause;

TEST(LaunchFile, ComesBackAndNoticesEveryCut) {
  LaunchFile launch;
  launch.spec.lease = LeaseId(42);
  launch.spec.command = {"a", "", "b c"};
  launch.spec.environment = {{"N", std::string("v\0w", 3)}};
  launch.spec.device_files = {"/dev/x"};
  launch.spec.disk_bytes_max = 5;
  launch.spec.memory_room_bytes_min = 6;
  launch.spec.disk_room_bytes_min = 7;
  launch.spec.network = v1::EGRESS;
  launch.spec.egress_bytes_max = 12;
  launch.egress = {"abc", {"9.9.9.9"}, {"192.0.2.0/24"}, 1, 2, 3, 4, {80, 443}};
  launch.uid = 9;
  launch.spec.isolation_min = v1::RUNC;
  launch.isolation = v1::GVISOR;
  launch.tool = "/usr/bin/runsc";
  launch.files = {"/x/init", "/x/filter"};
  launch.cgroup_parents = {"/p"};
  launch.disk = {"8:0", 10, 11};
  launch.driver = {{"/x/cdi"}, {"/x/ldconfig", "-p"}};
  launch.meminfo = "/x/meminfo";
  launch.microvm = {"/x/qemu", "/x/kernel", {"/x/a.ko", "/x/b.ko"}, true};
  const std::string bytes = encode_launch(launch);
  const auto back = decode_launch(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode_launch(*back), bytes);
  EXPECT_EQ(back->isolation, v1::GVISOR);
  EXPECT_EQ(back->files.init, "/x/init");
  EXPECT_EQ(back->files.filter, "/x/filter");
  EXPECT_EQ(back->spec.memory_room_bytes_min, 6U);
  EXPECT_EQ(back->spec.disk_room_bytes_min, 7U);
  EXPECT_EQ(back->spec.egress_bytes_max, 12U);
  EXPECT_EQ(back->disk.disk, "8:0");
  EXPECT_EQ(back->disk.bytes_per_s, 10U);
  EXPECT_EQ(back->disk.operations_per_s, 11U);
  EXPECT_EQ(back->driver.cdi_folders, launch.driver.cdi_folders);
  EXPECT_EQ(back->driver.ldconfig, launch.driver.ldconfig);
  EXPECT_EQ(back->meminfo, "/x/meminfo");
  EXPECT_EQ(back->microvm.qemu, "/x/qemu");
  EXPECT_EQ(back->microvm.kernel, "/x/kernel");
  EXPECT_EQ(back->microvm.modules, launch.microvm.modules);
  EXPECT_TRUE(back->microvm.emulated);
  EXPECT_EQ(back->spec.environment[0].second.size(), 3U);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_launch(bytes.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_launch(bytes + "x"));

  const ExitFile file{Time{5}, ExitCause::kDiskFull, 1, 2, "why", 3};
  const auto exit_back = decode_exit(encode_exit(file));
  ASSERT_TRUE(exit_back);
  EXPECT_EQ(exit_back->detail, "why");
  EXPECT_EQ(exit_back->egress_bytes, 3);
  EXPECT_EQ(exit_back->cause, ExitCause::kDiskFull);
  EXPECT_FALSE(decode_exit("FALLOWEXIT1\nx"));
  EXPECT_FALSE(decode_time("1234567"));
}

TEST(LaunchFile, SecretsGoByMemoryAlone) {
  LaunchFile launch;
  launch.spec.command = {"a"};
  launch.spec.secret_environment = {{"TOKEN", "hunter2"}, {"EMPTY", ""}};
  const std::string bytes = encode_launch(launch);
  EXPECT_EQ(bytes.find("hunter2"), std::string::npos);
  EXPECT_EQ(bytes.find("TOKEN"), std::string::npos);
  auto file = secrets_file(launch.spec.secret_environment);
  ASSERT_TRUE(file);
  const int number = file->release();
  const auto back = read_secrets(number);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, launch.spec.secret_environment);
  // It is closed, and nothing else is taken for one.
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
  EXPECT_TRUE(read_secrets(number).value().empty());
  const auto null = open_file("/dev/null", O_RDONLY);
  ASSERT_TRUE(null);
  EXPECT_TRUE(read_secrets(null->get()).value().empty());
  EXPECT_NE(::fcntl(null->get(), F_GETFD), -1);
  // One that was cut is noticed.
  auto cut = secrets_file(launch.spec.secret_environment);
  ASSERT_EQ(::ftruncate(cut->get(), 30), 0);
  EXPECT_FALSE(read_secrets(cut->release()));
}

}  // namespace
}  // namespace fallow::runtime
