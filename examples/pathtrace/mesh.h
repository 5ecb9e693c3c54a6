// A Wavefront OBJ and its MTL as triangles and materials, in the file's own units.
//
// A value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "pathtrace/kernel_types.h"
#include "pathtrace/obj_text.h"

namespace fallow::pathtrace {

struct MeshTriangle {
  std::uint32_t vertices[3] = {};
  std::int32_t normals[3] = {-1, -1, -1};  // -1: the file gives none
  std::uint32_t material = 0;
};

struct Mesh {
  std::vector<Point> vertices;
  std::vector<Point> normals;  // as in the file: not necessarily unit
  std::vector<MeshTriangle> triangles;
  std::vector<PtMaterial> materials;  // the first is for faces without one
  Wishes wishes;
  std::vector<std::string> warnings;  // "material file field.mtl is not there", for people
};

// Reads `path` and the material files that it names beside it. A missing material file is a
// warning. kNotFound, kInvalid, kTooLarge with a sentence that names the file.
Result<Mesh> read_obj(const std::string& path);

}  // namespace fallow::pathtrace
