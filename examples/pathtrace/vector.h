// Three doubles as a vector, with the operations that packing a scene needs. Values.
#pragma once

#include <cmath>

#include "pathtrace/obj_text.h"

namespace fallow::pathtrace {

inline Point add(const Point& a, const Point& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
inline Point sub(const Point& a, const Point& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
inline Point mul(const Point& a, double k) { return {a[0] * k, a[1] * k, a[2] * k}; }
inline double dot(const Point& a, const Point& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
inline Point cross(const Point& a, const Point& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
inline double length(const Point& a) { return std::sqrt(dot(a, a)); }
// A vector of no length gives `otherwise`.
inline Point unit(const Point& a, const Point& otherwise) {
  const double size = length(a);
  return size > 1e-150 && std::isfinite(size) ? mul(a, 1 / size) : otherwise;
}

// To the kernel's floats. What a device may flush to zero is zero for all.
inline void store(float (&to)[3], const Point& from) {
  for (unsigned i = 0; i < 3; ++i)
    to[i] = std::abs(from[i]) < 1e-20 ? 0.0F : static_cast<float>(from[i]);
}

}  // namespace fallow::pathtrace
