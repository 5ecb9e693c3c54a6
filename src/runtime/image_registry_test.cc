// An ImageStore and a real registry on loopback: Debian's docker-registry, with and without a
// login.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <csignal>
#include <system_error>

#include "agent/program.h"
#include "base/digest.h"
#include "runtime/image_fixture_test.h"
#include "runtime/processes.h"

namespace fallow::runtime {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr const char* kRegistry = "/usr/bin/docker-registry";
// "secret", by bcrypt.
constexpr const char* kUsers =
    "renter:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

std::uint16_t free_port() {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

bool answers(std::uint16_t port) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

class ImageRegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_registry_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    if (::access(kRegistry, X_OK) != 0) {
      GTEST_SKIP() << "docker-registry is not installed, so pulling is not tested";
    }
    const std::uint16_t port = free_port();
    address_ = "127.0.0.1:" + std::to_string(port);
    std::ofstream(folder_ + "/users") << kUsers;
    std::ofstream(folder_ + "/config.yml")
        << "version: 0.1\nstorage: {filesystem: {rootdirectory: " << folder_ << "/data}}\n"
        << "http: {addr: '" << address_ << "'}\n"
        << "auth: {htpasswd: {realm: test, path: " << folder_ << "/users}}\n";
    auto started = agent::start_program({kRegistry, "serve", folder_ + "/config.yml"}, {});
    ASSERT_TRUE(started) << started.error().message;
    registry_ = std::move(*started);
    for (int i = 0; i < 2000 && !answers(port); ++i) ::usleep(10'000);
    ImageStoreOptions options;
    options.folder = folder_ + "/store";
    options.registries = {address_};
    auto opened = ImageStore::open(std::move(options));
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    if (!store_->why_not().empty()) GTEST_SKIP() << store_->why_not();
    write_oci_folder(folder_ + "/image", {tar_of({{"file", '0', "pulled", ""}})});
    agent::ProgramRun run;
    run.limit = minutes(1);
    const auto pushed = agent::run_program(
        {"/usr/bin/skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false",
         "--dest-creds=renter:secret", "oci:" + folder_ + "/image:v1",
         "docker://" + address_ + "/org/tool:v1"},
        run);
    ASSERT_TRUE(pushed && pushed->exit_code == 0) << (pushed ? pushed->err : "");
  }
  void TearDown() override {
    store_.reset();
    if (registry_.pid > 0) {
      ::kill(registry_.pid, SIGKILL);
      ::waitpid(registry_.pid, nullptr, 0);
    }
    remove_tree(folder_);
  }

  Result<std::string> fetch(const std::string& image, agent::RegistryLogin login) {
    const std::atomic<bool> cancelled = false;
    return store_->fetch(LeaseId(7), {address_ + image, "", std::move(login)}, cancelled,
                         [](std::string_view) {});
  }
  // Does any file below hold the text?
  bool is_written_down(const std::string& text) const {
    // What is thrown away goes meanwhile.
    std::error_code gone;
    for (fs::recursive_directory_iterator at(folder_ + "/store", gone), end; !gone && at != end;
         at.increment(gone)) {
      std::error_code ignored;
      if (at->is_regular_file(ignored) && file_text(at->path()).find(text) != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  std::string folder_;
  std::string address_;
  agent::Child registry_;
  std::unique_ptr<ImageStore> store_;
};

TEST_F(ImageRegistryTest, PullsWithTheRightLoginOnly) {
  for (const agent::RegistryLogin& login :
       {agent::RegistryLogin{}, {"renter", "wrong"}, {"nobody", "secret"}}) {
    const auto denied = fetch("/org/tool:v1", login);
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().code, ErrorCode::kDenied) << denied.error().message;
    EXPECT_THAT(denied.error().message, testing::Not(HasSubstr("wrong")));
  }
  const auto digest = fetch("/org/tool:v1", {"renter", "secret"});
  ASSERT_TRUE(digest) << digest.error().message;
  EXPECT_EQ(file_text(store_->of(LeaseId(7))->root + "/file"), "pulled");
  // "renter:secret", as skopeo was told.
  EXPECT_FALSE(is_written_down("cmVudGVyOnNlY3JldA"));
  EXPECT_FALSE(is_written_down("secret"));
  // That it is here opens it for nobody.
  EXPECT_EQ(fetch("/org/tool:v1", {}).error().code, ErrorCode::kDenied);
}

TEST_F(ImageRegistryTest, ADigestIsTheImageOrNone) {
  const auto digest = fetch("/org/tool:v1", {"renter", "secret"});
  ASSERT_TRUE(digest) << digest.error().message;
  const std::string hex = to_hex(std::string_view(*digest));
  EXPECT_TRUE(fetch("/org/tool@sha256:" + hex, {"renter", "secret"}));
  const auto other = fetch("/org/tool@sha256:" + std::string(64, '0'), {"renter", "secret"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kNotFound) << other.error().message;
  EXPECT_EQ(fetch("/org/none:v1", {"renter", "secret"}).error().code, ErrorCode::kNotFound);
}

TEST_F(ImageRegistryTest, ARegistryThatIsGoneIsNobodysFault) {
  ::kill(registry_.pid, SIGKILL);
  ::waitpid(registry_.pid, nullptr, 0);
  registry_.pid = -1;
  const auto gone = fetch("/org/tool:v1", {"renter", "secret"});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::kUnreachable) << gone.error().message;
}

}  // namespace
}  // namespace fallow::runtime
