// A tile: some rows of a frame, rendered by one task, and its file format.
//
//   0   8  "FPTILE1\n"
//   8   4  width of the frame in pixels (all integers are little-endian u32)
//  12   4  height of the frame
//  16   4  first row of the tile, from the top
//  20   4  rows in the tile
//  24   4  task, from 0
//  28   4  tasks
//  32   4  samples a pixel
//  36   4  seed
//  40   4  number of the frame
//  44   4  0
//  48  32  BLAKE2b-256 of the packed scene
//  80  ..  sums: for each pixel, row by row, red green blue as IEEE floats (the mean is
//  sum/samples)
//  ..  32  BLAKE2b-256 of everything before
//
// A value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "pathtrace/scene.h"

namespace fallow::pathtrace {

struct TileHeader {
  Frame frame;
  std::uint32_t first_row = 0;
  std::uint32_t rows = 0;
  std::uint32_t task = 0;
  std::uint32_t tasks = 1;
  Digest scene{};
};

struct Tile {
  TileHeader header;
  std::vector<float> sums;
};

// Which rows are task's: they differ by at most one in number. Needs task < tasks <= height.
struct Rows {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};
Rows rows_of(std::uint32_t task, std::uint32_t tasks, std::uint32_t height);

std::string encode_tile(const Tile& tile);
// kCorrupt when the bytes are not exactly what encode_tile wrote.
Result<Tile> decode_tile(std::string_view bytes);

// "tile-00003.fpt"
std::string tile_name(std::uint32_t task);
// Creates the folder where needed. The file appears whole or not at all. Answers its path.
Result<std::string> write_tile(const std::string& folder, const Tile& tile);
Result<Tile> read_tile(const std::string& path);

}  // namespace fallow::pathtrace
