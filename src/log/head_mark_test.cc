#include "log/head_mark.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace fallow::log {
namespace {

class HeadMarkTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_mark_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/log.head"; }
  std::string folder_;
};

Head example() {
  return Head{LogIndex(3), Time{1'700'000'000'000'000},
              *digest_from_hex("690f3397bc6a3b818758a064058ed36ff7ea0078d675df4d780260cf64e58731")};
}

TEST_F(HeadMarkTest, BytesAreThoseOfTheDocument) {
  {
    auto mark = HeadMark::open(path());
    ASSERT_TRUE(mark);
    EXPECT_FALSE(mark->found());
    mark->write(Head{LogIndex(1), Time{1}, {}});
    mark->write(example());
  }
  EXPECT_EQ(read_file(path(), 100).value(), *from_hex("464c574845414431"
                                                      "0300000000000000"
                                                      "00401e18240a0600"
                                                      "690f3397bc6a3b818758a064058ed36f"
                                                      "f7ea0078d675df4d780260cf64e58731"
                                                      "ced2b3ad42f311dd"));
  EXPECT_EQ(HeadMark::open(path())->found(), example());
}

TEST_F(HeadMarkTest, ATornOrAlteredMarkSaysNothing) {
  HeadMark::open(path())->write(example());
  const std::string sound = read_file(path(), 100).value();
  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::string bytes = sound;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x40);
    ASSERT_TRUE(replace_file(path(), bytes));
    EXPECT_FALSE(HeadMark::open(path())->found()) << i;
    ASSERT_TRUE(replace_file(path(), sound.substr(0, i)));
    EXPECT_FALSE(HeadMark::open(path())->found()) << i;
  }
}

}  // namespace
}  // namespace fallow::log
