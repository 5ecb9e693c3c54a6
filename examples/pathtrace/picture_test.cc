#include "pathtrace/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <cmath>

#include "pathtrace/test_scenes.h"

namespace fallow::pathtrace {
namespace {

using ::testing::HasSubstr;

std::vector<Tile> three_tiles() {
  std::vector<Tile> tiles;
  for (std::uint32_t task = 0; task < 3; ++task) {
    const Rows rows = rows_of(task, 3, 8);
    Tile tile;
    tile.header = {{.width = 5, .height = 8, .samples = 4},
                   rows.first,
                   rows.count,
                   task,
                   3,
                   digest_of("scene")};
    for (std::uint32_t i = 0; i < 5 * rows.count * 3; ++i)
      tile.sums.push_back(static_cast<float>(rows.first * 15 + i) / 40);
    tiles.push_back(tile);
  }
  return tiles;
}

std::string picture_error(const std::vector<Tile>& tiles) {
  const auto picture = assemble(tiles);
  return picture ? "no error" : picture.error().message;
}

TEST(Picture, TheOrderOfTilesIsIrrelevant) {
  std::vector<Tile> tiles = three_tiles();
  const auto first = assemble(tiles);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(std::is_sorted(first->rgb.begin(), first->rgb.end()));
  std::reverse(tiles.begin(), tiles.end());
  tiles.push_back(tiles[1]);  // rendered twice, alike
  const auto second = assemble(tiles);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(first->rgb, second->rgb);
}

TEST(Picture, RefusesTilesThatDoNotFit) {
  EXPECT_THAT(picture_error({}), HasSubstr("no tiles"));
  std::vector<Tile> tiles = three_tiles();
  tiles.erase(tiles.begin() + 1);
  EXPECT_THAT(picture_error(tiles), HasSubstr("tile 1 of 0 to 2 is missing"));
  tiles = three_tiles();
  tiles[2].header.scene = digest_of("another");
  EXPECT_THAT(picture_error(tiles), HasSubstr("different scenes"));
  tiles = three_tiles();
  tiles[1].header.frame.seed = 8;
  EXPECT_THAT(picture_error(tiles), HasSubstr("seed"));
  tiles = three_tiles();
  tiles.push_back(tiles[0]);
  tiles.back().sums[0] += 1;
  EXPECT_THAT(picture_error(tiles), HasSubstr("two tiles 0"));
}

TEST(Picture, TheScreenCurveRisesFromBlackToWhite) {
  EXPECT_EQ(to_screen(-1), 0);
  EXPECT_EQ(to_screen(0), 0);
  EXPECT_EQ(to_screen(1e6), 255);
  int last = 0;
  for (double light = 0; light < 20; light += 0.01) {
    EXPECT_GE(to_screen(light), last);
    last = to_screen(light);
  }
}

TEST(Picture, ThePngHoldsThePixels) {
  const Folder folder;
  const auto picture = assemble(three_tiles());
  ASSERT_TRUE(picture);
  ASSERT_TRUE(write_png(folder.at("p.png"), *picture));
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_file(&image, folder.at("p.png").c_str()), 0);
  EXPECT_EQ(image.width, 5U);
  EXPECT_EQ(image.height, 8U);
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> rgb(PNG_IMAGE_SIZE(image));
  ASSERT_NE(png_image_finish_read(&image, nullptr, rgb.data(), 0, nullptr), 0);
  EXPECT_EQ(rgb, picture->rgb);
  EXPECT_FALSE(write_png(folder.at("no/such/folder.png"), *picture));
}

}  // namespace
}  // namespace fallow::pathtrace
