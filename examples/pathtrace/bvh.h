// The hierarchy of boxes that rays walk: built on the host, by the surface area heuristic.
//
// Pure: the same triangles give the same tree on every machine.
#pragma once

#include <cstdint>
#include <vector>

#include "pathtrace/kernel_types.h"

namespace fallow::pathtrace {

struct Bvh {
  std::vector<PtNode> nodes;         // [0] is the root
  std::vector<std::uint32_t> order;  // the leaves' triangles, as places in build_bvh's input
};

struct Box {
  float lo[3] = {1e30F, 1e30F, 1e30F};
  float hi[3] = {-1e30F, -1e30F, -1e30F};

  void add(const Box& other);
  float half_area() const;
};

// `boxes`: one for each triangle, at least one. No leaf lies deeper than PT_STACK_MAX - 1.
Bvh build_bvh(const std::vector<Box>& boxes);

}  // namespace fallow::pathtrace
