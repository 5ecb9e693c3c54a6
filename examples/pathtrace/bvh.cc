#include "pathtrace/bvh.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/check.h"

namespace fallow::pathtrace {
namespace {

constexpr std::size_t kBins = 16;
constexpr std::uint32_t kLeafMax = 8;
// From here on splits are in halves, so that the depth stays below 22 + log2(4 million).
constexpr int kHeuristicDepthMax = 22;
// What entering a box costs beside testing a triangle.
constexpr float kBoxCost = 1.2F;

struct Builder {
  const std::vector<Box>& boxes;
  Bvh out;

  float centre(std::uint32_t triangle, int axis) const {
    return 0.5F * (boxes[triangle].lo[axis] + boxes[triangle].hi[axis]);
  }

  struct Split {
    int axis = -1;  // -1: better a leaf
    float low = 0;
    float scale = 0;
    std::size_t bin = 0;  // the first bin of the right side
  };

  std::size_t bin_of(const Split& split, std::uint32_t triangle) const {
    const float place = (centre(triangle, split.axis) - split.low) * split.scale;
    return std::min(kBins - 1, static_cast<std::size_t>(std::max(0.0F, place)));
  }

  Split best_split(std::uint32_t first, std::uint32_t count, const Box& bounds) const {
    Split best;
    float best_cost = count <= kLeafMax ? static_cast<float>(count) * bounds.half_area() : 1e38F;
    for (int axis = 0; axis < 3; ++axis) {
      float low = 1e30F;
      float high = -1e30F;
      for (std::uint32_t i = first; i < first + count; ++i) {
        low = std::min(low, centre(out.order[i], axis));
        high = std::max(high, centre(out.order[i], axis));
      }
      if (high - low < 1e-7F) continue;
      Split split{axis, low, static_cast<float>(kBins) / (high - low), 0};
      std::array<Box, kBins> bin_boxes;
      std::array<std::uint32_t, kBins> bin_counts{};
      for (std::uint32_t i = first; i < first + count; ++i) {
        const std::size_t bin = bin_of(split, out.order[i]);
        bin_boxes[bin].add(boxes[out.order[i]]);
        ++bin_counts[bin];
      }
      std::array<float, kBins> right_cost{};
      Box right;
      std::uint32_t right_count = 0;
      for (std::size_t bin = kBins - 1; bin > 0; --bin) {
        right.add(bin_boxes[bin]);
        right_count += bin_counts[bin];
        right_cost[bin] =
            right_count == 0 ? 0 : static_cast<float>(right_count) * right.half_area();
      }
      Box left;
      std::uint32_t left_count = 0;
      for (std::size_t bin = 1; bin < kBins; ++bin) {
        left.add(bin_boxes[bin - 1]);
        left_count += bin_counts[bin - 1];
        if (left_count == 0 || left_count == count) continue;
        const float cost = kBoxCost * bounds.half_area() +
                           static_cast<float>(left_count) * left.half_area() + right_cost[bin];
        if (cost < best_cost) {
          best_cost = cost;
          best = split;
          best.bin = bin;
        }
      }
    }
    return best;
  }

  void build(std::size_t node, std::uint32_t first, std::uint32_t count, int depth) {
    FALLOW_CHECK(depth < PT_STACK_MAX, "a tree of depth {}", depth);
    Box bounds;
    for (std::uint32_t i = first; i < first + count; ++i) bounds.add(boxes[out.order[i]]);
    for (int axis = 0; axis < 3; ++axis) {
      out.nodes[node].lo[axis] = bounds.lo[axis];
      out.nodes[node].hi[axis] = bounds.hi[axis];
    }
    const auto begin = out.order.begin() + first;
    std::uint32_t left = 0;
    if (depth < kHeuristicDepthMax) {
      const Split split = best_split(first, count, bounds);
      if (split.axis >= 0) {
        const auto middle = std::stable_partition(
            begin, begin + count,
            [&](std::uint32_t triangle) { return bin_of(split, triangle) < split.bin; });
        left = static_cast<std::uint32_t>(middle - begin);
      }
    }
    if (left == 0) {
      if (count <= kLeafMax) {
        out.nodes[node].first = first;
        out.nodes[node].count = count;
        return;
      }
      left = halve(first, count, bounds);
    }
    const std::size_t children = out.nodes.size();
    out.nodes.resize(children + 2);
    out.nodes[node].first = static_cast<std::uint32_t>(children);
    build(children, first, left, depth + 1);
    build(children + 1, first + left, count - left, depth + 1);
  }

  std::uint32_t halve(std::uint32_t first, std::uint32_t count, const Box& bounds) {
    int axis = 0;
    for (int other = 1; other < 3; ++other)
      if (bounds.hi[other] - bounds.lo[other] > bounds.hi[axis] - bounds.lo[axis]) axis = other;
    const auto begin = out.order.begin() + first;
    std::sort(begin, begin + count, [&](std::uint32_t a, std::uint32_t b) {
      const float ca = centre(a, axis);
      const float cb = centre(b, axis);
      return ca != cb ? ca < cb : a < b;  // a total order: no library's habits show
    });
    return count / 2;
  }
};

}  // namespace

void Box::add(const Box& other) {
  for (int axis = 0; axis < 3; ++axis) {
    lo[axis] = std::min(lo[axis], other.lo[axis]);
    hi[axis] = std::max(hi[axis], other.hi[axis]);
  }
}

float Box::half_area() const {
  const float x = std::max(0.0F, hi[0] - lo[0]);
  const float y = std::max(0.0F, hi[1] - lo[1]);
  const float z = std::max(0.0F, hi[2] - lo[2]);
  return x * y + y * z + z * x;
}

Bvh build_bvh(const std::vector<Box>& boxes) {
  FALLOW_CHECK(!boxes.empty(), "nothing to build a hierarchy of");
  Builder builder{boxes, {}};
  builder.out.order.resize(boxes.size());
  std::iota(builder.out.order.begin(), builder.out.order.end(), 0U);
  builder.out.nodes.resize(1);
  builder.build(0, 0, static_cast<std::uint32_t>(boxes.size()), 0);
  return std::move(builder.out);
}

}  // namespace fallow::pathtrace
