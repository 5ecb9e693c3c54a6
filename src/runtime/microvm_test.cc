// Virtual machines: what is told to qemu, and one that really boots.
#include "runtime/microvm.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "runtime/cgroup.h"
#include "runtime/reach_fixture_test.h"

namespace fallow::runtime {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

LaunchFile machine_launch() {
  LaunchFile launch;
  launch.isolation = v1::MICROVM;
  launch.spec.command = {"sh", "-c", "echo \"$TOKEN\""};
  launch.spec.environment = {{"TOKEN", "s3cret of it"}};
  launch.spec.memory_bytes_max = 1024 * kMiB;
  launch.spec.cpu_thousandths = 1'500;
  launch.spec.processes_max = 77;
  launch.microvm.qemu = "/usr/bin/qemu";
  launch.microvm.kernel = "/boot/vmlinuz-1";
  return launch;
}

PrivateFolders machine_folders() {
  PrivateFolders folders;
  folders.work = "/s/work";
  folders.out = "/s/out";
  folders.tmp = "/s/tmp";
  folders.checkpoint = "/s/checkpoint";
  folders.etc = "/s/etc";
  folders.init = "/s/init";
  return folders;
}

// "A B C ": for words that belong together.
std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += word + " ";
  return all;
}

TEST(Microvm, QemuIsGivenTheLeasesPartAndNothingElse) {
  LaunchFile launch = machine_launch();
  const std::string words = joined(MicrovmSandbox::emulator(launch, false));
  EXPECT_THAT(words, HasSubstr("/usr/bin/qemu -nodefaults -no-user-config "));
  EXPECT_THAT(words, HasSubstr("-nic none "));
  EXPECT_THAT(words, HasSubstr("-sandbox on,"));
  EXPECT_THAT(words, HasSubstr("-accel kvm -cpu host "));
  // qemu's own part is the lease's, too.
  EXPECT_THAT(words, HasSubstr("-m 896M "));
  const long there = ::sysconf(_SC_NPROCESSORS_ONLN);
  EXPECT_THAT(words, HasSubstr("-smp " + std::to_string(std::min(there, 2L)) + " "));
  EXPECT_THAT(words, HasSubstr("path=/guest/root,security_model=none,multidevs=remap,readonly=on"));
  EXPECT_THAT(words,
              HasSubstr("path=/guest/private,security_model=none,multidevs=remap,readonly=off"));
  EXPECT_THAT(joined(MicrovmSandbox::emulator(launch, true)), Not(HasSubstr("readonly=on")));
  EXPECT_THAT(words, Not(HasSubstr("s3cret")));

  launch.microvm.emulated = true;
  const std::string emulated = joined(MicrovmSandbox::emulator(launch, false));
  EXPECT_THAT(emulated, HasSubstr("-accel tcg,"));
  EXPECT_THAT(emulated, HasSubstr("-smp 1 "));
}

TEST(Microvm, QemuStandsInABubblewrapSandboxOfTheLease) {
  LaunchFile launch = machine_launch();
  launch.spec.device_files = microvm_devices(launch.microvm);
  PrivateFolders folders = machine_folders();
  const std::string words = joined(MicrovmSandbox::arguments(launch, folders));
  EXPECT_THAT(words, HasSubstr("--unshare-user --disable-userns "));
  EXPECT_THAT(words, HasSubstr("--unshare-net "));
  EXPECT_THAT(words, HasSubstr("--dev-bind-try /dev/kvm /dev/kvm "));
  EXPECT_THAT(words, HasSubstr("--ro-bind /boot/vmlinuz-1 /guest/kernel "));
  EXPECT_THAT(words, HasSubstr("--ro-bind /usr /guest/root/usr "));
  EXPECT_THAT(words, HasSubstr("--ro-bind /s/etc/passwd /guest/root/etc/passwd "));
  EXPECT_THAT(words, HasSubstr("--bind /s/out /guest/private/out "));
  EXPECT_THAT(words, Not(HasSubstr("--bind /s/out /out ")));
  EXPECT_THAT(words, Not(HasSubstr("s3cret")));

  // An image is the machine's root, and qemu's stays the host's.
  folders.root = "/s/root";
  folders.root_writable = true;
  const std::string on_image = joined(MicrovmSandbox::arguments(launch, folders));
  EXPECT_THAT(on_image, HasSubstr("--bind /s/root /guest/root "));
  EXPECT_THAT(on_image, Not(HasSubstr("/guest/root/usr")));
  EXPECT_THAT(on_image, HasSubstr("--ro-bind /usr /usr "));
  launch.microvm.emulated = true;
  EXPECT_TRUE(microvm_devices(launch.microvm).empty());
}

