// From tiles to a picture, and from a picture to a PNG.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "pathtrace/tile.h"

namespace fallow::pathtrace {

struct Picture {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::uint8_t> rgb;  // sRGB, 8 bits, row by row from the top left

  Digest digest() const;  // of size and pixels, not of a file format
};

// Joins tiles in any order. The same tile twice is fine when it is the same to the bit. kInvalid
// when a tile is missing, two differ, or they stem from different scenes, seeds, sizes or cuts.
Result<Picture> assemble(const std::vector<Tile>& tiles);

// Linear light to what a screen shows: a filmic curve, then sRGB, by + - * / and square roots of
// doubles only, so the same on every machine. Light below 0 counts as 0.
std::uint8_t to_screen(double light);

// The file appears whole or not at all.
Status write_png(const std::string& path, const Picture& picture);

}  // namespace fallow::pathtrace
