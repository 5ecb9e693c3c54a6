#include "runtime/oci_bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include "runtime/cgroup.h"
#include "runtime/sandbox.h"
#include "runtime/syscalls.h"

namespace fallow::runtime {
namespace {

LaunchFile launch() {
  LaunchFile launch;
  launch.uid = 77;
  launch.spec.command = {"sh", "-c", "echo \"a\\b\"\n\x01"};
  launch.spec.environment = {{"NAME", "tab\there"}};
  launch.spec.device_files = {"/dev/null", "/dev/not-there"};
  return launch;
}

// JSON is YAML, too.
YAML::Node config_of(const LaunchFile& launch, std::vector<std::string>& points) {
  const PrivateFolders folders{"/s/work", "/s/out",   "/s/tmp", "/s/checkpoint",
                               "/s/etc",  "/s/stage", "/s/init"};
  return YAML::Load(oci_config(launch, folders, {"3", "fallow/7-1", true}, "/s/root", points));
}

TEST(OciBundle, SaysWhatTheSandboxMustNotHave) {
  std::vector<std::string> points;
  const YAML::Node config = config_of(launch(), points);
  const YAML::Node process = config["process"];
  EXPECT_TRUE(process["noNewPrivileges"].as<bool>());
  EXPECT_EQ(process["oomScoreAdj"].as<int>(), 500);
  LaunchFile unasked = launch();
  unasked.spec.memory_room_bytes_min = 1;
  EXPECT_EQ(config_of(unasked, points)["process"]["oomScoreAdj"].as<int>(), 1'000);
  for (const auto& set : process["capabilities"]) {
    EXPECT_EQ(set.second.size(), 0) << set.first;
  }
  EXPECT_EQ(process["capabilities"].size(), 5);
  EXPECT_TRUE(config["root"]["readonly"].as<bool>());
  // Process 1, its tie, then the command as it was given.
  const YAML::Node words = process["args"];
  ASSERT_EQ(words.size(), 5);
  EXPECT_EQ(words[1].as<std::string>(), "3");
  EXPECT_EQ(words[4].as<std::string>(), launch().spec.command[2]);
  EXPECT_EQ(process["env"][0].as<std::string>(), "NAME=tab\there");

  const YAML::Node linux_part = config["linux"];
  EXPECT_EQ(linux_part["cgroupsPath"].as<std::string>(), "fallow/7-1");
  EXPECT_EQ(linux_part["namespaces"].size(), 7);
  const YAML::Node ids = linux_part["uidMappings"];
  ASSERT_EQ(ids.size(), 2);
  EXPECT_EQ(ids[1]["hostID"].as<int>(), 77);
  for (const YAML::Node& id : ids) EXPECT_NE(id["hostID"].as<int>(), 0) << "the host's root";
}

TEST(OciBundle, DeniesAllDevicesButTheLeases) {
  std::vector<std::string> points;
  const YAML::Node config = config_of(launch(), points);
  const YAML::Node linux_part = config["linux"];
  EXPECT_EQ(linux_part["devices"].size(), 1);
  const YAML::Node rules = linux_part["resources"]["devices"];
  ASSERT_EQ(rules.size(), 2);
  EXPECT_FALSE(rules[0]["allow"].as<bool>());
  EXPECT_EQ(rules[0]["access"].as<std::string>(), "rwm");
  EXPECT_EQ(rules[1]["access"].as<std::string>(), "rw");
}

TEST(OciBundle, EveryMountOfTheHostIsReadOnlyButThePrivateFolders) {
  std::vector<std::string> points;
  const YAML::Node config = config_of(launch(), points);
  int writable = 0;
  for (const YAML::Node& mount : config["mounts"]) {
    if (mount["type"].as<std::string>() != "bind") continue;
    bool read_only = false;
    for (const YAML::Node& option : mount["options"]) {
      read_only = read_only || option.as<std::string>() == "ro";
    }
    if (read_only) continue;
    ++writable;
    EXPECT_TRUE(mount["source"].as<std::string>().starts_with("/s/"));
  }
  EXPECT_EQ(writable, 4);
  EXPECT_THAT(points, testing::Contains("/usr/"));
}

TEST(OciBundle, WhatIsMountedBelowIsReadOnlyWhereTheRuntimeCanMakeItSo) {
  const PrivateFolders folders{"/s/work", "/s/out",   "/s/tmp", "/s/checkpoint",
                               "/s/etc",  "/s/stage", "/s/init"};
  for (const bool below : {false, true}) {
    OciOptions options;
    options.read_only_below = below;
    std::vector<std::string> points;
    const std::string text = oci_config(launch(), folders, options, "/s/root", points);
    EXPECT_EQ(text.find("\"rro\"") != std::string::npos, below) << text;
  }
}

TEST(OciBundle, TheNetworkIsANewOneOrTheOneThatWasMade) {
  const PrivateFolders folders{"/s/work", "/s/out",   "/s/tmp", "/s/checkpoint",
                               "/s/etc",  "/s/stage", "/s/init"};
  for (const char* path : {"", "/proc/7/fd/9"}) {
    OciOptions options;
    options.network_path = path;
    std::vector<std::string> points;
    const YAML::Node config = YAML::Load(oci_config(launch(), folders, options, "/s/root", points));
    int networks = 0;
    for (const YAML::Node& one : config["linux"]["namespaces"]) {
      if (one["type"].as<std::string>() != "network") continue;
      ++networks;
      EXPECT_EQ(one["path"].as<std::string>(""), path);
    }
    EXPECT_EQ(networks, 1);
  }
}

TEST(OciBundle, NothingStartsWithoutTheKernelsLimitOfProcesses) {
  const std::vector<std::string> parents = find_cgroup_parents();
  const std::string name = cgroup_name(LeaseId(9), ::getpid());
  const CgroupLimits no_processes{std::uint64_t{512} << 20, 0, 0};
  const Cgroup cgroup(parents, name, no_processes);
  const bool limits_memory = cgroup.limits_memory();
  for (const v1::Isolation isolation : {v1::RUNC, v1::GVISOR}) {
    LaunchFile one = launch();
    one.isolation = isolation;
    const Status started = Sandbox::make(one, {}, cgroup)->start();
    EXPECT_FALSE(started);
    if (!started && limits_memory) {
      EXPECT_THAT(started.error().message, testing::HasSubstr("pids controller"));
    }
  }
  remove_cgroups(parents, name);
  if (!limits_memory) GTEST_SKIP() << "no control groups can be made here";
}

TEST(Syscalls, CompileForTheKernel) {
  const auto program = seccomp_program();
  ASSERT_TRUE(program) << program.error().message;
  // Instructions of eight bytes, fewer than the kernel's limit of 4,096.
  EXPECT_EQ(program->size() % 8, 0U);
  EXPECT_GT(program->size(), 100U * 8);
  EXPECT_LT(program->size(), 4096U * 8);
}

}  // namespace
}  // namespace fallow::runtime
