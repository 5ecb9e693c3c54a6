#include "runtime/cdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "runtime/processes.h"

namespace fallow::runtime {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

// As NVIDIA's tool writes it for two GPUs, shortened.
constexpr const char* kTwoDevices = R"(---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
    - path: /dev/dri/card1
    - path: /dev/dri/renderD128
    hooks:
    - hookName: createContainer
      path: /usr/bin/nvidia-ctk
      args: [nvidia-ctk, hook, chmod, --mode, "755", --path, /dev/dri]
- name: "1"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia1
    - path: /dev/dri/card2
    - path: /dev/dri/renderD129
- name: "1:0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia1
    - path: /dev/nvidia-caps/nvidia-cap3
- name: all
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
    - path: /dev/nvidia1
    - path: /dev/dri/renderD128
    - path: /dev/dri/renderD129
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  deviceNodes:
  - path: /dev/nvidiactl
  - path: /dev/nvidia-uvm
  - path: /dev/nvidia1
  hooks:
  - hookName: createContainer
    path: /usr/bin/nvidia-ctk
    args: [nvidia-ctk, hook, create-symlinks, --link, libcuda.so.1::/usr/lib/x86_64-linux-gnu/libcuda.so,
           --link, ../a::/b/c]
  - hookName: createContainer
    path: /usr/bin/nvidia-ctk
    args: [nvidia-ctk, hook, update-ldcache, --folder, /usr/lib/x86_64-linux-gnu]
  - hookName: poststart
    path: /opt/strange/tool
    args: [tool, everything]
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.535.54
    hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.535.54
    options: [ro, nosuid, nodev, bind]
  - containerPath: /etc/../../shadow
    hostPath: /etc/shadow
  - containerPath: /run
    hostPath: tmpfs
    type: tmpfs
)";

CdiSpec two_devices() {
  auto spec = parse_cdi(kTwoDevices);
  EXPECT_TRUE(spec) << spec.error().message;
  return *spec;
}

TEST(Cdi, IsReadAsItIsWritten) {
  const CdiSpec spec = two_devices();
  EXPECT_EQ(spec.kind, "nvidia.com/gpu");
  ASSERT_EQ(spec.devices.size(), 4);
  EXPECT_EQ(spec.devices[2].name, "1:0");
  EXPECT_THAT(spec.edits.environment, ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "void")));
  EXPECT_THAT(spec.edits.mounts, ElementsAre(Pair("/usr/lib/x86_64-linux-gnu/libcuda.so.535.54",
                                                  "/usr/lib/x86_64-linux-gnu/libcuda.so.535.54")));
  EXPECT_THAT(spec.edits.links,
              ElementsAre(Pair("libcuda.so.1", "/usr/lib/x86_64-linux-gnu/libcuda.so"),
                          Pair("../a", "/b/c")));
  EXPECT_THAT(spec.edits.left_out,
              ElementsAre(HasSubstr("shadow"), HasSubstr("/run"), HasSubstr("/opt/strange/tool")));
  // JSON is as good.
  const auto json = parse_cdi(
      R"({"cdiVersion": "1.1.0", "kind": "amd.com/gpu", "devices": [{"name": "0", "containerEdits":
          {"deviceNodes": [{"path": "/dev/kfd"}, {"path": "/dev/dri/renderD128", "type": "c"},
                           {"path": "/dev/x", "hostPath": "/dev/y"}, {"path": "/dev/sda", "type": "b"}]}}]})");
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_THAT(json->devices[0].edits.device_nodes, ElementsAre("/dev/kfd", "/dev/dri/renderD128"));
  EXPECT_EQ(json->devices[0].edits.left_out.size(), 2);
}

TEST(Cdi, GivesTheLeasesDevicesAndNoOthers) {
  const CdiSpec spec = two_devices();
  const auto first = cdi_edits_for(spec, {"/dev/nvidia0", "/dev/nvidiactl"});
  ASSERT_TRUE(first);
  // No display, no render node that may be another's by now, no other GPU, not even by what stands
  // for all.
  EXPECT_THAT(first->device_nodes,
              UnorderedElementsAre("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"));
  EXPECT_EQ(first->mounts.size(), 1);
  const auto second = cdi_edits_for(spec, {"/dev/nvidia1"});
  ASSERT_TRUE(second);
  EXPECT_THAT(second->device_nodes,
              UnorderedElementsAre("/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm"));
  const auto both = cdi_edits_for(spec, {"/dev/nvidia1", "/dev/nvidia0"});
  ASSERT_TRUE(both);
  EXPECT_THAT(both->device_nodes, UnorderedElementsAre("/dev/nvidia0", "/dev/nvidia1",
                                                       "/dev/nvidiactl", "/dev/nvidia-uvm"));
  EXPECT_FALSE(cdi_edits_for(spec, {"/dev/nvidia2", "/dev/nvidiactl"}));
  EXPECT_FALSE(cdi_edits_for(spec, {"/dev/nvidiactl"}));
  EXPECT_FALSE(cdi_edits_for(spec, {}));
}

TEST(Cdi, OneDeviceIsToldFromWhatDevicesShare) {
  for (const char* one : {"/dev/nvidia0", "/dev/nvidia15", "/dev/dri/renderD128", "/dev/dri/card0",
                          "/dev/nvidia-caps/nvidia-cap1"}) {
    EXPECT_TRUE(is_one_device(one)) << one;
  }
  for (const char* shared : {"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/kfd", "/dev/nvidia",
                             "/dev/nvidia0x", "/dev/null"}) {
    EXPECT_FALSE(is_one_device(shared)) << shared;
  }
}

TEST(Cdi, WhatIsNoSpecificationIsRefused) {
  for (const char* text :
       {"", "[]", "text", "cdiVersion: 0.5.0", "cdiVersion: 9.0.0\nkind: a/b\ndevices: []",
        "cdiVersion: 0.5.0\nkind: nothing\ndevices: []", "cdiVersion: 0.5.0\nkind: a/b\ndevices: 7",
        "cdiVersion: 0.5.0\nkind: a/b\ndevices: [7]", "a: [", "a: *b"}) {
    const auto spec = parse_cdi(text);
    ASSERT_FALSE(spec) << text;
    EXPECT_EQ(spec.error().code, ErrorCode::kInvalid);
    EXPECT_FALSE(spec.error().message.empty());
  }
}

TEST(Cdi, TakesNoFileThatOthersMayWrite) {
  std::string folder = testing::TempDir() + "fallow_cdi_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  for (const char* name : {"b.yaml", "a.json", "open.yaml", "broken.yaml", "readme.txt"}) {
    std::ofstream(folder + "/" + name)
        << (std::string(name) == "broken.yaml" ? "a: [" : kTwoDevices);
    ::chmod((folder + "/" + name).c_str(), std::string(name) == "open.yaml" ? 0666 : 0644);
  }
  std::vector<std::string> faults;
  const auto specs = read_cdi({folder + "/none", folder}, faults);
  ASSERT_EQ(specs.size(), 2);
  EXPECT_EQ(specs[0].path, folder + "/a.json");
  EXPECT_THAT(faults, UnorderedElementsAre(HasSubstr("open.yaml is not taken: others"),
                                           HasSubstr("broken.yaml is not taken")));
  remove_tree(folder);
}

}  // namespace
}  // namespace fallow::runtime