TEST(Microvm, TheMachineIsToldWhatToRunAndItsLimits) {
  LaunchFile launch = machine_launch();
  const std::string text = MicrovmSandbox::spec(launch, false);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size(); at += lines.back().size() + 1) {
    lines.emplace_back(text.c_str() + at);
  }
  EXPECT_THAT(lines, IsSupersetOf({"root ro", "nproc 77", "core 1", "env TOKEN=s3cret of it",
                                   "word sh", "word -c", "word echo \"$TOKEN\""}));
  EXPECT_THAT(text, Not(HasSubstr("fsize")));
  launch.spec.disk_bytes_max = 5;
  EXPECT_THAT(MicrovmSandbox::spec(launch, true), HasSubstr("fsize 5"));
  EXPECT_THAT(MicrovmSandbox::spec(launch, true), HasSubstr("root rw"));
}

TEST(Microvm, TheControlGroupsHoldMachineAndEmulatorTogether) {
  LaunchFile launch = machine_launch();
  EXPECT_EQ(cgroup_limits(launch).memory_bytes_max, 1024 * kMiB);
  EXPECT_GT(cgroup_limits(launch).processes_max, 77U);
  EXPECT_EQ(cgroup_limits(launch).cpu_thousandths, 1'500U);
  // A kernel must have room to boot.
  launch.spec.memory_bytes_max = 16 * kMiB;
  EXPECT_EQ(cgroup_limits(launch).memory_bytes_max, 320 * kMiB);
  launch.isolation = v1::RUNC;
  EXPECT_EQ(cgroup_limits(launch).memory_bytes_max, 16 * kMiB);
  EXPECT_EQ(cgroup_limits(launch).processes_max, 77U);
}

// Boots for real, with an emulated processor where there is no KVM: three times, the trial
// included. Times only catch what hangs.
class MicrovmTest : public ReachTest {
 protected:
  MicrovmTest() {
    tools_.emulates_processors = true;
    exec_max_ = kBound;
    prover_ = "/usr/bin/env";
  }
  static constexpr Duration kBound = minutes(10);
};

TEST_P(MicrovmTest, ALeaseHasAMachineOfItsOwn) {
  const auto folders = runtime_->prepare(LeaseId(7));
  ASSERT_TRUE(folders);
  ASSERT_TRUE(replace_file(folders->work + "/in.txt", "given\n"));
  LaunchSpec spec = shell(
      "uname -r; id -un; pwd; cat in.txt; echo ${#TOKEN}; echo trouble >&2; "
      "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; "
      "(touch /usr/x; touch /etc/x; touch /x) 2>/dev/null && echo wrote; "
      "unshare -U true 2>/dev/null && echo nested; hostname; "
      "echo $(tail -n +3 /proc/net/dev | cut -d: -f1) only; "
      "kill -9 -1 2>/dev/null; echo kept > /out/result; "
      "trap 'echo bye; exit 5' TERM; echo ready; while :; do echo .; sleep 0.1; done");
  const std::string secret = "s3cret-of-the-renter";
  spec.secret_environment = {{"TOKEN", secret}};
  spec.fence_at = boot_time() + kBound + kBound;
  ASSERT_TRUE(runtime_->start(spec));
  ASSERT_TRUE(next<Started>(kBound)) << err();
  for (const Time until = boot_time() + kBound;
       boot_time() < until && out().find("ready") == std::string::npos;) {
    ::usleep(100'000);
  }
  ASSERT_THAT(out(), HasSubstr("ready"));
  utsname host{};
  ASSERT_EQ(::uname(&host), 0);
  EXPECT_FALSE(out().starts_with(std::string(host.release) + "\n")) << "the host's kernel";
  EXPECT_THAT(out(), HasSubstr("\nworker\n/work\ngiven\n20\n"));
  EXPECT_THAT(out(), HasSubstr("CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
                               "NoNewPrivs:\t1\nSeccomp:\t2\n"));
  EXPECT_THAT(out(), Not(HasSubstr("wrote")));
  EXPECT_THAT(out(), Not(HasSubstr("nested")));
  EXPECT_THAT(out(), HasSubstr("fallow\nlo only\n"));
  EXPECT_EQ(err(), "trouble\n");

  const Ran ran = exec({"/bin/sh", "-c", "cat; cat /out/result; exit 9"}, "in\n");
  EXPECT_EQ(ran.refusal, "");
  EXPECT_EQ(ran.code, 9U);
  EXPECT_EQ(ran.out, "in\nkept\n");

  // The secrets are on no disk, and in no command line.
  std::size_t looked_at = 0;
  for (const auto& one : std::filesystem::recursive_directory_iterator(folder_)) {
    if (!one.is_regular_file()) continue;
    ++looked_at;
    EXPECT_THAT(read_file(one.path(), 80 * kMiB).value_or(""), Not(HasSubstr(secret)));
  }
  EXPECT_GT(looked_at, 3U);
  for (const auto& process : std::filesystem::directory_iterator("/proc")) {
    EXPECT_THAT(read_file(process.path() / "cmdline", kMiB).value_or(""), Not(HasSubstr(secret)));
  }
  // Who reaches in and reads nothing: until the end, which must not wait for it.
  tunnel::Endpoint deaf(enter().release(), tunnel::Side::kRenter);
  tunnel::ExecRequest endless;
  endless.command = {"/bin/cat", "/dev/zero"};
  deaf.mux().open(tunnel::encode_request(endless));
  deaf.flush(10'000);
  // The guest's kernel keeps what it runs from itself as the host's does: threads, but no tracing,
  // keyrings, BPF, namespaces; files as large as the lease's disk, and a device for what is not
  // wanted.
  const Ran inside =
      exec({"/usr/bin/python3", "-c",
            "import ctypes, os, threading\n"
            "libc = ctypes.CDLL(None, use_errno=True)\n"
            "print([(libc.syscall(*call), ctypes.get_errno()) for call in ((435, 0, 0),\n"
            "    (101, 16, 1, 0, 0), (250, 0, -3, 0), (321, 0, 0, 0), (272, 0x10000000))])\n"
            "ran = []\n"
            "threads = [threading.Thread(target=ran.append, args=(i,)) for i in range(8)]\n"
            "[one.start() for one in threads]\n"
            "[one.join() for one in threads]\n"
            "print(sorted(ran) == list(range(8)))\n"
            "open('/dev/null', 'w').write('x')\n"
            "try: os.truncate(os.open('/tmp/x', os.O_CREAT | os.O_RDWR), 65 << 20)\n"
            "except OSError as error: print(error.errno)\n"});
  EXPECT_EQ(inside.out, "[(-1, 38), (-1, 1), (-1, 1), (-1, 1), (-1, 1)]\nTrue\n27\n")
      << inside.err << inside.refusal;

  runtime_->suspend(LeaseId(7));
  std::string before;
  for (int i = 0; i < 50 && out() != before; ++i) {
    before = out();
    ::usleep(1'000'000);
  }
  ::usleep(1'000'000);
  EXPECT_EQ(out(), before);
  runtime_->resume(LeaseId(7));
  for (int i = 0; i < 6000 && out() == before; ++i) ::usleep(10'000);
  EXPECT_GT(out().size(), before.size());
  runtime_->stop(LeaseId(7));
  auto exited = next<Exited>(kBound);
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->cause, ExitCause::kExited);
  EXPECT_EQ(exited->exit_code, 5) << exited->detail;
  EXPECT_TRUE(out().ends_with(".\nbye\n")) << out();
  EXPECT_EQ(read_file(folders->out + "/result", 100).value_or(""), "kept\n");

  // The machine's own kernel holds it to its memory.
  LaunchSpec glutton = shell("tail /dev/zero; exit $?", 8);
  glutton.memory_bytes_max = 320 * kMiB;
  glutton.fence_at = spec.fence_at;
  start(glutton);
  ASSERT_TRUE(next<Started>(kBound)) << err(8);
  exited = next<Exited>(kBound);
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->cause, ExitCause::kOutOfMemory) << exited->detail << err(8);

  // What proves a processor needs no machine: it begins with who enters, as in the other kinds.
  LaunchSpec prover = spec_of({"cat"}, 9);
  prover.is_prover = true;
  start(prover);
  ASSERT_TRUE(next<Started>());
  Fd channel = enter(9);
  ASSERT_EQ(::send(channel.get(), "ask", 3, MSG_NOSIGNAL), 3);
  pollfd answered{channel.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&answered, 1, 30'000), 1) << err(9);
  std::string answer(8, '\0');
  EXPECT_EQ(::read(channel.get(), answer.data(), answer.size()), 3) << err(9);
  channel.reset();
  exited = next<Exited>(kBound);
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->exit_code, 0) << exited->detail << err(9);

  // Also while it boots.
  start(shell("true", 7));
  runtime_->kill(LeaseId(7));
  exited = next<Exited>(kBound);
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->signal, SIGKILL);
}

INSTANTIATE_TEST_SUITE_P(Kinds, MicrovmTest, testing::Values(v1::MICROVM), kind_of);

}  // namespace
}  // namespace fallow::runtime
