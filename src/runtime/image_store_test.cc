#include "runtime/image_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "base/digest.h"
#include "base/file.h"
#include "runtime/image_fixture_test.h"
#include "runtime/image_tree.h"
#include "runtime/processes.h"

namespace fallow::runtime {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ImageStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_images_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    fs::create_directories(input());
    open();
    if (!store_->why_not().empty()) {
      GTEST_SKIP() << "no images can be run here, so nothing of them is tested: "
                   << store_->why_not();
    }
  }
  void TearDown() override {
    store_.reset();
    remove_tree(folder_);
  }

  std::string input() const { return folder_ + "/input"; }
  std::string root_of(std::uint64_t lease) const {
    const auto facts = store_->of(LeaseId(lease));
    EXPECT_TRUE(facts) << facts.error().message;
    return facts ? facts->root : "";
  }
  void open(std::uint64_t bytes_max = 64 << 20, Duration room_wait_max = minutes(10)) {
    store_.reset();
    ImageStoreOptions options;
    options.folder = folder_ + "/store";
    options.bytes_max = bytes_max;
    options.room_wait_max = room_wait_max;
    auto opened = ImageStore::open(std::move(options));
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  Result<std::string> fetch(const std::string& name, std::uint64_t lease = 7) {
    return store_->fetch(LeaseId(lease), {name, input(), {}}, cancelled_,
                         [this](std::string_view sentence) {
                           const std::lock_guard lock(said_mutex_);
                           said_.emplace_back(sentence);
                         });
  }
  // One image with one file of so many bytes.
  void make(const std::string& name, std::size_t bytes) {
    write_oci_folder(input() + "/" + name, {tar_of({{"file", '0', std::string(bytes, name[0])}})});
  }
  std::size_t names_in(const std::string& below) const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_ + "/store" + below)) {
      ++count;
    }
    return count;
  }

  std::string folder_;
  std::unique_ptr<ImageStore> store_;
  std::atomic<bool> cancelled_ = false;
  std::mutex said_mutex_;
  std::vector<std::string> said_;
};

TEST_F(ImageStoreTest, UnpacksAnImageAndSaysWhatItIs) {
  write_oci_folder(
      input() + "/tool",
      {tar_of({{"etc/", '5', "", ""}, {"etc/name", '0', "one\n", ""}, {"gone", '0', "x", ""}}),
       tar_of({{".wh.gone", '0', "", ""}, {"etc/name", '0', "two\n", ""}})},
      R"({"Env":["PATH=/opt/bin","BAD"],"Entrypoint":["/run"],"Cmd":["a","b"],"User":"1"})");
  const auto digest = fetch("oci:tool:v1");
  ASSERT_TRUE(digest) << digest.error().message;
  EXPECT_THAT(file_text(input() + "/tool/index.json"),
              HasSubstr(to_hex(std::string_view(*digest))));
  const auto facts = store_->of(LeaseId(7));
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->digest, *digest);
  EXPECT_EQ(file_text(facts->root + "/etc/name"), "two\n");
  EXPECT_FALSE(fs::exists(facts->root + "/gone"));
  EXPECT_EQ(facts->environment,
            (std::vector<std::pair<std::string, std::string>>{{"PATH", "/opt/bin"}}));
  EXPECT_EQ(facts->entrypoint, std::vector<std::string>{"/run"});
  EXPECT_EQ(facts->command, (std::vector<std::string>{"a", "b"}));
  for (const std::string& point : image_mount_points()) {
    EXPECT_TRUE(fs::exists(facts->root + point)) << point;
  }
  EXPECT_EQ(names_in("/pull/tmp"), 0);
  EXPECT_EQ(store_->of(LeaseId(8)).error().code, ErrorCode::kNotFound);
}

