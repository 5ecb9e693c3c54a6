#include "agent/owner_signs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <cstdlib>

#include "agent/owner_fixture_test.h"
#include "agent/owner_input.h"
#include "agent/owner_machine.h"
#include "agent/owner_programs.h"
#include "agent/process_facts.h"
#include "base/file.h"

namespace fallow::agent {
namespace {

constexpr Time kLookStart{1'000'000'000};
constexpr int kAgent = 50;
const std::string kMark = "workload-supervisor";

class OwnerSignsTest : public OwnerTreeTest {
 protected:
  Time after(int look) const { return kLookStart + milliseconds(500 * look); }
};

TEST_F(OwnerSignsTest, AProgramIsSeenByItsNameOrItsFilesAndUntilItEnds) {
  put("proc/loadavg", "0.1 0.1 0.1 1/80 300\n");
  put_process(200, 1, "bash", "/usr/bin/bash");
  ProgramSigns signs(root_, {"doom", "*.exe", "a-very-long-name-of-a-game"}, kAgent, kMark);
  EXPECT_FALSE(signs.look(after(0)));
  // A new process; it becomes the game a moment later, as after a fork.
  put("proc/loadavg", "0.1 0.1 0.1 1/80 301\n");
  put_process(301, 200, "bash", "/usr/bin/bash");
  EXPECT_FALSE(signs.look(after(1)));
  put_process(301, 200, "main", "/opt/games/doom");
  EXPECT_EQ(signs.look(after(2)), "program doom runs");
  EXPECT_EQ(signs.look(after(30)), "program doom runs");
  drop("proc/301");
  EXPECT_FALSE(signs.look(after(31)));
  put("proc/loadavg", "0.1 0.1 0.1 1/80 302\n");
  put_process(302, 1, "Game.exe", "");
  EXPECT_EQ(signs.look(after(32)), "program Game.exe runs");
  drop("proc/302");
  put("proc/loadavg", "0.1 0.1 0.1 1/80 303\n");
  put_process(303, 1, "a-very-long-nam", "");
  EXPECT_EQ(signs.look(after(33)), "program a-very-long-nam runs");
}

TEST_F(OwnerSignsTest, ANameThatIsCutIsReadFromItsFile) {
  put("proc/loadavg", "0.1 0.1 0.1 1/80 300\n");
  ProgramSigns signs(root_, {"a-very-long-name-of-a-game"}, kAgent, kMark);
  put_process(300, 1, "a-very-long-nam", "/usr/bin/a-very-long-name-of-a-tool");
  EXPECT_FALSE(signs.look(after(0)));
  put("proc/loadavg", "0.1 0.1 0.1 1/80 301\n");
  put_process(301, 1, "a-very-long-nam", "/usr/bin/python3");  // it has called itself so
  EXPECT_EQ(signs.look(after(1)), "program a-very-long-nam runs");
}

TEST_F(OwnerSignsTest, ARunningProgramThatBecomesAGameIsFoundWithinHalfAMinute) {
  put("proc/loadavg", "0.1 0.1 0.1 1/80 300\n");
  put_process(200, 1, "launcher", "/usr/bin/launcher");
  ProgramSigns signs(root_, {"doom"}, kAgent, kMark);
  EXPECT_FALSE(signs.look(after(0)));
  put_process(200, 1, "doom", "/usr/bin/doom");
  EXPECT_FALSE(signs.look(after(1)));
  EXPECT_TRUE(signs.look(after(60)));
}

TEST_F(OwnerSignsTest, ARentersProgramIsNoSignWhateverItsName) {
  put_process(kAgent, 1, "fallow", "/usr/bin/fallow", std::string("fallow\0agent\0", 13));
  // Left by an earlier agent, so that its parent is process 1.
  put_process(60, 1, "fallow", "/usr/bin/fallow",
              std::string("fallow\0workload-supervisor\0/folder\0", 35));
  put_process(61, 60, "init) S 1 (", "", "init");
  put_process(62, 61, "doom", "/usr/bin/doom");
  put_process(63, kAgent, "doom", "/usr/bin/doom");
  put("proc/loadavg", "0.1 0.1 0.1 1/80 63\n");
  EXPECT_EQ(whose_process(root_, 62, kAgent, kMark), Whose::kAgents);
  EXPECT_EQ(whose_process(root_, 63, kAgent, kMark), Whose::kAgents);
  EXPECT_EQ(whose_process(root_, 64, kAgent, kMark), Whose::kUnknown) << "there is none";
  ProgramSigns signs(root_, {"doom"}, kAgent, kMark);
  EXPECT_FALSE(signs.look(after(0)));
  put_process(65, 1, "doom", "/usr/bin/doom");
  put("proc/loadavg", "0.1 0.1 0.1 1/80 65\n");
  EXPECT_EQ(whose_process(root_, 65, kAgent, kMark), Whose::kOthers);
  EXPECT_TRUE(signs.look(after(1)));
}

// A renter's process whose parent ends at this moment must not stand for the owner.
TEST_F(OwnerSignsTest, AProgramWhoseParentIsGoneIsNoSign) {
  put_process(62, 61, "doom", "/usr/bin/doom");
  put("proc/loadavg", "0.1 0.1 0.1 1/80 62\n");
  EXPECT_EQ(whose_process(root_, 62, kAgent, kMark), Whose::kUnknown);
  ProgramSigns signs(root_, {"doom"}, kAgent, kMark);
  EXPECT_FALSE(signs.look(after(0)));
}

TEST_F(OwnerSignsTest, AProgramThatHasEndedIsNoSignThoughNobodyReapsIt) {
  put_process(300, 1, "doom", "/usr/bin/doom");
  put("proc/loadavg", "0.1 0.1 0.1 1/80 300\n");
  ProgramSigns signs(root_, {"doom"}, kAgent, kMark);
  EXPECT_TRUE(signs.look(after(0)));
  put("proc/300/stat", "300 (doom) Z 1 1");
  EXPECT_FALSE(signs.look(after(1)));
  ProgramSigns later(root_, {"doom"}, kAgent, kMark);
  EXPECT_FALSE(later.look(after(0)));
}

TEST_F(OwnerSignsTest, ASystemBusThatStartsLaterIsFound) {
  const std::string path = root_ + "/bus";
  ASSERT_EQ(::setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + path).c_str(), 1), 0);
  OwnerPolicy policy;
  policy.input = policy.terminals = policy.battery = false;
  policy.gpu_memory_mb = policy.gpu_percent = 0;
  policy.programs = {};
  OwnerSigns signs(policy, {root_, kAgent, kMark, {}});
  ASSERT_EQ(signs.faults().size(), 1U);
  EXPECT_NE(signs.faults()[0].find("desktops are no sign so far"), std::string::npos);
  EXPECT_FALSE(signs.look({kLookStart, kLookStart}));
  const Fd bus(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(bus.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(bus.get(), 1), 0);
  const Time later = kLookStart + minutes(2);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_FALSE(signs.look({later, later}));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20))
      << "a bus that never answers holds up the watch";
  EXPECT_TRUE(Fd(::accept4(bus.get(), nullptr, nullptr, SOCK_CLOEXEC))) << "nobody has asked";
  ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
}

