#include "agent/inventory.h"

#include <gtest/gtest.h>

#include <cstring>

#include "agent/program.h"

namespace fallow::agent {
namespace {

TEST(Inventory, NamesAreThoseOfTheMarket) {
  EXPECT_EQ(model_name("NVIDIA GeForce RTX 4090"), "RTX_4090");
  EXPECT_EQ(model_name("NVIDIA H200"), "H200");
  EXPECT_EQ(model_name("Tesla V100-SXM2-16GB"), "V100-SXM2-16GB");
  EXPECT_EQ(model_name("AMD Radeon RX 7900 XTX"), "RX_7900_XTX");
  EXPECT_EQ(model_name("Intel(R) Xeon(R) Processor @ 2.10GHz"), "Xeon_Processor_2.10GHz");
  EXPECT_EQ(model_name("\t\n"), "unknown");
  EXPECT_EQ(model_name(std::string(500, 'x')).size(), 64U);
}

TEST(Inventory, DeclaredDevices) {
  const auto two = parse_declared("model=RTX 4090,memory_gb=24,count=2");
  ASSERT_TRUE(two);
  ASSERT_EQ(two->size(), 2U);
  EXPECT_EQ((*two)[1].model(), "RTX_4090");
  EXPECT_EQ((*two)[1].memory_mb(), 24U * 1024);
  EXPECT_EQ((*two)[1].kind(), v1::GPU);
  EXPECT_EQ(parse_declared("kind=cpu,memory_gb=8,model=X")->at(0).kind(), v1::CPU);
  for (const char* bad :
       {"", "model=X", "memory_gb=24", "model=X,memory_gb=0", "model=X,memory_gb=-1",
        "model=X,memory_gb=24,kind=tpu", "model=X,memory_gb=24,count=0",
        "model=X,memory_gb=24,count=65", "model=X,memory_gb=24,colour=red", "model=,memory_gb=24",
        "model=X,memory_gb=24,", "model=X,memory_gb=2x"}) {
    const auto answer = parse_declared(bad);
    ASSERT_FALSE(answer) << bad;
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalid);
  }
}

TEST(Inventory, WhatTheProbePrintsIsReadBackAndTheRestLeftOut) {
  std::vector<std::string> warnings;
  const auto devices = parse_probe(
      "nvml\tgpu\tNVIDIA "
      "H200\t150754820096\t550.1\tGPU-1\t0000:01:00.0\t/dev/nvidia0\t/dev/nvidiactl\n"
      "opencl\tcpu\tXeon\t16000000000\t3.1\t\n"
      "a driver's own noise\n"
      "note\tRX 7900 is not offered: nobody knows which it is\n"
      "opencl\tgpu\tcut\tnot a number\t\t\n",
      warnings);
  EXPECT_EQ(warnings, std::vector<std::string>{"RX 7900 is not offered: nobody knows which it is"});
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_EQ(devices[0].facts.model(), "H200");
  EXPECT_EQ(devices[0].cuda_name, "GPU-1");
  EXPECT_EQ(devices[0].pci, "0000:01:00.0");
  EXPECT_EQ(devices[0].files.size(), 2U);
  EXPECT_EQ(devices[1].facts.kind(), v1::CPU);
  EXPECT_TRUE(devices[1].cuda_name.empty());
}

TEST(Inventory, AsksThisMachine) {
  std::vector<std::string> warnings;
  const auto devices = find_devices({}, warnings);
  ASSERT_TRUE(devices);
  EXPECT_TRUE(warnings.empty()) << warnings[0];
  std::uint32_t index = 0;
  for (const LocalDevice& device : *devices) {
    EXPECT_EQ(device.facts.index(), index++);
    EXPECT_NE(device.facts.model(), "");
    EXPECT_NE(device.facts.uuid(), "");
    EXPECT_GT(device.facts.memory_mb(), 0U);
  }
  const v1::NodeFacts facts = machine_facts("n", "eu", "/");
  EXPECT_GE(facts.cpu_thousandths(), 1000U);
  EXPECT_GT(facts.memory_mb(), 0U);
  EXPECT_GT(facts.disk_mb(), 0U);
}

TEST(Inventory, ADriverThatHangsOrCrashesOnlyCostsItsDevices) {
  InventoryOptions options;
  options.probe = {"/bin/sh", "-c", "printf 'opencl\\tcpu\\tX\\t1048576\\t\\t\\n'; sleep 60"};
  options.probe_max = milliseconds(200);
  std::vector<std::string> warnings;
  auto devices = find_devices(options, warnings);
  ASSERT_TRUE(devices);
  EXPECT_TRUE(devices->empty());
  EXPECT_EQ(warnings.size(), 1U);
  options.probe[2] = "printf 'opencl\\tcpu\\tX\\t1048576\\t\\t\\n'; kill -SEGV $$";
  options.probe_max = seconds(10);
  devices = find_devices(options, warnings);
  ASSERT_TRUE(devices);
  EXPECT_EQ(devices->size(), 1U);
  EXPECT_EQ(warnings.size(), 2U);
}

TEST(Program, IsBoundedInTimeAndOutput) {
  const auto big =
      run_program({"/bin/sh", "-c", "head -c 100000 /dev/zero; exit 3"}, seconds(10), 1000);
  ASSERT_TRUE(big);
  EXPECT_EQ(big->out.size(), 1000U);
  EXPECT_EQ(big->exit_code, 3);
  EXPECT_EQ(run_program({"/bin/sleep", "60"}, milliseconds(100), 10).error().code,
            ErrorCode::kTimedOut);
  EXPECT_FALSE(run_program({"/no/such/program"}, seconds(1), 10));
}

}  // namespace
}  // namespace fallow::agent

// The tests' own program is also the one that asks the drivers, as the agent's is.
int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], fallow::agent::kProbeMode) == 0) {
    return fallow::agent::probe_devices_main();
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
