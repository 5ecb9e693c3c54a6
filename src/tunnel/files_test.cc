#include "tunnel/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace fallow::tunnel {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "fallow-tunnel-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    root_ = path;
    fs::create_directories(root_ / "from");
    fs::create_directories(root_ / "to");
    ::umask(022);
  }
  void TearDown() override { fs::remove_all(root_); }

  static SharedDescriptor open(const fs::path& path) {
    return std::make_shared<Descriptor>(::open(path.c_str(), O_RDONLY | O_NONBLOCK));
  }
  void write(const fs::path& path, std::string_view text) const {
    std::ofstream(root_ / path) << text;
  }
  std::string read(const fs::path& path) const {
    std::ifstream file(root_ / path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  // Sends `from` into the folder `to` over a pair of muxes; empty, or why not.
  std::string copy(const fs::path& from, const std::string& name = "") {
    Mux out(Side::kRenter);
    Mux in(Side::kSandbox);
    FileSender sender(open(root_ / from), from.filename(),
                      [this](const std::string& why) { skipped_.push_back(why); });
    FileReceiver receiver(open(root_ / "to"), name);
    const std::uint32_t stream = out.open("w");
    bool ended = false;
    while (!ended) {
      const auto step = sender.step(out, stream);
      if (step == FileSender::Step::kFailed) return sender.failure();
      if (step == FileSender::Step::kDone) out.end(stream);
      std::string bytes;
      out.take_output(bytes, 1 << 16);
      std::vector<MuxEvent> events;
      EXPECT_TRUE(in.receive(bytes, events)) << in.error();
      for (const MuxEvent& event : events) {
        Note note;
        if (event.kind == MuxEvent::Kind::kNote && decode_note(event.bytes, note) &&
            !receiver.entry(std::get<EntryNote>(note))) {
          return receiver.failure();
        }
        if (event.kind == MuxEvent::Kind::kData) {
          if (!receiver.data(event.bytes)) return receiver.failure();
          in.consumed(stream, event.bytes.size());
        }
        ended |= event.kind == MuxEvent::Kind::kEnded;
      }
      bytes.clear();
      in.take_output(bytes, 1 << 16);
      events.clear();
      out.receive(bytes, events);
    }
    return receiver.finish() ? "" : receiver.failure();
  }

  fs::path root_;
  std::vector<std::string> skipped_;
};

TEST_F(Files, AFolderArrivesWholeAndLinksStayBehind) {
  fs::create_directories(root_ / "from/a/b");
  write("from/a/one", "1");
  write("from/a/b/two", std::string(3'000'000, '2'));
  write("from/a/empty", "");
  ::chmod((root_ / "from/a/one").c_str(), 0755);
  fs::create_symlink("/etc/passwd", root_ / "from/a/link");
  fs::create_directory_symlink("/", root_ / "from/a/b/up");
  ::mkfifo((root_ / "from/a/pipe").c_str(), 0600);
  EXPECT_EQ(copy("from/a"), "");
  EXPECT_EQ(read("to/a/one"), "1");
  EXPECT_EQ(read("to/a/b/two"), std::string(3'000'000, '2'));
  EXPECT_TRUE(fs::exists(root_ / "to/a/empty"));
  struct stat info {};
  ASSERT_EQ(::stat((root_ / "to/a/one").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0755U);
  EXPECT_FALSE(fs::exists(fs::symlink_status(root_ / "to/a/link")));
  EXPECT_FALSE(fs::exists(fs::symlink_status(root_ / "to/a/b/up")));
  EXPECT_EQ(skipped_.size(), 3U);
}

TEST_F(Files, AFileTakesTheNameItIsGiven) {
  write("from/x", "new");
  write("to/y", "old");
  EXPECT_EQ(copy("from/x", "y"), "");
  EXPECT_EQ(read("to/y"), "new");
  // Replaced, not written through: what a link points to stays as it was.
  write("aside", "aside");
  fs::create_symlink(root_ / "aside", root_ / "to/z");
  EXPECT_EQ(copy("from/x", "z"), "");
  EXPECT_EQ(read("aside"), "aside");
  EXPECT_EQ(read("to/z"), "new");
}

TEST_F(Files, PathsOfAStrangerLeadNowhereElse) {
  fs::create_directories(root_ / "aside");
  for (const char* path : {"../x", "/x", "a/../../x", "a//b", ".", "..", "a/.", "a/"}) {
    EXPECT_FALSE(is_plain_path(path)) << path;
    FileReceiver receiver(open(root_ / "to"), "d");
    EntryNote folder;
    folder.is_folder = true;
    folder.name = "d";
    ASSERT_TRUE(receiver.entry(folder));
    EntryNote file;
    file.path = path;
    EXPECT_FALSE(receiver.entry(file)) << path;
  }
  for (const char* name : {"..", ".", "a/b", "/etc"}) {
    FileReceiver receiver(open(root_ / "to"), "");
    EntryNote file;
    file.name = name;
    EXPECT_FALSE(receiver.entry(file)) << name;
  }
  // A folder that is a link here is not entered.
  fs::create_directory_symlink(root_ / "aside", root_ / "to/d/out");
  FileReceiver receiver(open(root_ / "to"), "d");
  EntryNote folder;
  folder.is_folder = true;
  folder.name = "d";
  ASSERT_TRUE(receiver.entry(folder));
  EntryNote file;
  file.path = "out/x";
  EXPECT_FALSE(receiver.entry(file));
  EXPECT_TRUE(fs::is_empty(root_ / "aside"));
}

TEST_F(Files, TheSendersNameIsNotTakenByWhoAsked) {
  struct Case {
    const char* asked;
    const char* name;
  };
  for (const Case& one : {Case{"run/model.bin", "model.bin"}, Case{"/out/logs/", "logs"},
                          Case{".", "files"}, Case{"/work", "files"}, Case{"/out/", "files"}}) {
    const Landing landing = landing_of(one.asked, (root_ / "to").string());
    EXPECT_EQ(landing.folder, (root_ / "to").string());
    FileReceiver receiver(open(landing.folder), landing.name);
    EntryNote lie;
    lie.name = ".bashrc";
    lie.bytes = 4;
    ASSERT_TRUE(receiver.entry(lie)) << one.asked;
    ASSERT_TRUE(receiver.data("evil"));
    EXPECT_TRUE(fs::exists(root_ / "to" / one.name)) << one.asked;
    EXPECT_FALSE(fs::exists(root_ / "to/.bashrc")) << one.asked;
  }
  // Nothing is asked for by a name, so nothing is written.
  for (const char* asked : {"..", "/work/..", "a/."}) {
    const Landing landing = landing_of(asked, (root_ / "to").string());
    FileReceiver receiver(open(landing.folder), landing.name);
    EntryNote lie;
    lie.name = ".bashrc";
    EXPECT_FALSE(receiver.entry(lie)) << asked;
  }
  const Landing renamed = landing_of("a/b", (root_ / "to/new").string());
  EXPECT_EQ(renamed.folder, (root_ / "to").string());
  EXPECT_EQ(renamed.name, "new");
  EXPECT_EQ(landing_of("a", "here").folder, ".");
}

TEST_F(Files, PermissionsAreLessTheReceiversUmask) {
  fs::create_directories(root_ / "from/d");
  write("from/d/x", "1");
  ::chmod((root_ / "from/d/x").c_str(), 0777);
  ::chmod((root_ / "from/d").c_str(), 0777);
  ::umask(077);
  EXPECT_EQ(copy("from/d", "d"), "");
  struct stat info {};
  ASSERT_EQ(::stat((root_ / "to/d/x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
  ASSERT_EQ(::stat((root_ / "to/d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

TEST_F(Files, WhatDidNotArriveWholeIsNotThere) {
  {
    FileReceiver receiver(open(root_ / "to"), "half");
    EntryNote file;
    file.bytes = 10;
    ASSERT_TRUE(receiver.entry(file));
    ASSERT_TRUE(receiver.data("12345"));
    EXPECT_FALSE(receiver.finish());
  }
  EXPECT_TRUE(fs::is_empty(root_ / "to"));
  FileReceiver receiver(open(root_ / "to"), "more");
  EntryNote file;
  file.bytes = 2;
  ASSERT_TRUE(receiver.entry(file));
  EXPECT_FALSE(receiver.data("123"));
}

}  // namespace
}  // namespace fallow::tunnel