TEST_F(ImageStoreTest, LeasesAtOnceShareOnePull) {
  make("tool", 4 << 20);
  std::vector<std::thread> threads;
  std::atomic<int> done = 0;
  for (std::uint64_t lease = 1; lease <= 4; ++lease) {
    threads.emplace_back([&, lease] { done += fetch("oci:tool", lease) ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 4);
  EXPECT_EQ(store_->images().size(), 1);
  EXPECT_EQ(std::count(said_.begin(), said_.end(), "unpacking image oci:tool"), 1);
  EXPECT_EQ(root_of(1), root_of(4));
  EXPECT_EQ(store_->leases().size(), 4);
}

// Each fits alone, as a layer and unpacked; both together do not.
TEST_F(ImageStoreTest, PullsAtOnceShareTheRoom) {
  open(5 << 20);
  make("a", 2 << 20);
  make("b", 2 << 20);
  std::atomic<int> done = 0;
  std::atomic<int> too_large = 0;
  std::vector<std::thread> threads;
  for (const char* name : {"a", "b"}) {
    threads.emplace_back([&, name] {
      const auto fetched = fetch(std::string("oci:") + name, name[0] == 'a' ? 1 : 2);
      done += fetched ? 1 : 0;
      too_large += !fetched && fetched.error().code == ErrorCode::kTooLarge ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(too_large, 1);
  EXPECT_LE(store_->bytes_used(), 5U << 20);
}

// The other's may take an hour, and its lease another place meanwhile.
TEST_F(ImageStoreTest, NobodyWaitsLongForRoom) {
  open(5 << 20, milliseconds(300));
  make("a", 2 << 20);
  make("b", 2 << 20);
  std::atomic<bool> unpacks = false;
  std::atomic<bool> may_end = false;
  std::thread slow([&] {
    const auto fetched =
        store_->fetch(LeaseId(1), {"oci:a", input(), {}}, cancelled_, [&](std::string_view said) {
          if (!said.starts_with("unpacking")) return;
          unpacks = true;
          for (int i = 0; i < 6'000 && !may_end; ++i) ::usleep(10'000);
        });
    EXPECT_TRUE(fetched) << fetched.error().message;
    unpacks = true;
  });
  while (!unpacks) ::usleep(10'000);
  const auto fetched = fetch("oci:b", 2);
  EXPECT_FALSE(store_->of(LeaseId(1))) << "it was not waited for";
  may_end = true;
  slow.join();
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, ErrorCode::kTooLarge);
  EXPECT_THAT(said_, testing::Contains(HasSubstr("waiting for room")));
}

// What trees need is only seen as they grow: one of two outgrows the store and is given up.
TEST_F(ImageStoreTest, TreesThatGrowAtOnceShareTheRoom) {
  for (const char* name : {"a", "b", "c"}) {
    std::vector<TarEntry> many;
    for (int i = 0; i < 1'500; ++i) many.push_back({name + std::to_string(i), '0', name, ""});
    write_oci_folder(input() + "/" + name, {tar_of(many)});
  }
  // How much a file of one byte takes is the file system's to say.
  ASSERT_TRUE(fetch("oci:c", 3));
  const std::uint64_t room = store_->bytes_used() / 10 * 17;
  store_.reset();
  remove_tree(folder_ + "/store");
  open(room);
  std::array<Result<std::string>, 2> fetched;
  std::vector<std::thread> threads;
  for (const std::size_t i : {0U, 1U}) {
    threads.emplace_back([&, i] { fetched[i] = fetch(i == 0 ? "oci:a" : "oci:b", i + 1); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_NE(fetched[0].has_value(), fetched[1].has_value())
      << (fetched[0] ? "both have room"
                     : fetched[0].error().message + "; " + fetched[1].error().message);
  EXPECT_LE(store_->bytes_used(), room);
}

TEST_F(ImageStoreTest, SharesLayersBetweenImages) {
  const std::string base = tar_of({{"base", '0', std::string(1 << 20, 'b'), ""}});
  write_oci_folder(input() + "/one", {base});
  write_oci_folder(input() + "/two", {base, tar_of({{"more", '0', "m", ""}})});
  ASSERT_TRUE(fetch("oci:one", 1));
  const std::size_t blobs = names_in("/pull/blobs/sha256");
  ASSERT_TRUE(fetch("oci:two", 2));
  // Its own layer, configuration and manifest.
  EXPECT_EQ(names_in("/pull/blobs/sha256"), blobs + 3);
}

TEST_F(ImageStoreTest, BlamesWhatIsWrongWithTheImage) {
  EXPECT_EQ(fetch("oci:none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(fetch("oci:../../etc").error().code, ErrorCode::kInvalid);
  write_oci_folder(input() + "/other", {tar_of({})}, "{}", "s390x");
  const auto other = fetch("oci:other");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kInvalid) << other.error().message;
  EXPECT_THAT(other.error().message, HasSubstr("s390x"));

  make("bad", 100'000);
  for (const auto& blob : fs::directory_iterator(input() + "/bad/blobs/sha256")) {
    if (fs::file_size(blob) > 90'000) std::ofstream(blob.path()) << "other bytes";
  }
  const auto bad = fetch("oci:bad");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kInvalid) << bad.error().message;

  std::ofstream(input() + "/broken.tar") << "this is no archive";
  const auto broken = fetch("oci-archive:broken.tar");
  ASSERT_FALSE(broken);
  EXPECT_TRUE(broken.error().code == ErrorCode::kInvalid ||
              broken.error().code == ErrorCode::kNotFound)
      << broken.error().message;
  EXPECT_EQ(fetch("127.0.0.1:1/a").error().code, ErrorCode::kDenied);
  EXPECT_TRUE(store_->images().empty());
  EXPECT_TRUE(store_->leases().empty());
  EXPECT_EQ(names_in("/pull/tmp"), 0);
}

TEST_F(ImageStoreTest, AHostileImageStaysInItsFolder) {
  const std::string mark = folder_ + "/mark";
  std::ofstream(mark) << "mine";
  const std::vector<std::vector<TarEntry>> layers = {
      {{"../../../../../../.." + folder_ + "/mark", '0', "theirs", ""}},
      {{"up", '2', "", "../../../../../../../.."}, {"up" + folder_ + "/mark", '0', "theirs", ""}},
      {{"root", '2', "", "/"}, {"root" + folder_ + "/mark", '0', "theirs", ""}},
      {{"proc-self", '2', "", "/proc/self/root"}, {"proc-self/mark", '0', "theirs", ""}},
      {{"stolen", '1', "", mark}},
      {{"stolen", '1', "", "../../../../../../.." + mark}},
      {{"../.wh.mark", '0', "", ""}},
      {{".wh...", '0', "", ""}},
      {{".wh..wh..opq", '0', "", ""}},
      {{"mem", '3', "", "", 0666}, {"su", '0', "#!/bin/sh\n", "", 06755}},
      {{"work", '2', "", "/etc"}, {"etc", '2', "", "/"}, {"proc", '0', "a file", ""}},
      {{"etc/", '5', "", ""}, {"etc/passwd", '2', "", mark}, {"etc/hosts/", '5', "", ""}},
      {{"locked/", '5', "", "", 0}, {"locked/in", '0', "x", "", 0}}};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string name = "h" + std::to_string(i);
    write_oci_folder(input() + "/" + name, {tar_of({{"./", '5', "", ""}}), tar_of(layers[i])});
    const auto fetched = fetch("oci:" + name, i + 1);
    EXPECT_EQ(file_text(mark), "mine") << name;
    EXPECT_EQ(names_in("/pull/tmp"), 0) << name;
    if (!fetched) {
      EXPECT_EQ(fetched.error().code, ErrorCode::kInvalid) << name << fetched.error().message;
      continue;
    }
    const std::string root = root_of(i + 1);
    for (const std::string& point : image_mount_points()) {
      struct stat info {};
      const std::string plain = point.substr(0, point.find_last_not_of('/') + 1);
      ASSERT_EQ(::lstat((root + plain).c_str(), &info), 0) << name << point;
      EXPECT_TRUE(point.ends_with('/') ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode))
          << name << point;
    }
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      struct stat info {};
      ASSERT_EQ(::lstat(entry.path().c_str(), &info), 0);
      EXPECT_TRUE(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode));
      EXPECT_EQ(info.st_mode & 06000, 0) << entry.path();
      if (S_ISREG(info.st_mode)) {
        EXPECT_EQ(info.st_nlink, 1) << entry.path();
      }
    }
  }
}

TEST_F(ImageStoreTest, WhatIsTooLargeLeavesNothing) {
  open(4 << 20);
  make("claims", 8 << 20);
  const auto large = fetch("oci:claims");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::kTooLarge) << large.error().message;
  // Many small files: what they take on the disk counts, not what they hold.
  std::vector<TarEntry> many;
  for (int i = 0; i < 1'500; ++i) many.push_back({"f" + std::to_string(i), '0', "x", ""});
  write_oci_folder(input() + "/many", {tar_of(many)});
  const auto swollen = fetch("oci:many");
  ASSERT_FALSE(swollen);
  EXPECT_EQ(swollen.error().code, ErrorCode::kTooLarge) << swollen.error().message;
  EXPECT_TRUE(store_->images().empty());
  EXPECT_EQ(names_in("/pull/tmp"), 0);
}

TEST_F(ImageStoreTest, EvictsTheLongestUnusedAndNeverWhatALeaseUses) {
  open(10 << 20);
  make("a", 1 << 20);
  make("b", 1 << 20);
  make("c", 1 << 20);
  make("d", 1 << 20);
  ASSERT_TRUE(fetch("oci:a", 1));
  ASSERT_TRUE(fetch("oci:b", 2));
  ASSERT_TRUE(fetch("oci:c", 3));
  EXPECT_EQ(store_->images().size(), 3);
  store_->release(LeaseId(2));
  ::usleep(20'000);
  store_->release(LeaseId(3));
  // Each is there twice, as a layer and unpacked.
  open(7 << 20);
  EXPECT_EQ(store_->leases(), std::vector<LeaseId>{LeaseId(1)});
  ASSERT_TRUE(fetch("oci:d", 4));
  EXPECT_LE(store_->bytes_used(), 7U << 20);
  EXPECT_TRUE(fs::exists(root_of(1) + "/file"));
  EXPECT_EQ(file_text(root_of(4) + "/file")[0], 'd');
  // The one that was released last is the one that is left, if any.
  for (const std::string& hex : store_->images()) {
    EXPECT_NE(file_text(folder_ + "/store/images/" + hex + "/rootfs/file")[0], 'b');
  }
  // All that is here is used: nothing gives way, and nothing is promised.
  open(5 << 20);
  make("e", 1 << 20);
  const auto refused = fetch("oci:e", 5);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge) << refused.error().message;
  EXPECT_TRUE(fs::exists(root_of(1) + "/file"));
}

TEST_F(ImageStoreTest, TakesUpWhatAnEarlierAgentLeft) {
  make("a", 1000);
  ASSERT_TRUE(fetch("oci:a", 1));
  const std::string store = folder_ + "/store";
  // As a kill leaves them: a pull under way, an image without its last file, a use of nothing.
  fs::create_directories(store + "/pull/tmp/half/rootfs/bin");
  fs::create_directories(store + "/images/" + std::string(64, 'f') + "/rootfs");
  std::ofstream(store + "/uses/9") << std::string(64, 'e');
  open();
  EXPECT_EQ(store_->images().size(), 1);
  EXPECT_EQ(store_->leases(), std::vector<LeaseId>{LeaseId(1)});
  EXPECT_TRUE(fs::exists(root_of(1) + "/file"));
  EXPECT_EQ(names_in("/pull/tmp"), 0);
  EXPECT_EQ(names_in("/uses"), 1);
}

TEST_F(ImageStoreTest, EndsSoonWhenNobodyWantsIt) {
  make("a", 1000);
  cancelled_ = true;
  const auto ended = fetch("oci:a");
  // It may have been quicker than the first question.
  if (!ended) {
    EXPECT_EQ(ended.error().code, ErrorCode::kTimedOut) << ended.error().message;
  }
}

TEST(ImageError, ChargesWhomItSaysItTo) {
  const auto code = [](const char* err) { return image_error(err).code; };
  EXPECT_EQ(code("level=fatal msg=\"reading manifest 1 in r/none: manifest unknown\""),
            ErrorCode::kNotFound);
  EXPECT_EQ(code("msg=\"unauthorized: authentication required\""), ErrorCode::kDenied);
  EXPECT_EQ(code("msg=\"denied: requested access to the resource is denied\""), ErrorCode::kDenied);
  // ghcr.io of what is not there or not this login's; Amazon's without one.
  EXPECT_EQ(code("reading manifest 1 in ghcr.io/a/b: denied: denied"), ErrorCode::kDenied);
  EXPECT_EQ(code("reading manifest 1 in x: no basic auth credentials"), ErrorCode::kDenied);
  EXPECT_EQ(code("open /pull/x: permission denied"), ErrorCode::kUnreachable);
  EXPECT_EQ(code("msg=\"toomanyrequests: You have reached your pull rate limit\""),
            ErrorCode::kUnreachable);
  EXPECT_EQ(code("dial tcp 127.0.0.1:1: connect: connection refused"), ErrorCode::kUnreachable);
  EXPECT_EQ(code("lookup nosuch.invalid: no such host"), ErrorCode::kUnreachable);
  EXPECT_EQ(code("write /pull/x: no space left on device"), ErrorCode::kFailed);
  EXPECT_EQ(code("bwrap: Creating new namespace failed"), ErrorCode::kFailed);
  EXPECT_EQ(code("Digest did not match, expected sha256:a, got sha256:b"), ErrorCode::kInvalid);
  EXPECT_EQ(code(""), ErrorCode::kUnreachable);
  EXPECT_EQ(image_error("a\ntime=\"x\" level=fatal msg=\"it says \\\"no\\\"\x1b[2J\"\n").message,
            "it says \"no\"[2J");
}

}  // namespace
}  // namespace fallow::runtime
