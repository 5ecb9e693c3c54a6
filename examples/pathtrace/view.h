// Camera and sky: what the OBJ wishes for, and otherwise what shows any model well.
//
// Pure; any thread.
#pragma once

#include <vector>

#include "pathtrace/kernel_types.h"
#include "pathtrace/obj_text.h"
#include "pathtrace/scene.h"

namespace fallow::pathtrace {

// From the file's coordinates to the scene's: (p - centre) * scale.
struct Placement {
  Point centre{};
  double scale = 1;
  Point lo{};  // the model's bounds, in the scene's coordinates
  Point hi{};

  Point place(const Point& p) const;
};

// Fills camera and sky of `view`; lights are the caller's. `has_lights`: the model has emitting
// triangles, so it is taken for a room and looked at from its open front (+z), without a sky.
// Without, it is looked at from the front right, a little above, under an afternoon sky.
void set_view(const Wishes& wishes, const Placement& placement, const Frame& frame, bool has_lights,
              PtView& view);

}  // namespace fallow::pathtrace