TEST_F(OwnerSignsTest, KeyboardsAndMiceCountWhatTheyDo) {
  const std::string usb = "sys/bus/usb/devices/";
  const auto put_usb = [&](const std::string& device, const char* of_class, const char* protocol) {
    put(usb + device + "/urbnum", "100\n");
    put(usb + device + ":1.0/bInterfaceClass", std::string(of_class) + "\n");
    put(usb + device + ":1.0/bInterfaceProtocol", std::string(protocol) + "\n");
  };
  put_usb("1-1", "03", "01");
  put_usb("1-2", "03", "02");
  put_usb("1-3", "08", "50");  // a disk
  put_usb("1-4", "03", "00");  // a battery that speaks like a keyboard
  const std::string head = "            CPU0       CPU1\n";
  put("proc/interrupts", head +
                             "   1:         10          0   IO-APIC    1-edge      i8042\n"
                             "  16:        900        800   IO-APIC   16-fasteoi  xhci_hcd\n"
                             "  50:          7          0   pinctrl   3 Level     ELAN1200:00\n");
  put("sys/bus/i2c/drivers/i2c_hid_acpi/i2c-ELAN1200:00", "");
  InputSigns signs(root_);
  EXPECT_FALSE(signs.look(after(0))) << "that they are there is nothing";
  EXPECT_FALSE(signs.look(after(1)));
  put(usb + "1-3/urbnum", "200\n");
  put(usb + "1-4/urbnum", "200\n");
  EXPECT_FALSE(signs.look(after(2)));
  put(usb + "1-2/urbnum", "101\n");
  EXPECT_EQ(signs.look(after(3)), "keyboard or mouse");
  EXPECT_FALSE(signs.look(after(4)));
  put("proc/interrupts", head +
                             "   1:         10          0   IO-APIC    1-edge      i8042\n"
                             "  16:        999        899   IO-APIC   16-fasteoi  xhci_hcd\n"
                             "  50:          7          0   pinctrl   3 Level     ELAN1200:00\n");
  EXPECT_FALSE(signs.look(after(5))) << "the controller of all USB devices is no sign";
  put("proc/interrupts", head +
                             "   1:         10          1   IO-APIC    1-edge      i8042\n"
                             "  50:          7          0   pinctrl   3 Level     ELAN1200:00\n");
  EXPECT_TRUE(signs.look(after(6)));
  put("proc/interrupts", head +
                             "   1:         10          1   IO-APIC    1-edge      i8042\n"
                             "  50:          8          0   pinctrl   3 Level     ELAN1200:00\n");
  EXPECT_TRUE(signs.look(after(7)));
  // One that is plugged in later is found, and counts from its second look on.
  put_usb("2-1", "03", "01");
  EXPECT_FALSE(signs.look(after(100)));
  put(usb + "2-1/urbnum", "102\n");
  EXPECT_TRUE(signs.look(after(101)));
}

