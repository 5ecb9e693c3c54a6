// Folders in pieces: what is named, what comes back, and what a folder in use does to that.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "artifacts/folder.h"

namespace fallow::artifacts {
namespace {

namespace fs = std::filesystem;

class PiecesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_pieces_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    in_ = root_ + "/in";
    out_ = root_ + "/out";
    fs::create_directory(in_);
    fs::create_directory(out_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const std::string& path, std::string_view content, unsigned mode = 0644) {
    fs::create_directories(fs::path(in_ + '/' + path).parent_path());
    ASSERT_TRUE(replace_file(in_ + '/' + path, content, mode));
  }
  std::map<std::string, Digest> pieces() {
    const auto scanned = scan_pieces(in_, limits_);
    EXPECT_TRUE(scanned) << scanned.error().message;
    std::map<std::string, Digest> all;
    for (const File& file : scanned->manifest.files()) all[file.path] = file.digest;
    return all;
  }
  // From the folder itself, as an upload reads it.
  Fetch reading() {
    return [this](const File& file, std::uint64_t from, const Write& write) -> Status {
      ++asked_;
      if (asked_ > asked_max_) return fail(ErrorCode::kUnreachable, "gone");
      FALLOW_ASSIGN(const PiecePlace place, place_of(file, Layout::kPieces));
      FALLOW_ASSIGN(const std::string whole, read_file(in_ + "/" + place.path, 64 << 20));
      return write(std::string_view(whole).substr(place.offset, file.size).substr(from));
    };
  }

