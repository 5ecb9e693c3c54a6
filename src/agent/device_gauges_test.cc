#include "agent/device_gauges.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/device_watch.h"
#include "agent/owner_fixture_test.h"

namespace fallow::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Over tests/fake_nvml.c, built anew for each test: it remembers what it has told.
class DeviceGaugesTest : public OwnerTreeTest {
 protected:
  void SetUp() override {
    if (std::system("cc --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no C compiler here";
    const std::string library = root_ + "/libnvidia-ml.so.1";
    const std::string build =
        "cc -w -shared -fPIC -o " + library + " " + std::string(FALLOW_FAKE_NVML);
    ASSERT_EQ(std::system(build.c_str()), 0);
    say("0.uuid GPU-0\n1.uuid GPU-1\n");
    ::setenv("FAKE_NVML_STATE", (root_ + "/state").c_str(), 1);
    library_ = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << ::dlerror();
  }
  void TearDown() override {
    if (library_ != nullptr) ::dlclose(library_);
    ::unsetenv("FAKE_NVML_STATE");
  }
  // At once: a watch may read it meanwhile.
  void say(const std::string& state) {
    put("state.new", state);
    std::filesystem::rename(root_ + "/state.new", root_ + "/state");
  }

  static LocalDevice device(std::uint32_t index, const std::string& uuid, v1::DeviceKind kind) {
    LocalDevice device;
    device.facts.set_index(index);
    device.facts.set_uuid(uuid);
    device.facts.set_model("RTX_4090");
    device.facts.set_kind(kind);
    return device;
  }
  // The node lists them in another order than the library.
  static std::vector<LocalDevice> devices() {
    return {device(0, "GPU-1", v1::GPU), device(1, "GPU-0", v1::GPU)};
  }
  std::vector<v1::DeviceSample> look(DeviceGauges& gauges) {
    faults_.clear();
    return gauges.look(Time{}, faults_);
  }

  void* library_ = nullptr;
  std::vector<DeviceFault> faults_;
};

TEST_F(DeviceGaugesTest, SaysWhatTheLibrarySaysAndNoMore) {
  say("0.uuid GPU-0\n0.percent 97\n0.memory_used 3221225472\n0.milliwatts 312000\n0.celsius 71\n"
      "0.core_mhz 2520\n0.memory_mhz 10501\n0.throttle 101\n0.ecc_corrected 3\n"
      "0.ecc_uncorrected 0\n1.uuid GPU-1\n");
  DeviceGauges gauges(Nvml(library_), devices(), root_);
  ASSERT_TRUE(gauges.has_any());
  const auto samples = look(gauges);
  ASSERT_THAT(samples, SizeIs(2));
  const v1::DeviceSample& busy = samples[0];
  EXPECT_EQ(busy.device(), 1U);
  EXPECT_EQ(busy.percent(), 97U);
  EXPECT_EQ(busy.memory_mb(), 3'072U);
  EXPECT_EQ(busy.milliwatts(), 312'000U);
  EXPECT_EQ(busy.celsius(), 71U);
  EXPECT_EQ(busy.core_mhz(), 2'520U);
  EXPECT_EQ(busy.memory_mhz(), 10'501U);
  // 101 is 0x65: idle, its power limit, heat by software and by hardware.
  EXPECT_THAT(busy.throttled_by(), ElementsAre(v1::THROTTLED_BY_POWER, v1::THROTTLED_BY_HEAT));
  EXPECT_EQ(busy.ecc_corrected(), 3U);
  EXPECT_TRUE(busy.has_ecc_uncorrected());
  EXPECT_EQ(samples[1].device(), 0U);
  EXPECT_FALSE(samples[1].has_percent());
  EXPECT_FALSE(samples[1].has_celsius());
  EXPECT_THAT(faults_, IsEmpty());
}

TEST_F(DeviceGaugesTest, ADeviceIsSlowedByHeatAndSupplyNotByItsPowerLimitOrIdleness) {
  const auto slowed = [&](int throttle, int mhz) -> std::optional<std::uint32_t> {
    say("0.uuid GPU-0\n0.core_mhz_max 2500\n0.core_mhz " + std::to_string(mhz) + "\n0.throttle " +
        std::to_string(throttle) + "\n");
    DeviceGauges gauges(Nvml(library_), devices(), root_);
    const v1::DeviceSample sample = look(gauges)[0];
    if (!sample.has_slowed_thousandths()) return std::nullopt;
    return sample.slowed_thousandths();
  };
  EXPECT_EQ(slowed(0x20, 2'000), 200U);
  EXPECT_EQ(slowed(0x40, 2'000), 200U);
  EXPECT_EQ(slowed(0x80, 1'250), 500U);
  EXPECT_EQ(slowed(0x08, 2'499), 1U);
  EXPECT_EQ(slowed(0x24, 2'000), 200U) << "its power limit beside heat";
  EXPECT_EQ(slowed(0x04, 2'000), 0U) << "its power limit";
  EXPECT_EQ(slowed(0x21, 210), 0U) << "it has no work";
  EXPECT_EQ(slowed(0x00, 2'000), 0U);
  EXPECT_EQ(slowed(0x20, 2'600), 0U) << "faster than its full clock";
  say("0.uuid GPU-0\n0.core_mhz 2000\n0.throttle 32\n");
  DeviceGauges gauges(Nvml(library_), devices(), root_);
  EXPECT_FALSE(look(gauges)[0].has_slowed_thousandths()) << "its full clock is not known";
}

TEST_F(DeviceGaugesTest, OnlyWhatTheDeviceIsToBlameForIsAFault) {
  DeviceGauges gauges(Nvml(library_), devices(), root_);
  say("0.uuid GPU-0\n0.xid 79\n0.xids 1\n0.ecc_uncorrected 2\n1.uuid GPU-1\n");
  gauges.begin();
  look(gauges);
  EXPECT_THAT(faults_, IsEmpty()) << "that was before anybody's lease";
  say("0.uuid GPU-0\n0.xid 31\n0.xids 2\n0.ecc_uncorrected 2\n1.uuid GPU-1\n");
  EXPECT_EQ(look(gauges)[0].xid(), 31U) << "a page fault of a program is told";
  EXPECT_THAT(faults_, IsEmpty()) << "and nobody's fault but its";
  say("0.uuid GPU-0\n0.xid 79\n0.xids 3\n0.ecc_uncorrected 2\n1.uuid GPU-1\n");
  look(gauges);
  ASSERT_THAT(faults_, SizeIs(1));
  EXPECT_EQ(faults_[0].device, 1U);
  EXPECT_EQ(faults_[0].evidence, Evidence::kDeviceLost);
  EXPECT_EQ(faults_[0].words, "the device fell off its bus (RTX_4090, Xid 79)");
  look(gauges);
  EXPECT_THAT(faults_, IsEmpty()) << "told once";
}

TEST_F(DeviceGaugesTest, MemoryThatCouldNotBeCorrectedIsAFault) {
  say("0.uuid GPU-0\n0.ecc_uncorrected 2\n");
  DeviceGauges gauges(Nvml(library_), devices(), root_);
  look(gauges);
  EXPECT_THAT(faults_, IsEmpty());
  say("0.uuid GPU-0\n0.ecc_uncorrected 3\n");
  look(gauges);
  ASSERT_THAT(faults_, SizeIs(1));
  EXPECT_EQ(faults_[0].evidence, Evidence::kDeviceMemory);
  EXPECT_EQ(verdict_of(faults_[0].evidence).reason, v1::DEVICE_FAULT);
}

TEST_F(DeviceGaugesTest, ADeviceThatItsDriverHasLostIsAFaultInEveryLook) {
  DeviceGauges gauges(Nvml(library_), devices(), root_);
  say("0.uuid GPU-0\n0.lost 1\n1.uuid GPU-1\n");
  for (int i = 0; i < 2; ++i) {
    look(gauges);
    ASSERT_THAT(faults_, SizeIs(1));
    EXPECT_EQ(faults_[0].device, 1U);
    EXPECT_EQ(faults_[0].evidence, Evidence::kDeviceLost);
  }
}

TEST_F(DeviceGaugesTest, AProcessorIsMeasuredByTheKernel) {
  put("proc/stat", "cpu  100 0 0 900 0 0 0 0 0 0\n");
  put("proc/meminfo", "MemTotal:       4194304 kB\nMemFree:    1 kB\nMemAvailable:   1048576 kB\n");
  DeviceGauges gauges(Nvml(nullptr), {device(0, "cpu", v1::CPU)}, root_);
  const auto first = gauges.look(Time{1'000'000}, faults_);
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].memory_mb(), 3'072U);
  EXPECT_FALSE(first[0].has_percent()) << "of no time";
  // Half a second of one core in a second.
  put("proc/stat", "cpu  125 0 25 900 0 0 0 0 0 0\n");
  const auto second = gauges.look(Time{2'000'000}, faults_);
  const auto cores = static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN));
  EXPECT_EQ(second[0].percent(), 50U / cores);
}

TEST_F(DeviceGaugesTest, WithoutALibraryThereIsNothingToLookAt) {
  DeviceGauges gauges(Nvml(nullptr), devices(), root_);
  EXPECT_FALSE(gauges.has_any());
  EXPECT_THAT(look(gauges), IsEmpty());
}

class DeviceWatchTest : public DeviceGaugesTest {
 protected:
  // Until it has something to say.
  static bool hears(const DeviceWatch& watch) {
    pollfd ready{watch.event_fd(), POLLIN, 0};
    return ::poll(&ready, 1, 10'000) == 1;
  }
};

TEST_F(DeviceWatchTest, LooksOnlyWhileItIsWanted) {
  std::atomic<int> opened = 0;
  DeviceWatch watch(devices(), root_, [&] {
    ++opened;
    return Nvml(library_);
  });
  say("0.uuid GPU-0\n0.celsius 60\n");
  EXPECT_THAT(watch.latest(), IsEmpty());
  EXPECT_EQ(opened, 0) << "no driver is asked for nothing";
  watch.set_wanted(true);
  for (int i = 0; i < 1'000 && watch.latest().empty(); ++i) ::usleep(10'000);
  ASSERT_THAT(watch.latest(), SizeIs(1));
  EXPECT_EQ(watch.latest()[0].celsius(), 60U);
  say("0.uuid GPU-0\n0.xid 79\n0.xids 1\n");
  ASSERT_TRUE(hears(watch));
  EXPECT_THAT(watch.take_faults(), SizeIs(1));
  EXPECT_THAT(watch.take_faults(), IsEmpty());
  watch.set_wanted(false);
  EXPECT_EQ(opened, 1);
}

TEST_F(DeviceWatchTest, ALookThatIsAskedForIsDoneAtOnceAndItsFaultsAreKept) {
  DeviceWatch watch(devices(), root_, [&] { return Nvml(library_); });
  EXPECT_FALSE(watch.is_looking());
  say("0.uuid GPU-0\n0.xid 48\n0.xids 1\n");
  watch.look();
  EXPECT_TRUE(watch.is_looking());
  ASSERT_TRUE(hears(watch));
  EXPECT_TRUE(watch.is_looking()) << "nobody has taken what it found";
  EXPECT_THAT(watch.take_faults(), SizeIs(1));
  EXPECT_FALSE(watch.is_looking());
}

TEST_F(DeviceWatchTest, ADriverThatHangsHoldsNobodyUp) {
  auto watch = std::make_unique<DeviceWatch>(std::vector<LocalDevice>(), "", [] {
    ::sleep(20);
    return Nvml(nullptr);
  });
  watch->look();
  EXPECT_TRUE(watch->is_looking());
  const auto begun = std::chrono::steady_clock::now();
  watch.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

}  // namespace
}  // namespace fallow::agent
