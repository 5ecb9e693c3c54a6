// Workloads on images, in every kind of sandbox.
#include <sys/sysmacros.h>

#include "base/sanitizers.h"
#include "runtime/image_fixture_test.h"
#include "runtime/image_tree.h"
#include "runtime/sandbox_test.h"

namespace fallow::runtime {
namespace {

using testing::HasSubstr;

class SandboxImageTest : public SandboxTest {
 protected:
  void SetUp() override {
    SandboxTest::SetUp();
    if (IsSkipped()) return;
    ImageStoreOptions options;
    options.folder = folder_ + "/images";
    auto opened = ImageStore::open(std::move(options));
    ASSERT_TRUE(opened) << opened.error().message;
    images_ = std::move(*opened);
    if (!images_->why_not().empty()) GTEST_SKIP() << images_->why_not();
    write_oci_folder(folder_ + "/input/tool",
                     {shell_layer(), tar_of({{"opt/", '5', "", ""},
                                             {"opt/own", '0', "of the image\n", "", 0600},
                                             {"dev", '2', "", "/etc"}})});
    const std::atomic<bool> cancelled = false;
    const auto digest = images_->fetch(LeaseId(7), {"oci:tool", folder_ + "/input", {}}, cancelled,
                                       [](std::string_view) {});
    ASSERT_TRUE(digest) << digest.error().message;
    root_ = images_->of(LeaseId(7))->root;
  }
  void TearDown() override {
    SandboxTest::TearDown();
    images_.reset();
    remove_tree(folder_);
  }

  LaunchSpec on_image(const std::string& script, std::uint64_t lease = 7) {
    LaunchSpec spec = shell(script, lease);
    spec.image_root = root_;
    return spec;
  }