TEST_F(OwnerSignsTest, ATerminalCountsWhileItIsTypedInto) {
  put("dev/pts/3", "");
  put("dev/pts/ptmx", "");
  const Time read{1'800'000'000'000'000};
  const auto set_read = [&](const std::string& file, Time at) {
    const timespec times[2] = {{at.us / 1'000'000, 0}, {at.us / 1'000'000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (root_ + "/" + file).c_str(), times, 0), 0);
  };
  set_read("dev/pts/3", read);
  set_read("dev/pts/ptmx", read + hours(1));
  EXPECT_TRUE(terminal_sign(root_, read + seconds(8)));
  EXPECT_FALSE(terminal_sign(root_, read + seconds(12)));
  EXPECT_FALSE(terminal_sign(root_, read + hours(1))) << "programs open ptmx, people do not";
  put("dev/tty2", "");
  set_read("dev/tty2", read + hours(1));
  EXPECT_TRUE(terminal_sign(root_, read + hours(1)));
}

TEST_F(OwnerSignsTest, OnBatteryMeansWithoutMains) {
  EXPECT_FALSE(battery_sign(root_)) << "a desktop computer has neither";
  const std::string power = "sys/class/power_supply/";
  put(power + "AC/type", "Mains\n");
  put(power + "AC/online", "1\n");
  put(power + "BAT0/type", "Battery\n");
  put(power + "BAT0/status", "Charging\n");
  EXPECT_FALSE(battery_sign(root_));
  put(power + "AC/online", "0\n");
  put(power + "BAT0/status", "Discharging\n");
  EXPECT_EQ(battery_sign(root_), "on battery");
  put(power + "BAT0/scope", "Device\n");  // a mouse's
  EXPECT_FALSE(battery_sign(root_));
}

TEST_F(OwnerSignsTest, OthersProcessorTimeIsTheMachinesLessThatOfLeasesAndOurOwn) {
  const std::string group = root_ + "/cgroup";
  const auto set = [&](int busy_ticks, std::int64_t leases_us) {
    put("proc/stat", "cpu  " + std::to_string(busy_ticks) + " 0 0 5000 70 0 0 0 0 0\ncpu0 1\n");
    put("cgroup/cpu.stat", "usage_usec " + std::to_string(leases_us) + "\nuser_usec 1\n");
  };
  ProcessorSigns signs(root_, {group}, 1.5);
  set(1'000, 0);
  EXPECT_FALSE(signs.look({}, kLookStart));
  // 40 s of processor time in 10 s: 20 of leases, 6 of the agent, 14 of others.
  set(5'000, 20'000'000);
  EXPECT_FALSE(signs.look(seconds(6), kLookStart + seconds(10)));
  // Then 15 of others.
  set(9'000, 44'000'000);
  EXPECT_FALSE(signs.look(seconds(7), kLookStart + seconds(19))) << "not before the span is over";
  EXPECT_EQ(signs.look(seconds(7), kLookStart + seconds(20)), "others keep the processor busy");
  drop("cgroup");
  EXPECT_FALSE(signs.look(seconds(7), kLookStart + seconds(30))) << "leases' time is not known";
  EXPECT_FALSE(processor_time_of({group}));
  EXPECT_FALSE(processor_time(root_ + "/nowhere"));
}

TEST_F(OwnerSignsTest, ThePolicySaysWhatIsLookedAt) {
  put("proc/loadavg", "0.1 0.1 0.1 1/80 300\n");
  put_process(300, 1, "doom", "/usr/bin/doom");
  OwnerPolicy policy;
  policy.desktop = policy.terminals = false;
  policy.gpu_memory_mb = policy.gpu_percent = 0;
  policy.programs = {"quake"};
  const OwnerMachine machine{root_, kAgent, kMark, {}};
  EXPECT_FALSE(OwnerSigns(policy, machine).look({kLookStart, kLookStart}));
  EXPECT_TRUE(OwnerSigns(policy, machine).faults().empty());
  policy.programs.emplace_back("doom");
  EXPECT_EQ(OwnerSigns(policy, machine).look({kLookStart, kLookStart}), "program doom runs");
  policy.processor_cores = 1;
  OwnerSigns signs(policy, machine);
  ASSERT_EQ(signs.faults().size(), 1U);
  EXPECT_NE(signs.faults()[0].find("control groups"), std::string::npos);
}

}  // namespace
}  // namespace fallow::agent
