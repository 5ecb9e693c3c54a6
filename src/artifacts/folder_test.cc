#include "artifacts/folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <thread>
#include <utility>

namespace fallow::artifacts {
namespace {

namespace fs = std::filesystem;

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_folder_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    in_ = root_ + "/in";
    out_ = root_ + "/out";
    fs::create_directory(in_);
    auto opened = BlobStore::open(root_ + "/store", StoreLimits{});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const std::string& path, std::string_view content, unsigned mode = 0644) {
    fs::create_directories(fs::path(in_ + '/' + path).parent_path());
    ASSERT_TRUE(replace_file(in_ + '/' + path, content, mode));
  }
  Result<Scanned> refuse() { return scan(in_, limits_, Unkept::kRefuse); }
  Result<Scanned> skip() { return scan(in_, limits_, Unkept::kSkip); }
  static std::vector<std::string> paths(const Manifest& manifest) {
    std::vector<std::string> all;
    for (const File& file : manifest.files()) all.push_back(file.path);
    return all;
  }
  // A manifest entry and a Fetch for content that is in no store.
  static File file(std::string path, std::string_view content) {
    return File{std::move(path), false, content.size(), digest_of(content)};
  }
  static Fetch giving(const std::string& content) {
    return [content](const File&, std::uint64_t from, const Write& write) {
      return write(std::string_view(content).substr(from));
    };
  }
  Status unpack_one(const File& entry, const std::string& content) {
    const auto manifest = Manifest::make({entry}, limits_);
    if (!manifest) return tl::unexpected(manifest.error());
    return unpack(*manifest, giving(content), out_);
  }

  std::string root_, in_, out_;
  Limits limits_;
  std::unique_ptr<BlobStore> store_;
};