  std::unique_ptr<ImageStore> images_;
  std::string root_;
};

TEST_P(SandboxImageTest, SeesTheImageAndNothingOfTheHost) {
  const Exited exited =
      run(on_image("while read line; do echo \"$line\"; done < /etc/image-name\n"
                   "while read line; do echo \"$line\"; done < /etc/passwd\n"
                   "for path in /usr/bin /root /home /var/lib /etc/shadow /image /layer /boot; do\n"
                   "  [ -e $path ] && echo there: $path; done\n"
                   "echo here > /work/file && echo work; echo x > /out/file && echo out; echo y > "
                   "/tmp/f && echo "
                   "tmp\n"
                   "echo z > /dev/null && echo null; pwd; exit 3"));
  EXPECT_EQ(exited.cause, ExitCause::kExited) << exited.detail;
  EXPECT_EQ(exited.exit_code, 3) << exited.detail << err();
  EXPECT_EQ(out(),
            "an image\nworker:x:65534:65534:the workload:/work:/bin/sh\nwork\nout\ntmp\nnull\n"
            "/work\n")
      << err();
}

// An image is read-only without root. Under ThreadSanitizer, too: its own thread is in every
// process, and only one of a single thread can make the user namespace that maps the image's
// owners.
bool images_can_be_changed() { return !kHasThreadSanitizer && ::geteuid() == 0; }

TEST_P(SandboxImageTest, ChangesAreItsOwn) {
  const std::string script =
      "while read line; do echo \"$line\"; done < /etc/image-name\n"
      "echo \"changed by $FALLOW\" > /etc/image-name && echo changed\n"
      "echo new > /etc/new && echo made; [ -e /etc/new ] && echo found";
  LaunchSpec first = on_image(script, 7);
  start(first);
  const auto done = next<Exited>();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->cause, ExitCause::kExited) << done->detail << err();
  EXPECT_EQ(out(), images_can_be_changed() ? "an image\nchanged\nmade\nfound\n" : "an image\n")
      << err();
  LaunchSpec second = on_image(script, 8);
  start(second);
  ASSERT_TRUE(next<Exited>());
  EXPECT_EQ(out(8), out(7)) << err(8);
  EXPECT_EQ(file_text(root_ + "/etc/image-name"), "an image\n");
  EXPECT_FALSE(std::filesystem::exists(root_ + "/etc/new"));
}

TEST_P(SandboxImageTest, WhatItAddsCountsAsItsDisk) {
  if (!images_can_be_changed()) GTEST_SKIP() << "an image is read-only here";
  // 64 MiB are its own; each file is within the limit of one.
  const Exited exited = run(on_image(
      "line=0123456789012345678901234567890123456789012345678901234567890123456789\n"
      "for i in 1 2 3 4 5 6 7 8; do line=$line$line; done\n"
      "n=0; while :; do echo $line$line$line$line >> /etc/big$((n / 200)) || exit 1; n=$((n+1)); "
      "done"));
  EXPECT_EQ(exited.cause, ExitCause::kDiskFull) << exited.detail << exited.exit_code << err();
}

TEST_P(SandboxImageTest, ACommandThatIsNotThereIsSaidSo) {
  LaunchSpec spec = on_image("");
  spec.command = {"/bin/nothing"};
  const Exited exited = run(spec);
  EXPECT_EQ(exited.cause, ExitCause::kExited) << exited.detail;
  EXPECT_EQ(exited.exit_code, 127);
  EXPECT_THAT(exited.detail, HasSubstr("/bin/nothing"));
}

// A driver that is made up: a library that the linker can load, and character devices under the
// names of GPUs. Both GPUs are here, one is the lease's.
class SandboxDriverTest : public SandboxImageTest {
 protected:
  void SetUp() override {
    SandboxImageTest::SetUp();
    if (IsSkipped()) return;
    if (GetParam() == v1::GVISOR) GTEST_SKIP() << "gVisor sandboxes are given no devices";
    // The supervisor covers /tmp.
    std::string pattern = "/var/tmp/fallow_driver_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    libraries_ = pattern;
    for (const char* path :
         {"/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"}) {
      if (::access(path, R_OK) == 0) {
        std::filesystem::copy_file(path, libraries_ + "/libcuda.so.999.1");
      }
    }
    ::chmod(libraries_.c_str(), 0755);
    ::chmod((libraries_ + "/libcuda.so.999.1").c_str(), 0644);
    std::filesystem::create_symlink("libcuda.so.999.1", libraries_ + "/libcuda.so.1");
    for (const std::string& device : {kLeased, kOther}) {
      // Null devices, as far as the kernel goes.
      has_devices_ = ::mknod(device.c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0;
      if (has_devices_) ::chmod(device.c_str(), 0666);
    }
    std::filesystem::create_directories(libraries_ + "/cdi");
    std::ofstream(libraries_ + "/cdi/made.yaml")
        << "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n"
        << "- {name: a, containerEdits: {deviceNodes: [{path: " << kLeased << "}]}}\n"
        << "- {name: b, containerEdits: {deviceNodes: [{path: " << kOther << "}]}}\n"
        << "- {name: all, containerEdits: {deviceNodes: [{path: " << kLeased
        << "}, {path: " << kOther << "}]}}\ncontainerEdits:\n  env: [MADE_BY=cdi]\n  mounts:\n"
        << "  - {hostPath: " << libraries_
        << "/libcuda.so.999.1, containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.999.1}\n";
    ::chmod((libraries_ + "/cdi/made.yaml").c_str(), 0644);
    driver_.cdi_folders = {libraries_ + "/cdi"};
    driver_.ldconfig = {"/bin/false"};
    runtime_.reset();
    open();
    ASSERT_TRUE(runtime_) << error_;
  }
  void TearDown() override {
    if (!libraries_.empty()) {
      for (const std::string& device : {kLeased, kOther}) ::unlink(device.c_str());
      remove_tree(libraries_);
    }
    SandboxImageTest::TearDown();
  }

  // No machine has so many.
  static inline const std::string kLeased = "/dev/nvidia997";
  static inline const std::string kOther = "/dev/nvidia998";
  std::string libraries_;
  bool has_devices_ = false;
};

TEST_P(SandboxDriverTest, AnImageFindsTheHostsLibrariesAndTheLeasesDevice) {
  LaunchSpec spec = on_image(
      "while read line; do case \"$line\" in *libcuda.so*) echo loaded; break;; esac; done < "
      "/proc/self/maps\n"
      "echo \"$MADE_BY $LD_LIBRARY_PATH\"\n"
      "[ -e /usr/local/nvidia/lib64/libcuda.so.1 ] && echo there\n"
      "echo x > /usr/local/nvidia/lib64/x && echo wrote\n"
      "echo x >> /usr/local/nvidia/lib64/libcuda.so.1 && echo wrote\n"
      "for n in 997 998; do [ -c /dev/nvidia$n ] && echo device $n; done\n"
      "echo x > /dev/nvidia997 && echo used");
  spec.device_files = {kLeased};
  // The linker loads it by its name alone, or says that it cannot.
  spec.environment.emplace_back("LD_PRELOAD", "libcuda.so.1");
  const Exited exited = run(spec);
  EXPECT_EQ(exited.cause, ExitCause::kExited) << exited.detail << err();
  EXPECT_THAT(out(), testing::StartsWith("loaded\ncdi /usr/local/nvidia/lib64\nthere\n")) << err();
  EXPECT_THAT(out(), testing::Not(HasSubstr("wrote")));
  EXPECT_THAT(err(), testing::Not(HasSubstr("cannot be preloaded")));
  EXPECT_THAT(out(), testing::Not(HasSubstr("device 998")));
  if (!has_devices_) GTEST_SKIP() << "no device nodes can be made here";
  EXPECT_THAT(out(), HasSubstr("device 997\nused\n")) << err();
}

// The agent has other leases to look after. What is asked here answers only behind the start.
TEST_P(SandboxDriverTest, WhoStartsItDoesNotWaitForTheHostsLinker) {
#if defined(__x86_64__)
  constexpr const char* kKind = "x86-64";
#else
  constexpr const char* kKind = "AArch64";
#endif
  std::ofstream(libraries_ + "/cache")
      << "\tlibcuda.so.1 (libc6," << kKind << ") => " << libraries_ << "/libcuda.so.1\n";
  driver_.cdi_folders = {};
  driver_.ldconfig = {
      "/bin/sh", "-c",
      "until [ -e " + libraries_ + "/go ]; do sleep 0.05; done; cat " + libraries_ + "/cache"};
  runtime_.reset();
  open();
  ASSERT_TRUE(runtime_) << error_;
  LaunchSpec spec = on_image("[ -e /usr/local/nvidia/lib64/libcuda.so.1 ] && echo there");
  spec.device_files = {kLeased};
  start(spec);
  std::ofstream(libraries_ + "/go") << "now";
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(out(), "there\n") << exited->detail << err();
}

TEST_P(SandboxDriverTest, WithoutADeviceThereIsNoDriver) {
  LaunchSpec spec = on_image("[ -e /usr/local/nvidia/lib64 ] || echo nothing");
  run(spec);
  EXPECT_EQ(out(), "nothing\n") << err();
}

INSTANTIATE_TEST_SUITE_P(Kinds, SandboxDriverTest,
                         testing::Values(v1::BUBBLEWRAP, v1::RUNC, v1::GVISOR), kind_of);
INSTANTIATE_TEST_SUITE_P(Kinds, SandboxImageTest,
                         testing::Values(v1::BUBBLEWRAP, v1::RUNC, v1::GVISOR), kind_of);

}  // namespace
}  // namespace fallow::runtime
