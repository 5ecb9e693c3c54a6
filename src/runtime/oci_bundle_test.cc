#include "runtime/oci_bundle.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "runtime/cgroup.h"
#include "runtime/sandbox.h"
#include "runtime/syscalls.h"

namespace fallow::runtime {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

LaunchFile launch() {
  LaunchFile launch;
  launch.uid = 77;
  launch.spec.command = {"sh", "-c", "echo \"a\\b\"\n\x01"};
  launch.spec.environment = {{"NAME", "tab\there"}};
  launch.spec.device_files = {"/dev/null", "/dev/not-there"};
  return launch;
}

Struct config_of(const LaunchFile& launch, std::vector<std::string>& points) {
  const PrivateFolders folders{"/s/work", "/s/out", "/s/tmp", "/s/etc", "/s/stage", "/s/init"};
  const std::string text =
      oci_config(launch, folders, {"3", "fallow/7-1", true}, "/s/root", points);
  Struct config;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(text, &config).ok()) << text;
  return config;
}

const Value& at(const Value& value, std::string_view name) {
  return value.struct_value().fields().at(std::string(name));
}

TEST(OciBundle, SaysWhatTheSandboxMustNotHave) {
  std::vector<std::string> points;
  const Struct config = config_of(launch(), points);
  const Value& process = config.fields().at("process");
  EXPECT_TRUE(at(process, "noNewPrivileges").bool_value());
  for (const auto& [name, set] : at(process, "capabilities").struct_value().fields()) {
    EXPECT_EQ(set.list_value().values_size(), 0) << name;
  }
  EXPECT_EQ(at(process, "capabilities").struct_value().fields_size(), 5);
  EXPECT_TRUE(at(config.fields().at("root"), "readonly").bool_value());
  // Process 1, its tie, then the command as it was given.
  const auto& words = at(process, "args").list_value().values();
  ASSERT_EQ(words.size(), 5);
  EXPECT_EQ(words[1].string_value(), "3");
  EXPECT_EQ(words[4].string_value(), launch().spec.command[2]);
  EXPECT_EQ(at(process, "env").list_value().values(0).string_value(), "NAME=tab\there");

  const Value& linux_part = config.fields().at("linux");
  EXPECT_EQ(at(linux_part, "cgroupsPath").string_value(), "fallow/7-1");
  EXPECT_EQ(at(linux_part, "namespaces").list_value().values_size(), 7);
  const auto& ids = at(linux_part, "uidMappings").list_value().values();
  ASSERT_EQ(ids.size(), 2);
  EXPECT_EQ(at(ids[1], "hostID").number_value(), 77);
  for (const Value& id : ids) EXPECT_NE(at(id, "hostID").number_value(), 0) << "the host's root";
}

TEST(OciBundle, DeniesAllDevicesButTheLeases) {
  std::vector<std::string> points;
  const Struct config = config_of(launch(), points);
  const Value& linux_part = config.fields().at("linux");
  EXPECT_EQ(at(linux_part, "devices").list_value().values_size(), 1);
  const auto& rules = at(at(linux_part, "resources"), "devices").list_value().values();
  ASSERT_EQ(rules.size(), 2);
  EXPECT_FALSE(at(rules[0], "allow").bool_value());
  EXPECT_EQ(at(rules[0], "access").string_value(), "rwm");
  EXPECT_EQ(at(rules[1], "access").string_value(), "rw");
}

TEST(OciBundle, EveryMountOfTheHostIsReadOnlyButThePrivateFolders) {
  std::vector<std::string> points;
  const Struct config = config_of(launch(), points);
  int writable = 0;
  for (const Value& mount : config.fields().at("mounts").list_value().values()) {
    if (at(mount, "type").string_value() != "bind") continue;
    bool read_only = false;
    for (const Value& option : at(mount, "options").list_value().values()) {
      read_only = read_only || option.string_value() == "ro";
    }
    if (read_only) continue;
    ++writable;
    EXPECT_TRUE(at(mount, "source").string_value().starts_with("/s/"));
  }
  EXPECT_EQ(writable, 3);
  EXPECT_THAT(points, testing::Contains("/usr/"));
}

TEST(OciBundle, WhatIsMountedBelowIsReadOnlyWhereTheRuntimeCanMakeItSo) {
  const PrivateFolders folders{"/s/work", "/s/out", "/s/tmp", "/s/etc", "/s/stage", "/s/init"};
  for (const bool below : {false, true}) {
    OciOptions options;
    options.read_only_below = below;
    std::vector<std::string> points;
    const std::string text = oci_config(launch(), folders, options, "/s/root", points);
    EXPECT_EQ(text.find("\"rro\"") != std::string::npos, below) << text;
  }
}

TEST(OciBundle, ANetworkIsOnlyThereWhenAskedFor) {
  std::vector<std::string> points;
  LaunchFile with = launch();
  with.spec.network = true;
  const Struct config = config_of(with, points);
  for (const Value& one : at(config.fields().at("linux"), "namespaces").list_value().values()) {
    EXPECT_NE(at(one, "type").string_value(), "network");
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
  const auto bytes = ::lseek(program->get(), 0, SEEK_END);
  EXPECT_EQ(bytes % 8, 0);
  EXPECT_GT(bytes, 100 * 8);
  EXPECT_LT(bytes, 4096 * 8);
}

}  // namespace
}  // namespace fallow::runtime