  std::string root_, in_, out_;
  Limits limits_;
  int asked_ = 0;
  int asked_max_ = 1'000;
};

TEST_F(PiecesTest, FoldersComeBackAsTheyWere) {
  std::string big(5 * kPieceBytesMax / 2, 'b');
  big[kPieceBytesMax] = 'x';
  const std::map<std::string, std::string> files = {{"big", big},
                                                    {"empty", ""},
                                                    {"exact", std::string(2 * kPieceBytesMax, 'e')},
                                                    {"in/a/small", "small"}};
  for (const auto& [path, content] : files) put(path, content, path == "big" ? 0755 : 0644);
  const auto scanned = scan_pieces(in_, limits_);
  ASSERT_TRUE(scanned) << scanned.error().message;
  std::vector<std::string> names;
  for (const File& file : scanned->manifest.files()) names.push_back(file.path);
  EXPECT_EQ(names, (std::vector<std::string>{"big/00000000", "big/00000001", "big/00000002",
                                             "empty/00000000", "exact/00000000", "exact/00000001",
                                             "in/a/small/00000000"}));
  ASSERT_TRUE(unpack_pieces(scanned->manifest, reading(), out_));
  for (const auto& [path, content] : files) {
    EXPECT_EQ(read_file(out_ + "/" + path, 64 << 20).value(), content) << path;
  }
  EXPECT_EQ(::access((out_ + "/big").c_str(), X_OK), 0);
  struct stat info {};
  ASSERT_EQ(::stat((out_ + "/empty").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0111, 0U);
}

TEST_F(PiecesTest, OnlyChangedPiecesHaveOtherDigests) {
  std::string bytes(4 * kPieceBytesMax, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i / kPieceBytesMax);
  put("state", bytes);
  const auto before = pieces();
  bytes[2 * kPieceBytesMax + 7] = 'x';
  put("state", bytes);
  auto after = pieces();
  EXPECT_NE(after.at("state/00000002"), before.at("state/00000002"));
  after["state/00000002"] = before.at("state/00000002");
  EXPECT_EQ(after, before);
}

TEST_F(PiecesTest, WhatBeginsWithADotIsItsOwnersAffair) {
  put("state", "good");
  const auto before = pieces();
  const Digest stamp = stamp_of(in_, limits_).value();
  put(".state", "half");
  put(".work/part", "half");
  put("shown/.part", "half");
  ASSERT_EQ(::symlink("/etc/passwd", (in_ + "/link").c_str()), 0);
  EXPECT_EQ(pieces(), before);
  EXPECT_EQ(stamp_of(in_, limits_).value(), stamp);
  // The same bytes under the same name: another file all the same.
  put("state", "good");
  EXPECT_NE(stamp_of(in_, limits_).value(), stamp);
  EXPECT_EQ(pieces(), before);
}

TEST_F(PiecesTest, HostileFoldersAreBounded) {
  limits_.bytes_max = 3 * kPieceBytesMax;
  put("sparse", "");
  fs::resize_file(in_ + "/sparse", std::uint64_t{1} << 40);
  EXPECT_EQ(scan_pieces(in_, limits_).error().code, ErrorCode::kTooLarge);
  fs::resize_file(in_ + "/sparse", 3 * kPieceBytesMax);
  EXPECT_EQ(pieces().size(), 3U);
  limits_.files_max = 2;
  EXPECT_EQ(scan_pieces(in_, limits_).error().code, ErrorCode::kTooLarge);
}

TEST_F(PiecesTest, WhatBrokeOffGoesOnBehindThePiecesThatAreThere) {
  const std::string big(5 * kPieceBytesMax / 2, 'b');
  put("big", big);
  put("small", "s");
  const auto scanned = scan_pieces(in_, limits_);
  ASSERT_TRUE(scanned) << scanned.error().message;
  asked_max_ = 2;
  const auto go_on = [&] {
    return unpack_pieces(scanned->manifest, reading(), out_, Existing::kGoOn);
  };
  EXPECT_EQ(go_on().error().code, ErrorCode::kUnreachable);
  asked_ = 0;
  const Status done = go_on();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(asked_, 2) << "the last piece of one, and the other";
  EXPECT_EQ(read_file(out_ + "/big", 64 << 20).value(), big);
  EXPECT_EQ(read_file(out_ + "/small", 64 << 20).value(), "s");
}

TEST_F(PiecesTest, ManifestsThatAreNotOfPiecesAreRefused) {
  const Digest empty = digest_of("");
  const Fetch nothing = [](const File&, std::uint64_t, const Write&) { return Status(); };
  for (const std::vector<const char*>& paths :
       std::vector<std::vector<const char*>>{{"file"},
                                             {"file/1"},
                                             {"file/x0000000"},
                                             {"file/00000001"},
                                             {"file/99999999999"},
                                             {".notice/00000000"},
                                             {"a/.b/c/00000000"},
                                             {"a/00000000", "a/b/00000000"}}) {
    std::vector<File> files;
    for (const char* path : paths) files.push_back({path, false, 0, empty});
    const auto manifest = Manifest::make(files, limits_);
    ASSERT_TRUE(manifest) << manifest.error().message;
    const Status unpacked = unpack_pieces(*manifest, nothing, out_);
    ASSERT_FALSE(unpacked) << paths[0];
    EXPECT_EQ(unpacked.error().code, ErrorCode::kInvalid) << unpacked.error().message;
    EXPECT_FALSE(fs::exists(out_ + "/.notice"));
    fs::remove_all(out_);
    fs::create_directory(out_);
  }
}

// While it is read, too: of a large file that takes minutes.
TEST_F(PiecesTest, AScanEndsWhenItMayNotGoOn) {
  put("state", std::string(2 * kPieceBytesMax, 's'));
  int asked = 0;
  const auto scanned = scan_pieces(in_, limits_, [&]() -> Status {
    if (++asked < 4) return {};
    return fail(ErrorCode::kTimedOut, "enough");
  });
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, ErrorCode::kTimedOut);
  EXPECT_EQ(asked, 4) << "once for the stamp, once for the entry, then for what is read of it";
}

// A folder that is renamed into its place before the former one goes: whoever sees one moment sees
// one of them whole.
TEST_F(PiecesTest, AFolderInUseIsReadAsItWasAtOneMoment) {
  std::atomic<bool> over = false;
  const auto write = [&](int round) {
    fs::create_directory(in_ + "/.next");
    for (const char* name : {"a", "b"}) std::ofstream(in_ + "/.next/" + name) << round;
    fs::rename(in_ + "/.next", in_ + fmt::format("/step{}", round));
    fs::remove_all(in_ + fmt::format("/step{}", round - 1));
  };
  write(0);
  std::thread writer([&] {
    for (int round = 1; !over; ++round) {
      write(round);
      ::usleep(static_cast<useconds_t>(100 * (round % 20)));
    }
  });
  int seen = 0;
  int disturbed = 0;
  for (int tries = 0; (seen < 50 || disturbed < 5) && tries < 100'000; ++tries) {
    const auto scanned = scan_pieces(in_, limits_);
    if (!scanned) {
      EXPECT_EQ(scanned.error().code, ErrorCode::kBusy) << scanned.error().message;
      ++disturbed;
      continue;
    }
    ++seen;
    int whole = 0;
    const auto& files = scanned->manifest.files();
    for (std::size_t i = 0; i + 1 < files.size(); ++i) {
      const auto folder = [](const File& file) { return file.path.substr(0, file.path.find('/')); };
      if (folder(files[i]) != folder(files[i + 1])) continue;
      EXPECT_EQ(files[i].digest, files[i + 1].digest) << files[i].path;
      ++whole;
    }
    EXPECT_GE(whole, 1);
  }
  over = true;
  writer.join();
  EXPECT_GE(seen, 50);
  EXPECT_GE(disturbed, 5) << "or nothing was tested";
}

}  // namespace
}  // namespace fallow::artifacts
