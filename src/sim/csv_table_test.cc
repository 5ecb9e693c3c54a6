#include "sim/csv_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

namespace fallow::sim {
namespace {

using testing::HasSubstr;

TEST(CsvTable, ReadsFieldsByRowAndColumn) {
  const auto table = CsvTable::parse("a,b\r\n1,x\r\n\n-2,\n", "t.csv");
  ASSERT_TRUE(table) << table.error().message;
  ASSERT_EQ(table->rows(), 2U);
  const std::size_t b = *table->column("b");
  EXPECT_EQ(table->text(0, b), "x");
  EXPECT_EQ(table->text(1, b), "");
  EXPECT_EQ(*table->integer(1, 0, -2, 2), -2);
  EXPECT_EQ(table->place(1), "t.csv, line 4");  // blank lines are passed over, and counted
}

TEST(CsvTable, LastLineNeedsNoEnd) {
  const auto table = CsvTable::parse("a,b\n1,2", "t.csv");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->text(0, 1), "2");
}

TEST(CsvTable, QuotedFieldsHoldCommas) {
  const auto table = CsvTable::parse("a,\"b, c\",d\n\"1,2\",\"\",3\n\"x\",y,\"z\"", "t.csv");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_TRUE(table->has_column("b, c"));
  EXPECT_EQ(table->text(0, 0), "1,2");
  EXPECT_EQ(table->text(0, 1), "");
  EXPECT_EQ(table->text(0, 2), "3");
  EXPECT_EQ(table->text(1, 2), "z");
  for (const char* bad : {"a,b\n\"1,2\n", "a,b\n\"1\"x,2\n", "a,b\n1,\"\n"}) {
    const auto refused = CsvTable::parse(bad, "t.csv");
    ASSERT_FALSE(refused) << bad;
    EXPECT_THAT(refused.error().message, HasSubstr("t.csv, line 2"));
  }
}

TEST(CsvTable, NamesTheLineOfABadRow) {
  const auto table = CsvTable::parse("a,b\n1,2\n1,2,3\n", "t.csv");
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(table.error().message, HasSubstr("t.csv, line 3: 3 fields where the head names 2"));
}

TEST(CsvTable, RefusesWhatIsNoNumberOrOutOfRange) {
  const auto table = CsvTable::parse("n\n12\n1x\n\"7\"\n99999999999999999999\n0.5\ninf\n", "t.csv");
  ASSERT_TRUE(table);
  EXPECT_TRUE(table->integer(0, 0, 0, 12));
  EXPECT_FALSE(table->integer(0, 0, 0, 11));
  EXPECT_FALSE(table->integer(1, 0, 0, 100));
  EXPECT_EQ(*table->integer(2, 0, 0, 100), 7);
  EXPECT_THAT(table->integer(3, 0, 0, 100).error().message,
              HasSubstr("t.csv, line 5: n is \"9999"));
  EXPECT_FALSE(table->integer(4, 0, 0, 100));
  EXPECT_DOUBLE_EQ(*table->number(4, 0, 0, 1), 0.5);
  EXPECT_FALSE(table->number(5, 0, 0, 1e300));
}

TEST(CsvTable, NamesTheColumnsThatAreThere) {
  const auto table = CsvTable::parse("a,b\n", "t.csv");
  ASSERT_TRUE(table);
  EXPECT_TRUE(table->has_column("a"));
  EXPECT_FALSE(table->has_column("c"));
  EXPECT_EQ(table->column("c").error().message, "t.csv has no column c; it has a, b");
}

TEST(CsvTable, AnEmptyFileHasNoHead) {
  EXPECT_EQ(CsvTable::parse("", "t.csv").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(CsvTable::parse("\n\n", "t.csv").error().code, ErrorCode::kInvalid);
}

class CsvFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  void write(const char* name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
  }
  static std::string packed(std::string_view text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / "fallow_csv_table_test";
};

TEST_F(CsvFile, PlainAndPackedAreTheSame) {
  write("t.csv", "a,b\n1,2\n");
  write("t.csv.gz", packed("a,b\n1,2\n"));
  for (const char* name : {"t.csv", "t.csv.gz"}) {
    const auto table = CsvTable::read(path(name));
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_EQ(table->text(0, 1), "2");
  }
}

TEST_F(CsvFile, ATornPackedFileIsCorrupt) {
  std::string text = "a,b\n";
  for (int i = 0; i < 2'000; ++i) text += fmt::format("{},{}\n", i * 7919 % 1009, i);
  const std::string whole = packed(text);
  write("cut.csv.gz", std::string_view(whole).substr(0, whole.size() / 2));
  EXPECT_EQ(CsvTable::read(path("cut.csv.gz")).error().code, ErrorCode::kCorrupt);
  std::string wrong = whole;
  wrong[whole.size() / 2] = static_cast<char>(wrong[whole.size() / 2] ^ 0x55);
  write("wrong.csv.gz", wrong);
  EXPECT_EQ(CsvTable::read(path("wrong.csv.gz")).error().code, ErrorCode::kCorrupt);
}

TEST_F(CsvFile, AnAbsentFileIsNamed) {
  const auto table = CsvTable::read(path("none.csv"));
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(table.error().message, HasSubstr("none.csv"));
  EXPECT_EQ(CsvTable::read(folder_.string()).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace fallow::sim
