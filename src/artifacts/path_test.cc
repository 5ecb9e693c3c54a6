#include "artifacts/path.h"

#include <gtest/gtest.h>

namespace fallow::artifacts {
namespace {

using namespace std::string_literals;

TEST(Path, PlainRelativePathsAreFine) {
  for (const std::string& path :
       {"a"s, "a/b/c.txt"s, ".hidden"s, "..."s, "a..b/..c"s, "with blank"s, "Füße/猫/🎨.png"s,
        "back\\slash"s, std::string(255, 'x'), "-rf"s}) {
    EXPECT_TRUE(check_path(path, 1024, 64)) << path;
  }
}

TEST(Path, WhatLeavesTheFolderOrHidesIsRefused) {
  for (const std::string& path :
       {""s, "/"s, "/etc/passwd"s, "a/"s, "a//b"s, "."s, ".."s, "./a"s, "a/./b"s, "../a"s, "a/.."s,
        "a/../../b"s, "a\0b"s, "a\nb"s, "a\x7f"s, "\x1b[31m"s, "a\xc2\x85z"s}) {
    const Status checked = check_path(path, 1024, 64);
    ASSERT_FALSE(checked) << path;
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalid) << path;
  }
}

TEST(Path, InvalidUtf8IsRefused) {
  for (const std::string& path : {"\x80"s, "a\xff"s, "\xc0\xaf"s, "\xc1\xbf"s, "\xe0\x80\xaf"s,
                                  "\xed\xa0\x80"s, "\xf0\x80\x80\xaf"s, "\xf4\x90\x80\x80"s,
                                  "\xf5\x80\x80\x80"s, "\xe2\x82"s, "\xc3"s, "\xc3("s}) {
    const Status checked = check_path(path, 1024, 64);
    ASSERT_FALSE(checked) << path;
    EXPECT_NE(checked.error().message.find("UTF-8"), std::string::npos);
  }
}

TEST(Path, LimitsAreHeld) {
  EXPECT_TRUE(check_path("a/b/c", 5, 3));
  EXPECT_EQ(check_path("a/b/c", 4, 3).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(check_path("a/b/c", 5, 2).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(check_path(std::string(256, 'x'), 1024, 3).error().code, ErrorCode::kTooLarge);
}

TEST(Path, PrintableHidesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("a\x1b[2J\nb\xff"s), "a?[2J?b?");
  EXPECT_EQ(printable("Füße"), "Füße");
  EXPECT_LE(printable(std::string(5000, 'x')).size(), 203U);
}

}  // namespace
}  // namespace fallow::artifacts
