// A scene as the kernel reads it: packed, framed by a camera, lit.
//
// Made once from an OBJ; read-only from then on. Coordinates are the model's, moved and scaled so
// that its bounding sphere has radius 10 about the origin: the kernel's tolerances then suit every
// model. Only + - * / and square roots of IEEE doubles and floats are used, so that every machine
// packs the same bits; digest() proves it, and travels with each tile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "pathtrace/kernel_types.h"
#include "pathtrace/mesh.h"

namespace fallow::pathtrace {

inline constexpr std::uint32_t kSideMax = 16'384;  // pixels
inline constexpr std::uint32_t kSamplesMax = 65'536;

struct Frame {
  std::uint32_t width = 480;
  std::uint32_t height = 270;
  std::uint32_t samples = 32;  // a pixel
  std::uint32_t seed = 1;
  std::uint32_t frame = 0;
};

struct Scene {
  std::vector<PtNode> nodes;
  std::vector<PtTriangle> triangles;
  std::vector<PtNormals> normals;
  std::vector<PtMaterial> materials;
  std::vector<PtLight> lights;  // never empty: without lights one that is never chosen
  PtView view{};
  std::vector<std::string> warnings;  // for people

  // Of everything above but the warnings.
  Digest digest() const;
};

// kInvalid for a frame outside of the maxima and for a mesh whose triangles are all without area
// or whose points are all one.
Result<Scene> make_scene(const Mesh& mesh, const Frame& frame);

// read_obj, then make_scene.
Result<Scene> read_scene(const std::string& path, const Frame& frame);

}  // namespace fallow::pathtrace
