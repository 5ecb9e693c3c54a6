#include "agent/launch.h"

#include <gtest/gtest.h>

#include <map>

namespace fallow::agent {
namespace {

v1::DesiredLease desired() {
  v1::DesiredLease lease;
  lease.set_lease(7);
  lease.set_order(6);
  lease.set_task(2);
  lease.set_tasks(12);
  lease.set_attempt(1);
  lease.set_memory_mb(100);
  lease.add_devices(1);
  lease.mutable_workload()->add_command("run");
  return lease;
}

std::vector<LocalDevice> launch_devices() {
  std::vector<LocalDevice> all(3);
  for (std::uint32_t i = 0; i < 3; ++i) {
    all[i].facts.set_index(i);
    all[i].facts.set_model("M" + std::to_string(i));
    all[i].files = {"/dev/nvidia" + std::to_string(i), "/dev/nvidiactl"};
    all[i].cuda_name = "GPU-" + std::to_string(i);
  }
  return all;
}

// What the workload sees: the last value of a name.
std::map<std::string, std::string> environment(const LaunchSpec& spec) {
  std::map<std::string, std::string> seen;
  for (const auto& [name, value] : spec.environment) seen[name] = value;
  return seen;
}

TEST(Launch, NamesTheTaskAndItsDevicesOnly) {
  v1::DesiredLease lease = desired();
  lease.add_devices(2);
  auto* variable = lease.mutable_workload()->add_environment();
  variable->set_name("HOME");
  variable->set_value("/tmp");
  const auto spec = launch_spec(lease, launch_devices(), Time{9}, nullptr);
  ASSERT_TRUE(spec);
  const auto seen = environment(*spec);
  EXPECT_EQ(seen.at("FALLOW_TASK"), "2");
  EXPECT_EQ(seen.at("FALLOW_TASKS"), "12");
  EXPECT_EQ(seen.at("FALLOW_ATTEMPT"), "1");
  EXPECT_EQ(seen.at("FALLOW_NODES"), "1");
  EXPECT_EQ(seen.at("FALLOW_NODE_RANK"), "0");
  EXPECT_EQ(seen.at("FALLOW_LEASE"), "7");
  EXPECT_EQ(seen.at("FALLOW_ORDER"), "6");
  EXPECT_EQ(seen.at("FALLOW_OUT"), "/out");
  EXPECT_EQ(seen.at("FALLOW_CHECKPOINT_DIR"), "/checkpoint");
  EXPECT_EQ(seen.at("FALLOW_NOTICE"), "/checkpoint/.notice");
  EXPECT_EQ(seen.at("FALLOW_DEVICES"), "M1,M2");
  EXPECT_EQ(seen.at("CUDA_VISIBLE_DEVICES"), "GPU-1,GPU-2");
  EXPECT_EQ(seen.at("HOME"), "/tmp") << "the order's own choice";
  EXPECT_EQ(spec->device_files,
            (std::vector<std::string>{"/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia2"}));
  EXPECT_EQ(spec->memory_bytes_max, 100U << 20);
  EXPECT_EQ(spec->disk_bytes_max, kDiskBytesDefault);
  EXPECT_FALSE(spec->asks_for_disk);
  EXPECT_EQ(spec->fence_at, Time{9});
  lease.set_disk_mb(5);
  const auto asked = launch_spec(lease, launch_devices(), Time{9}, nullptr);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->disk_bytes_max, 5U << 20);
  EXPECT_TRUE(asked->asks_for_disk);
}

TEST(Launch, TellsAMemberItsPlaceInTheGang) {
  v1::DesiredLease lease = desired();
  lease.set_task(6);
  lease.set_nodes(4);
  const auto spec = launch_spec(lease, {}, Time{}, nullptr);
  ASSERT_TRUE(spec);
  const auto seen = environment(*spec);
  EXPECT_EQ(seen.at("FALLOW_NODES"), "4");
  EXPECT_EQ(seen.at("FALLOW_NODE_RANK"), "2");
  EXPECT_EQ(seen.at("FALLOW_GANG"), "1");
}

TEST(Launch, RefusesWhatCannotBeSet) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"", "x"},
                                                        {"A=B", "x"},
                                                        {"1A", "x"},
                                                        {"FALLOW_OUT", "/"},
                                                        {"A-B", ""},
                                                        {"A", std::string("a\0b", 3)}}) {
    v1::DesiredLease lease = desired();
    auto* variable = lease.mutable_workload()->add_environment();
    variable->set_name(name);
    variable->set_value(value);
    const auto spec = launch_spec(lease, {}, Time{}, nullptr);
    ASSERT_FALSE(spec) << name;
    EXPECT_EQ(spec.error().code, ErrorCode::kInvalid);
  }
  v1::DesiredLease lease = desired();
  lease.mutable_workload()->clear_command();
  EXPECT_FALSE(launch_spec(lease, {}, Time{}, nullptr));
  lease.mutable_workload()->add_command(std::string("a\0b", 3));
  EXPECT_FALSE(launch_spec(lease, {}, Time{}, nullptr));
}

TEST(Launch, AnImageSaysWhatTheOrderDoesNot) {
  v1::DesiredLease lease;
  lease.mutable_workload()->set_image("tool");
  // Before it is here, nobody knows.
  EXPECT_TRUE(launch_spec(lease, {}, Time{}, nullptr));
  ImageFacts image;
  image.root = "/root";
  EXPECT_FALSE(launch_spec(lease, {}, Time{}, &image)) << "nobody names a command";
  image.command = {"own"};
  image.environment = {{"PATH", "/opt"}, {"FALLOW_OUT", "/etc"}, {"a b", "c"}, {"BOTH", "image"}};
  auto spec = launch_spec(lease, {}, Time{}, &image);
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->image_root, "/root");
  EXPECT_EQ(spec->command, std::vector<std::string>{"own"});
  image.entrypoint = {"enter"};
  lease.mutable_workload()->add_command("given");
  v1::EnvironmentVariable& both = *lease.mutable_workload()->add_environment();
  both.set_name("BOTH");
  both.set_value("order");
  spec = launch_spec(lease, {}, Time{}, &image);
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->command, (std::vector<std::string>{"enter", "given"}));
  // The last of a name counts.
  std::map<std::string, std::string> seen;
  for (const auto& [name, value] : spec->environment) seen[name] = value;
  EXPECT_EQ(seen["PATH"], "/opt");
  EXPECT_EQ(seen["BOTH"], "order");
  EXPECT_EQ(seen["FALLOW_OUT"], "/out");
  EXPECT_FALSE(seen.contains("a b"));
}

}  // namespace
}  // namespace fallow::agent