TEST_F(FolderTest, AFolderSurvivesThereAndBack) {
  put("a.txt", "hello");
  put("deep/er/b.bin", std::string(700'000, '\0'));
  put("run.sh", "#!/bin/sh\n", 0755);
  put("empty", "");
  put("Füße 猫", "unicode");
  const auto packed = pack(in_, limits_, Unkept::kRefuse, *store_, 1);
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_EQ(paths(packed->manifest),
            (std::vector<std::string>{"Füße 猫", "a.txt", "deep/er/b.bin", "empty", "run.sh"}));
  // Whoever has the one digest has the folder.
  const auto text = store_->get_whole(packed->manifest.digest(), limits_.manifest_bytes_max);
  const auto manifest = Manifest::parse(text.value(), limits_);
  ASSERT_TRUE(manifest) << manifest.error().message;
  const Status unpacked = unpack(*manifest, fetch_from(*store_), out_);
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  EXPECT_EQ(scan(out_, limits_, Unkept::kRefuse)->manifest.digest(), manifest->digest());
  EXPECT_EQ(fs::status(out_ + "/run.sh").permissions() & fs::perms::owner_exec,
            fs::perms::owner_exec);
  EXPECT_EQ(fs::status(out_ + "/a.txt").permissions() & fs::perms::owner_exec, fs::perms::none);
}

TEST_F(FolderTest, TheSameContentIsStoredOnce) {
  put("a", "same");
  put("b", "same");
  ASSERT_TRUE(pack(in_, limits_, Unkept::kRefuse, *store_, 1));
  const std::uint64_t used = store_->bytes_used();
  ASSERT_TRUE(pack(in_, limits_, Unkept::kRefuse, *store_, 2));
  EXPECT_EQ(store_->bytes_used(), used);
}

TEST_F(FolderTest, AMissingFolderIsNamed) {
  const auto scanned = scan(root_ + "/none", limits_, Unkept::kRefuse);
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, ErrorCode::kNotFound);
}

TEST_F(FolderTest, LinksPipesSocketsAndStrangeNamesAreRefusedOrSkipped) {
  put("good", "1");
  fs::create_symlink("/etc/passwd", in_ + "/link");
  fs::create_directory_symlink("/etc", in_ + "/folder_link");
  fs::create_symlink(in_, in_ + "/loop");
  fs::create_symlink("nowhere", in_ + "/dangling");
  ASSERT_EQ(mkfifo((in_ + "/pipe").c_str(), 0600), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (in_ + "/socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  put("new\nline", "1");
  put("bad\xff", "1");
  put("\x1b[2J", "1");

  const auto refused = refuse();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  const auto scanned = skip();
  ASSERT_TRUE(scanned) << scanned.error().message;
  EXPECT_EQ(paths(scanned->manifest), std::vector<std::string>{"good"});
  EXPECT_EQ(scanned->skipped_count, 9U);
  bool named = false;
  for (const std::string& sentence : scanned->skipped) {
    EXPECT_EQ(sentence.find('\x1b'), std::string::npos);
    named = named || sentence.find("link is a symbolic link") != std::string::npos;
  }
  EXPECT_TRUE(named);
}

TEST_F(FolderTest, EachKindIsRefusedByName) {
  fs::create_symlink("/etc/passwd", in_ + "/x");
  EXPECT_NE(refuse().error().message.find("x is a symbolic link"), std::string::npos);
  fs::remove(in_ + "/x");
  ASSERT_EQ(mkfifo((in_ + "/x").c_str(), 0600), 0);
  EXPECT_NE(refuse().error().message.find("x is a pipe"), std::string::npos);
  fs::remove(in_ + "/x");
  if (mknod((in_ + "/x").c_str(), S_IFCHR | 0600, 0x0103) == 0) {
    EXPECT_NE(refuse().error().message.find("x is a device"), std::string::npos);
    EXPECT_TRUE(skip()->manifest.files().empty());
  }
}

TEST_F(FolderTest, AnotherOwnersFileUnderASecondNameIsNotHandedOut) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make another owner's file";
  put("own", "mine");
  fs::create_hard_link(in_ + "/own", in_ + "/own2");
  ASSERT_TRUE(replace_file(root_ + "/secret", "secret"));
  fs::create_hard_link(root_ + "/secret", in_ + "/stolen");
  ASSERT_EQ(chown((root_ + "/secret").c_str(), 12'345, 12'345), 0);
  EXPECT_EQ(refuse().error().code, ErrorCode::kInvalid);
  const auto scanned = skip();
  EXPECT_EQ(paths(scanned->manifest), (std::vector<std::string>{"own", "own2"}));
  EXPECT_EQ(scanned->skipped_count, 1U);
}

TEST_F(FolderTest, SizesAreCountedByWhatIsRead) {
  limits_.bytes_max = 1'000;
  put("a", std::string(600, 'x'));
  put("b", std::string(400, 'x'));
  EXPECT_TRUE(refuse());
  put("c", "x");
  EXPECT_EQ(refuse().error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(skip().error().code, ErrorCode::kTooLarge);
}

TEST_F(FolderTest, AHugeSparseFileIsRefusedWithoutReadingIt) {
  put("sparse", "");
  // As large as this file system lets a file be.
  std::uintmax_t size = std::uintmax_t{1} << 50;
  while (truncate((in_ + "/sparse").c_str(), static_cast<off_t>(size)) != 0) size /= 2;
  ASSERT_GT(size, limits_.bytes_max);
  EXPECT_EQ(skip().error().code, ErrorCode::kTooLarge);
}

TEST_F(FolderTest, ManyEntriesAndDeepTreesEndTheScan) {
  limits_.files_max = 50;
  for (int i = 0; i < 50; ++i) put(fmt::format("{}", i), "");
  EXPECT_TRUE(refuse());
  put("one more", "");
  EXPECT_EQ(refuse().error().code, ErrorCode::kTooLarge);
  fs::remove_all(in_);
  fs::create_directory(in_);
  for (int i = 0; i < 101; ++i) fs::create_directory(fmt::format("{}/{}", in_, i));
  EXPECT_EQ(skip().error().code, ErrorCode::kTooLarge);
  fs::remove_all(in_);

  std::string deep = in_;
  for (int i = 0; i < 70; ++i) deep += "/d";
  fs::create_directories(deep);
  EXPECT_EQ(skip().error().code, ErrorCode::kTooLarge);
  limits_.path_parts_max = 70;
  EXPECT_TRUE(skip());
}

TEST_F(FolderTest, OpenBelowOpensRegularFilesOnly) {
  put("a/b", "content");
  fs::create_symlink("b", in_ + "/a/link");
  fs::create_directory_symlink("a", in_ + "/alink");
  fs::create_symlink("/etc/passwd", in_ + "/passwd");
  ASSERT_EQ(mkfifo((in_ + "/pipe").c_str(), 0600), 0);
  const auto folder = open_file(in_, O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(folder);
  EXPECT_TRUE(open_below(*folder, "a/b"));
  for (const char* path : {"a/link", "alink/b", "passwd", "pipe", "a", "../in/a/b", "/etc/passwd",
                           "a/../a/b", "", "a//b"}) {
    EXPECT_EQ(open_below(*folder, path).error().code, ErrorCode::kInvalid) << path;
  }
  EXPECT_EQ(open_below(*folder, "a/none").error().code, ErrorCode::kNotFound);
}

TEST_F(FolderTest, UnpackFollowsNoLinkOutOfTheFolder) {
  const std::string outside = root_ + "/outside";
  fs::create_directory(outside);
  ASSERT_TRUE(replace_file(outside + "/victim", "untouched"));
  fs::create_directory(out_);
  fs::create_directory_symlink(outside, out_ + "/d");
  fs::create_symlink(outside + "/victim", out_ + "/f");
  fs::create_symlink(outside + "/new", out_ + "/dangling");
  for (const char* path : {"d/x", "f", "dangling", "f/x"}) {
    const Status unpacked = unpack_one(file(path, "evil"), "evil");
    ASSERT_FALSE(unpacked) << path;
    EXPECT_EQ(unpacked.error().code, ErrorCode::kInvalid) << path;
  }
  EXPECT_EQ(read_file(outside + "/victim", 100).value(), "untouched");
  EXPECT_EQ(std::distance(fs::directory_iterator(outside), fs::directory_iterator()), 1);
  EXPECT_EQ(unpack_one(file("../outside/x", "evil"), "evil").error().code, ErrorCode::kInvalid);
}

// A folder is exchanged for a link, again and again, while files are written below it.
TEST_F(FolderTest, UnpackIsNotFooledByARace) {
  const std::string outside = root_ + "/outside";
  fs::create_directory(outside);
  fs::create_directory(out_);
  std::atomic<bool> done = false;
  std::thread attacker([&] {
    std::error_code code;
    while (!done) {
      fs::create_directory_symlink(outside, out_ + "/d", code);
      fs::remove(out_ + "/d", code);
      fs::create_directory(out_ + "/d", code);
      fs::rename(out_ + "/d", out_ + "/moved", code);
      fs::remove_all(out_ + "/moved", code);
    }
  });
  for (int i = 0; i < 2'000; ++i) (void)unpack_one(file(fmt::format("d/{}", i), "evil"), "evil");
  done = true;
  attacker.join();
  EXPECT_TRUE(fs::is_empty(outside));
}

TEST_F(FolderTest, AnExistingFileIsRefusedAndKept) {
  fs::create_directory(out_);
  ASSERT_TRUE(replace_file(out_ + "/a", "old"));
  const Status unpacked = unpack_one(file("a", "new"), "new");
  ASSERT_FALSE(unpacked);
  EXPECT_NE(unpacked.error().message.find("a exists already"), std::string::npos);
  EXPECT_EQ(read_file(out_ + "/a", 100).value(), "old");
  EXPECT_EQ(unpack_one(file("a/b", "new"), "new").error().code, ErrorCode::kInvalid);
  ASSERT_TRUE(unpack_one(file("b/c", "1"), "1"));
  EXPECT_TRUE(unpack_one(file("b/d", "2"), "2"));
}

TEST_F(FolderTest, BytesOtherThanTheManifestsAreRefusedAndRemoved) {
  for (const std::string& content :
       {std::string("hellO"), std::string("hell"), std::string("hello!"), std::string(),
        std::string(1 << 20, 'x')}) {
    const Status unpacked = unpack_one(file("a", "hello"), content);
    ASSERT_FALSE(unpacked) << content;
    EXPECT_EQ(unpacked.error().code, ErrorCode::kCorrupt);
    EXPECT_FALSE(fs::exists(out_ + "/a"));
  }
  const auto manifest = Manifest::make({file("a", "hello")}, limits_);
  const Status failing = unpack(
      *manifest,
      [](const File&, std::uint64_t, const Write&) -> Status {
        return fail(ErrorCode::kClosed, "gone");
      },
      out_);
  ASSERT_FALSE(failing);
  EXPECT_EQ(failing.error().code, ErrorCode::kClosed);
  EXPECT_FALSE(fs::exists(out_ + "/a"));
  EXPECT_EQ(unpack(*manifest, fetch_from(*store_), out_).error().code, ErrorCode::kNotFound);
}

// Gives the bytes of `content` by path, and notes from where; breaks off behind `bytes_max` in all.
struct BreakingSource {
  std::map<std::string, std::string> content;
  std::size_t bytes_max = 0;
  std::vector<std::pair<std::string, std::uint64_t>> asked = {};

  Fetch fetch() {
    return [this](const File& file, std::uint64_t from, const Write& write) -> Status {
      asked.emplace_back(file.path, from);
      const std::string_view rest = std::string_view(content.at(file.path)).substr(from);
      const std::string_view given = rest.substr(0, bytes_max);
      bytes_max -= given.size();
      FALLOW_TRY(write(given));
      if (given.size() < rest.size()) return fail(ErrorCode::kUnreachable, "gone");
      return {};
    };
  }
};

TEST_F(FolderTest, WhatBrokeOffGoesOnWhereItWas) {
  const std::string large(300'000, 'l');
  BreakingSource source{{{"a", "hello"}, {"large", large}, {"z", "end"}}, 200'000};
  const auto manifest =
      Manifest::make({file("a", "hello"), file("large", large), file("z", "end")}, limits_);
  const auto go_on = [&] { return unpack(*manifest, source.fetch(), out_, Existing::kGoOn); };
  EXPECT_EQ(go_on().error().code, ErrorCode::kUnreachable);
  // It is nobody's to go on with who was not asked to.
  EXPECT_EQ(unpack(*manifest, source.fetch(), out_).error().code, ErrorCode::kInvalid);
  source.asked.clear();
  source.bytes_max = 1'000'000;
  ASSERT_TRUE(go_on());
  EXPECT_EQ(source.asked,
            (std::vector<std::pair<std::string, std::uint64_t>>{{"large", 199'995}, {"z", 0}}));
  EXPECT_EQ(scan(out_, limits_, Unkept::kRefuse)->manifest.digest(), manifest->digest());
  source.asked.clear();
  ASSERT_TRUE(go_on());
  EXPECT_TRUE(source.asked.empty()) << "all of it is there";
}

// Of a machine that crashed, or of whoever else was at the folder.
TEST_F(FolderTest, WhatIsThereAndWrongIsFetchedAnew) {
  BreakingSource source{{{"a", "hello"}}, 1'000};
  const auto manifest = Manifest::make({file("a", "hello")}, limits_);
  const auto go_on = [&] { return unpack(*manifest, source.fetch(), out_, Existing::kGoOn); };
  fs::create_directory(out_);
  for (const char* there : {"", "he", "hex", "hellO", "hello and more", "wrong and more"}) {
    ASSERT_TRUE(replace_file(out_ + "/a", there, 0644));
    const Status done = go_on();
    ASSERT_TRUE(done) << there << ": " << done.error().message;
    EXPECT_EQ(read_file(out_ + "/a", 1'000).value(), "hello") << there;
  }
  // What the source gives is wrong, however much was right.
  ASSERT_TRUE(replace_file(out_ + "/a", "he", 0644));
  source.content["a"] = "heavy";
  EXPECT_EQ(go_on().error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(fs::exists(out_ + "/a"));
  // Never through what leads elsewhere.
  source.content["a"] = "hello";
  ASSERT_TRUE(replace_file(root_ + "/outside", "mine", 0644));
  fs::create_symlink(root_ + "/outside", out_ + "/a");
  EXPECT_FALSE(go_on());
  EXPECT_EQ(read_file(root_ + "/outside", 1'000).value(), "mine");
  fs::remove(out_ + "/a");
  ASSERT_EQ(mkfifo((out_ + "/a").c_str(), 0600), 0);
  EXPECT_EQ(go_on().error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace fallow::artifacts
