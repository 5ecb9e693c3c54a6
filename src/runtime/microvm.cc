#include "runtime/microvm.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "runtime/core_dumps.h"
#include "runtime/guest_archive.h"
#include "runtime/host_root.h"
#include "runtime/init/guest_talk.h"
#include "runtime/init/keeper.h"
#include "runtime/sandbox_init.h"

namespace fallow::runtime {
namespace {

// Where bubblewrap shows qemu what the machine is made of.
constexpr std::string_view kGuestKernel = "/guest/kernel";
constexpr std::string_view kGuestArchive = "/guest/archive";
constexpr std::string_view kGuestRoot = "/guest/root";
constexpr std::string_view kGuestPrivate = "/guest/private";
constexpr std::size_t kModuleBytesMax = std::size_t{16} << 20;

// For qemu, of the lease's memory; and what a kernel needs at least.
constexpr std::uint64_t kEmulatorBytes = std::uint64_t{128} << 20;
constexpr std::uint64_t kMachineBytesMin = std::uint64_t{192} << 20;
constexpr std::uint32_t kEmulatorThreadsMax = 512;
// An emulated processor is many times slower, and slower still on a machine with other work.
constexpr int kBootMsMax = 60'000;
constexpr int kEmulatedBootMsMax = 600'000;

std::uint64_t machine_bytes(const LaunchFile& launch) {
  const std::uint64_t asked = launch.spec.memory_bytes_max;
  return std::max(asked > kEmulatorBytes ? asked - kEmulatorBytes : 0, kMachineBytesMin);
}

std::uint32_t processors(const LaunchFile& launch) {
  // Emulated ones are threads that wait for each other.
  if (launch.microvm.emulated) return 1;
  const auto there = static_cast<std::uint32_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
  if (launch.spec.cpu_thousandths == 0) return there;
  return std::clamp((launch.spec.cpu_thousandths + 999) / 1'000, 1U, there);
}

void add_words(std::vector<std::string>& to, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) to.emplace_back(word);
}

Result<std::string> archive_of(const LaunchFile& launch, bool root_writable) {
  GuestArchive archive;
  archive.add_file("init", 0755, sandbox_init());
  archive.add_file("spec", 0600, MicrovmSandbox::spec(launch, root_writable));
  archive.add_file("filter", 0600, launch.filter);
  archive.add_folder("modules");
  std::size_t number = 10;  // two digits: they are loaded by name
  for (const std::string& path : launch.microvm.modules) {
    FALLOW_ASSIGN(const std::string module, read_file(path, kModuleBytesMax));
    archive.add_file("modules/" + std::to_string(number++), 0600, module);
  }
  return std::move(archive).finish();
}

}  // namespace

std::vector<std::string> microvm_devices(const MicrovmTools& tools) {
  if (tools.emulated) return {};
  return {"/dev/kvm"};
}

std::vector<std::string> MicrovmSandbox::arguments(const LaunchFile& launch,
                                                   const PrivateFolders& folders) {
  const std::string root(kGuestRoot);
  std::vector<std::string> words;
  add_namespaces(words, true);
  // qemu's own root: what a workload without an image sees of the host.
  const HostRoot host = host_root(agent::LaunchSpec());
  for (const auto& [path, target] : host.links) add_words(words, {"--symlink", target, path});
  for (const std::string& path : host.shown) add_words(words, {"--ro-bind", path, path});
  add_kernel_files(words, launch.spec);
  add_words(words, {"--remount-ro", "/dev", "--ro-bind", folders.init, kInitPath});
  // The machine's. What bubblewrap makes unasked is nobody else's to read.
  add_words(words, {"--dir", root, "--dir", root + "/etc"});
  add_words(words, {"--ro-bind", launch.microvm.kernel, kGuestKernel, "--file",
                    std::to_string(kFreeFd), kGuestArchive});
  if (!folders.root.empty()) {
    add_words(words, {folders.root_writable ? "--bind" : "--ro-bind", folders.root, root});
  } else {
    for (const auto& [path, target] : host.links)
      add_words(words, {"--symlink", target, root + path});
    for (const std::string& path : host.shown) {
      // Of processors and memory the machine knows its own.
      if (path.starts_with("/sys/")) {
        add_words(words, {"--dir", root + path});
      } else {
        add_words(words, {"--ro-bind", path, root + path});
      }
    }
    for (const char* point : {"/proc", "/dev", "/work", "/out", "/tmp", "/checkpoint"}) {
      add_words(words, {"--dir", root + point});
    }
  }
  for (const auto& [name, text] : inner_etc()) {
    add_words(words, {"--ro-bind", folders.etc + "/" + name, root + "/etc/" + name});
  }
  const std::string own(kGuestPrivate);
  add_words(words, {"--bind", folders.work, own + "/work", "--bind", folders.out, own + "/out",
                    "--bind", folders.tmp, own + "/tmp", "--bind", folders.checkpoint,
                    own + "/checkpoint", "--remount-ro", "/", "--chdir", "/"});
  return words;
}

std::vector<std::string> MicrovmSandbox::emulator(const LaunchFile& launch, bool root_writable) {
  const MicrovmTools& tools = launch.microvm;
  std::vector<std::string> words = {tools.qemu, "-nodefaults", "-no-user-config",
                                    "-display", "none",        "-no-reboot",
                                    "-nic",     "none"};
  // What qemu needs no more once it runs; the list of bubblewrap's filter stands behind it.
  add_words(words, {"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny"});
  add_words(words, {"-machine", "q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off"});
  if (tools.emulated) {
    add_words(words, {"-accel", "tcg,tb-size=64", "-cpu", "max"});
  } else {
    add_words(words, {"-accel", "kvm", "-cpu", "host"});
  }
  add_words(words, {"-m", std::to_string(machine_bytes(launch) >> 20) + "M", "-smp",
                    std::to_string(processors(launch))});
  // Panics are seen; what else the kernel says is not the workload's.
  add_words(words, {"-kernel", kGuestKernel, "-initrd", kGuestArchive, "-append",
                    "rdinit=/init console=ttyS0 quiet loglevel=1 panic=-1 reboot=t audit=0 "
                    "tsc=reliable no_timer_check -- machine"});
  add_words(words, {"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"});
  add_words(words, {"-chardev", "socket,id=talk,fd=" + std::to_string(init::kTalkFd), "-device",
                    "virtio-serial-pci,max_ports=2", "-device",
                    "virtserialport,chardev=talk,name=fallow,nr=1"});
  const auto share = [&words](std::string_view tag, std::string_view path, bool writable) {
    add_words(
        words,
        {"-fsdev",
         "local,id=" + std::string(tag) + ",path=" + std::string(path) +
             ",security_model=none,multidevs=remap,readonly=" + (writable ? "off" : "on"),
         "-device", "virtio-9p-pci,fsdev=" + std::string(tag) + ",mount_tag=" + std::string(tag)});
  };
  share(init::kRootTag, kGuestRoot, root_writable);
  share(init::kPrivateTag, kGuestPrivate, true);
  return words;
}

std::string MicrovmSandbox::spec(const LaunchFile& launch, bool root_writable) {
  const agent::LaunchSpec& spec = launch.spec;
  std::string text;
  const auto put = [&text](std::string_view key, std::string_view value) {
    text.append(key).append(" ").append(value).push_back('\0');
  };
  put("root", root_writable ? "rw" : "ro");
  put("shm", std::to_string(std::min(shared_memory_bytes(spec), machine_bytes(launch) / 2)));
  put("nofile", std::to_string(open_files_max()));
  put("core", std::to_string(kCoreBytesMax));
  put("nproc", std::to_string(spec.processes_max));
  if (spec.disk_bytes_max > 0) put("fsize", std::to_string(spec.disk_bytes_max));
  for (const auto& [name, value] : spec.environment) put("env", name + "=" + value);
  for (const std::string& word : spec.command) put("word", word);
  return text;
}

CgroupLimits MicrovmSandbox::limits(const LaunchFile& launch) {
  return {std::max(launch.spec.memory_bytes_max, machine_bytes(launch) + kEmulatorBytes),
          kEmulatorThreadsMax, launch.spec.cpu_thousandths, launch.disk};
}

Status MicrovmSandbox::start() {
  FALLOW_ASSIGN(const std::string archive, archive_of(launch_, folders_.root_writable));
  FALLOW_ASSIGN(const Fd archive_file, memory_file("machine", archive));
  std::array<int, 2> word{};
  if (::pipe2(word.data(), O_CLOEXEC) != 0) {
    return tl::unexpected(file_error("make", "a pipe", errno));
  }
  ::fcntl(word[0], F_SETFL, O_NONBLOCK);
  word_ = Fd(word[0]);
  const Fd word_end(word[1]);
  constexpr int kWordFd = kFreeFd + 1;
  std::vector<std::string> command = {
      std::string(kInitPath), "keep", std::to_string(kWordFd),
      std::to_string(launch_.microvm.emulated ? kEmulatedBootMsMax : kBootMsMax)};
  for (std::string& one : emulator(launch_, folders_.root_writable)) {
    command.push_back(std::move(one));
  }
  // The machine's own kernel limits files: bubblewrap's have the size of the archive.
  return start_in(arguments(launch_, folders_), command,
                  {{archive_file.get(), kFreeFd}, {word_end.get(), kWordFd}}, false);
}

void MicrovmSandbox::follow() {
  const bool has_begun = begun_;
  BubblewrapSandbox::follow();
  // The keeper's start is not yet the workload's.
  begun_ = has_begun;
  std::array<char, 64> words{};
  ssize_t n = 0;
  while (word_ && (n = ::read(word_.get(), words.data(), words.size())) > 0) {
    for (ssize_t i = 0; i < n; ++i) {
      const char letter = words[static_cast<std::size_t>(i)];
      if (letter == init::kBegunWord) begun_ = true;
      if (letter == init::kOutOfMemoryWord) ran_out_of_memory_ = true;
    }
  }
  if (n == 0) word_.reset();
}

void MicrovmSandbox::ask_to_end() {
  if (!begun_) {
    kill();
    return;
  }
  // To the keeper, which tells the machine.
  ::syscall(SYS_pidfd_send_signal, init_fd_.get(), SIGTERM, nullptr, 0);
}

SandboxEnd MicrovmSandbox::end(std::string_view err_head) const {
  SandboxEnd end = BubblewrapSandbox::end(err_head);
  end.out_of_memory = ran_out_of_memory_;
  if (begun_) return end;
  end.exit_code.reset();
  end.command_error.clear();
  end.start_error = err_head.substr(0, err_head.find('\n'));
  return end;
}

}  // namespace fallow::runtime
