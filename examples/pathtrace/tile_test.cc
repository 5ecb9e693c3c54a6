#include "pathtrace/tile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "pathtrace/test_scenes.h"

namespace fallow::pathtrace {
namespace {

using ::testing::HasSubstr;

Tile small_tile(std::uint32_t task = 1) {
  Tile tile;
  tile.header.frame = {.width = 4, .height = 7, .samples = 2, .seed = 9, .frame = 3};
  tile.header.task = task;
  tile.header.tasks = 3;
  const Rows rows = rows_of(task, 3, 7);
  tile.header.first_row = rows.first;
  tile.header.rows = rows.count;
  tile.header.scene = digest_of("scene");
  for (std::uint32_t i = 0; i < 4 * rows.count * 3; ++i)
    tile.sums.push_back(0.25F * static_cast<float>(i));
  return tile;
}

TEST(Tile, RowsCoverTheFrameOnce) {
  for (const std::uint32_t height : {1U, 7U, 270U, 16'384U}) {
    for (const std::uint32_t tasks : {1U, 2U, 12U, height}) {
      if (tasks > height) continue;
      std::uint32_t next = 0;
      for (std::uint32_t task = 0; task < tasks; ++task) {
        const Rows rows = rows_of(task, tasks, height);
        EXPECT_EQ(rows.first, next);
        EXPECT_GE(rows.count, 1U);
        next += rows.count;
      }
      EXPECT_EQ(next, height);
    }
  }
}

TEST(Tile, SurvivesItsFile) {
  const Folder folder;
  const Tile tile = small_tile();
  const auto path = write_tile(folder.at("new/folder"), tile);
  ASSERT_TRUE(path) << path.error().message;
  EXPECT_THAT(*path, HasSubstr("tile-00001.fpt"));
  const auto read = read_tile(*path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->sums, tile.sums);
  EXPECT_EQ(encode_tile(*read), encode_tile(tile));
}

TEST(Tile, EveryTruncationIsRefused) {
  const std::string bytes = encode_tile(small_tile());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_tile(bytes.substr(0, size))) << size;
  EXPECT_FALSE(decode_tile(bytes + "x"));
}

TEST(Tile, EveryAlteredByteIsRefused) {
  const std::string bytes = encode_tile(small_tile());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string altered = bytes;
    altered[at] = static_cast<char>(altered[at] ^ 0x10);
    EXPECT_FALSE(decode_tile(altered)) << at;
  }
}

TEST(Tile, SumsThatAreNotFiniteAreRefused) {
  Tile tile = small_tile();
  tile.sums[5] = std::numeric_limits<float>::quiet_NaN();
  const auto decoded = decode_tile(encode_tile(tile));
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().message, HasSubstr("finite"));
}

TEST(Tile, ErrorsNameTheFile) {
  const Folder folder;
  const auto missing = read_tile(folder.at("none.fpt"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  const auto damaged = read_tile(folder.write("bad.fpt", "FPTILE1\nshort"));
  ASSERT_FALSE(damaged);
  EXPECT_THAT(damaged.error().message, HasSubstr("bad.fpt is damaged"));
}

TEST(Tile, WritingWhereNobodyMayFails) {
  const Folder folder;
  const std::string file = folder.write("file", "");
  const auto path = write_tile(file, small_tile());
  ASSERT_FALSE(path);
  EXPECT_THAT(path.error().message, HasSubstr("cannot create the folder"));
}

}  // namespace
}  // namespace fallow::pathtrace
