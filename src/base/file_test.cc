#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace fallow {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_file_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(FileTest, ReplacesAFileAndReadsItBack) {
  const std::string path = folder_ + "/a";
  const mode_t before = ::umask(077);
  ASSERT_TRUE(replace_file(path, "one", 0644));
  ::umask(before);
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0644));
  ASSERT_TRUE(replace_file(path, std::string(100'000, 'x'), 0640));
  EXPECT_EQ(read_file(path, 100'000).value(), std::string(100'000, 'x'));
  EXPECT_EQ(read_file(path, 99'999).error().code, ErrorCode::kTooLarge);
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0640U);
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_F(FileTest, ANamelessFileIsInNobodysWay) {
  const auto file = nameless_file(folder_);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE(write_all(*file, "what is kept", "it"));
  std::string into(100, 'x');
  EXPECT_EQ(read_at(*file, std::span(into.data(), into.size()), 5, "it").value(), 7U);
  EXPECT_EQ(into.substr(0, 7), "is kept");
  EXPECT_TRUE(names_in(folder_).empty());
  EXPECT_EQ(nameless_file(folder_ + "/away").error().code, ErrorCode::kNotFound);
}

TEST_F(FileTest, ReadsEmptyAndUnsizedFiles) {
  ASSERT_TRUE(replace_file(folder_ + "/empty", ""));
  EXPECT_EQ(read_file(folder_ + "/empty", 0).value(), "");
  // Says size 0 to stat, yet has bytes.
  EXPECT_FALSE(read_file("/proc/self/status", 1 << 20).value().empty());
}

TEST_F(FileTest, NamesWhatIsMissingAndWhatIsFull) {
  const auto missing = read_file(folder_ + "/none", 10);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find(folder_ + "/none"), std::string::npos);

  const auto full = open_file("/dev/full", O_WRONLY);
  ASSERT_TRUE(full);
  const Status written = write_all(*full, "x", "/dev/full");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kTooLarge);
}

TEST_F(FileTest, ReadAtEndsWithTheFile) {
  const std::string path = folder_ + "/a";
  ASSERT_TRUE(replace_file(path, "0123456789"));
  const auto file = open_file(path, O_RDONLY);
  ASSERT_TRUE(file);
  std::string into(8, '.');
  EXPECT_EQ(read_at(*file, into, 6, path).value(), 4U);
  EXPECT_EQ(into, "6789....");
  EXPECT_EQ(read_at(*file, into, 10, path).value(), 0U);
}

TEST_F(FileTest, AnFdIsClosedOnceAndMoves) {
  auto opened = open_file("/dev/null", O_RDONLY);
  ASSERT_TRUE(opened);
  const int number = opened->get();
  Fd moved = std::move(*opened);
  EXPECT_EQ(moved.get(), number);
  moved.reset();
  EXPECT_FALSE(moved);
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST_F(FileTest, InMemoryStandsAtItsBeginning) {
  const auto file = memory_file("words", "abc");
  ASSERT_TRUE(file);
  std::array<char, 8> bytes{};
  EXPECT_EQ(::read(file->get(), bytes.data(), bytes.size()), 3);
  EXPECT_EQ(std::string_view(bytes.data(), 3), "abc");
}

}  // namespace
}  // namespace fallow
