#include "pathtrace/view.h"

#include <algorithm>

#include "pathtrace/vector.h"

namespace fallow::pathtrace {
namespace {

constexpr double kSensorWidthMm = 36;
constexpr double kLensMm = 40;
constexpr double kMargin = 1.06;  // air around a model that is framed automatically

// How far back from the centre the eye must be for all eight corners of the box to be in view.
double fitting_distance(const Placement& placement, const Point& back, const Point& right,
                        const Point& up, double half_width, double half_height) {
  double distance = 0;
  for (unsigned corner = 0; corner < 8; ++corner) {
    const Point p = {(corner & 1U) != 0 ? placement.hi[0] : placement.lo[0],
                     (corner & 2U) != 0 ? placement.hi[1] : placement.lo[1],
                     (corner & 4U) != 0 ? placement.hi[2] : placement.lo[2]};
    const double needed =
        std::max(std::abs(dot(p, right)) / half_width, std::abs(dot(p, up)) / half_height);
    distance = std::max(distance, dot(p, back) + kMargin * needed);
  }
  return distance;
}

void set_sky(const Wishes& wishes, bool on, PtView& view) {
  view.sky = on ? 1 : 0;
  const Point sun = unit(wishes.sun.value_or(Point{-0.55, 0.62, 0.56}), {0, 1, 0});
  store(view.sun, sun);
  view.sun_radius = 0.02F;
  // A low sun is redder and weaker, and the sky with it.
  const double high = std::clamp(sun[1] * 1.25, 0.0, 1.0);
  const auto blend = [high](const Point& low_sun, const Point& high_sun) {
    return add(mul(low_sun, 1 - high), mul(high_sun, high));
  };
  store(view.sun_irradiance, blend({3.6, 2.0, 0.9}, {2.9, 2.65, 2.3}));
  store(view.horizon, blend({0.85, 0.52, 0.36}, {0.72, 0.82, 0.95}));
  store(view.zenith, blend({0.16, 0.24, 0.48}, {0.22, 0.42, 0.85}));
  store(view.ground, blend({0.22, 0.17, 0.13}, {0.32, 0.31, 0.30}));
  store(view.glow, blend({1.3, 0.60, 0.20}, {0.35, 0.32, 0.26}));
}

}  // namespace

Point Placement::place(const Point& p) const { return mul(sub(p, centre), scale); }

void set_view(const Wishes& wishes, const Placement& placement, const Frame& frame, bool has_lights,
              PtView& view) {
  view.width = frame.width;
  view.height = frame.height;
  view.seed = frame.seed;
  view.frame = frame.frame;
  const double half_width = kSensorWidthMm / 2 / wishes.lens_mm.value_or(kLensMm);
  const double half_height = half_width * frame.height / frame.width;

  Point back = has_lights ? Point{0, 0, 1} : unit({0.42, 0.34, 0.84}, {0, 0, 1});
  Point target{};
  Point eye{};
  if (wishes.camera) {
    target = placement.place(wishes.camera->target);
    eye = placement.place(wishes.camera->eye);
    back = unit(sub(eye, target), {0, 0, 1});
  }
  // Looking straight up or down, z is as good as any other way to the picture's top.
  const Point world_up = std::abs(back[1]) > 0.9999 ? Point{0, 0, -1} : Point{0, 1, 0};
  const Point right = unit(cross(world_up, back), {1, 0, 0});
  const Point up = cross(back, right);
  if (!wishes.camera)
    eye = mul(back, fitting_distance(placement, back, right, up, half_width, half_height));

  store(view.eye, eye);
  store(view.right, mul(right, half_width));
  store(view.up, mul(up, half_height));
  store(view.forward, mul(back, -1));
  view.lens_radius = static_cast<float>(wishes.aperture.value_or(0) * placement.scale);
  view.focus_distance = static_cast<float>(length(sub(eye, target)));
  set_sky(wishes, wishes.sky.value_or(!has_lights), view);
}

}  // namespace fallow::pathtrace
