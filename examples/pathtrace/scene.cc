#include "pathtrace/scene.h"

#include <algorithm>
#include <exception>
#include <span>

#include "pathtrace/bvh.h"
#include "pathtrace/vector.h"
#include "pathtrace/view.h"

namespace fallow::pathtrace {
namespace {

constexpr double kSceneRadius = 10;
// Corners without a normal of their own share one with neighbours bent less than about 45 degrees.
constexpr double kSmoothCosine = 0.7;
// A corner where more faces meet (a fan's tip) stays flat: smoothing costs its square.
constexpr std::size_t kNeighboursMax = 64;
constexpr double kGroundSide = 60 * kSceneRadius;

Status check_frame(const Frame& frame) {
  if (frame.width < 1 || frame.height < 1 || frame.width > kSideMax || frame.height > kSideMax)
    return fail(ErrorCode::kInvalid, "{}x{}: width and height are 1 to {} pixels", frame.width,
                frame.height, kSideMax);
  if (frame.samples < 1 || frame.samples > kSamplesMax)
    return fail(ErrorCode::kInvalid, "{} samples: there are 1 to {} a pixel", frame.samples,
                kSamplesMax);
  return {};
}

// One triangle on its way from the mesh to the kernel's buffers.
struct Face {
  Point corners[3];
  Point normals[3];
  Point flat;  // unit
  std::uint32_t material = 0;
};

Result<Placement> placement_of(const Mesh& mesh) {
  Point lo = mesh.vertices[mesh.triangles[0].vertices[0]];
  Point hi = lo;
  for (const auto& triangle : mesh.triangles) {
    for (const std::uint32_t vertex : triangle.vertices) {
      for (unsigned axis = 0; axis < 3; ++axis) {
        lo[axis] = std::min(lo[axis], mesh.vertices[vertex][axis]);
        hi[axis] = std::max(hi[axis], mesh.vertices[vertex][axis]);
      }
    }
  }
  const double radius = 0.5 * length(sub(hi, lo));
  if (radius < 1e-12) return fail(ErrorCode::kInvalid, "all of the model lies in one point");
  Placement placement;
  placement.centre = mul(add(lo, hi), 0.5);
  placement.scale = kSceneRadius / radius;
  placement.lo = placement.place(lo);
  placement.hi = placement.place(hi);
  return placement;
}

std::vector<Face> faces_of(const Mesh& mesh, const Placement& placement) {
  const std::size_t count = mesh.triangles.size();
  std::vector<Point> areas(count);  // normals as long as twice the area
  std::vector<std::uint32_t> first(mesh.vertices.size() + 1, 0);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& vertices = mesh.triangles[i].vertices;
    const Point a = placement.place(mesh.vertices[vertices[0]]);
    areas[i] = cross(sub(placement.place(mesh.vertices[vertices[1]]), a),
                     sub(placement.place(mesh.vertices[vertices[2]]), a));
    for (const std::uint32_t vertex : vertices) ++first[vertex + 1];
  }
  for (std::size_t v = 1; v < first.size(); ++v) first[v] += first[v - 1];
  std::vector<std::uint32_t> around(3 * count);
  std::vector<std::uint32_t> filled = first;
  for (std::size_t i = 0; i < count; ++i)
    for (const std::uint32_t vertex : mesh.triangles[i].vertices)
      around[filled[vertex]++] = static_cast<std::uint32_t>(i);

  std::vector<Face> faces;
  faces.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const MeshTriangle& triangle = mesh.triangles[i];
    if (length(areas[i]) < 1e-11) continue;
    Face face;
    face.material = triangle.material;
    face.flat = unit(areas[i], {0, 1, 0});
    for (std::size_t k = 0; k < 3; ++k) {
      const std::uint32_t vertex = triangle.vertices[k];
      face.corners[k] = placement.place(mesh.vertices[vertex]);
      face.normals[k] = face.flat;
      if (triangle.normals[k] >= 0) {
        face.normals[k] =
            unit(mesh.normals[static_cast<std::size_t>(triangle.normals[k])], face.flat);
      } else if (first[vertex + 1] - first[vertex] <= kNeighboursMax) {
        Point sum{};
        for (std::uint32_t n = first[vertex]; n < first[vertex + 1]; ++n)
          if (dot(unit(areas[around[n]], face.flat), face.flat) > kSmoothCosine)
            sum = add(sum, areas[around[n]]);
        face.normals[k] = unit(sum, face.flat);
      }
    }
    faces.push_back(face);
  }
  return faces;
}

void add_ground(const Placement& placement, std::uint32_t material, std::vector<Face>& faces) {
  const double y = placement.lo[1] - 0.002;
  const double s = kGroundSide;
  const Point corners[4] = {{-s, y, -s}, {-s, y, s}, {s, y, s}, {s, y, -s}};
  for (const std::size_t k : {std::size_t{1}, std::size_t{2}}) {
    Face face;
    face.flat = {0, 1, 0};
    face.material = material;
    face.corners[0] = corners[0];
    face.corners[1] = corners[k];
    face.corners[2] = corners[k + 1];
    for (Point& normal : face.normals) normal = face.flat;
    faces.push_back(face);
  }
}

void pack_faces(const std::vector<Face>& faces, Scene& scene) {
  std::vector<Box> boxes(faces.size());
  for (std::size_t i = 0; i < faces.size(); ++i) {
    for (const Point& corner : faces[i].corners) {
      float p[3];
      store(p, corner);
      // The kernel finds corners as corner + edge, rounded: the box must hold those as well.
      Box box;
      for (int axis = 0; axis < 3; ++axis) {
        const float slack = 1e-5F + 1e-6F * std::abs(p[axis]);
        box.lo[axis] = p[axis] - slack;
        box.hi[axis] = p[axis] + slack;
      }
      boxes[i].add(box);
    }
  }
  Bvh bvh = build_bvh(boxes);
  scene.nodes = std::move(bvh.nodes);
  for (const std::uint32_t place : bvh.order) {
    const Face& face = faces[place];
    PtTriangle triangle{};
    store(triangle.corner, face.corners[0]);
    store(triangle.edge1, sub(face.corners[1], face.corners[0]));
    store(triangle.edge2, sub(face.corners[2], face.corners[0]));
    triangle.material = face.material;
    scene.triangles.push_back(triangle);
    PtNormals normals{};
    store(normals.n0, face.normals[0]);
    store(normals.n1, face.normals[1]);
    store(normals.n2, face.normals[2]);
    scene.normals.push_back(normals);
  }
}

double brightness(const PtMaterial& material) {
  return double{material.emission[0]} + double{material.emission[1]} + double{material.emission[2]};
}

// Every emitting triangle, chosen in proportion to the light it gives.
void pack_lights(Scene& scene) {
  std::vector<double> powers;
  double total = 0;
  for (std::size_t i = 0; i < scene.triangles.size(); ++i) {
    const PtTriangle& t = scene.triangles[i];
    const double bright = brightness(scene.materials[t.material]);
    if (bright <= 0) continue;
    const Point e1 = {t.edge1[0], t.edge1[1], t.edge1[2]};
    const Point e2 = {t.edge2[0], t.edge2[1], t.edge2[2]};
    const double area = 0.5 * length(cross(e1, e2));
    if (area <= 0) continue;
    PtLight light{};
    light.triangle = static_cast<std::uint32_t>(i);
    light.area = static_cast<float>(area);
    scene.lights.push_back(light);
    powers.push_back(area * bright);
    total += powers.back();
  }
  double sum = 0;
  for (std::size_t i = 0; i < scene.lights.size(); ++i) {
    sum += powers[i];
    scene.lights[i].cumulative = static_cast<float>(sum / total);
    // A light too faint to matter is still no division by zero.
    scene.lights[i].probability = std::max(1e-12F, static_cast<float>(powers[i] / total));
  }
  scene.view.light_count = static_cast<std::uint32_t>(scene.lights.size());
  if (scene.lights.empty()) {
    scene.lights.push_back(PtLight{});
    return;
  }
  scene.lights.back().cumulative = 1;
  scene.view.light_share = scene.view.sky != 0 ? 0.3F : 1.0F;
}

template <class T>
void update(Digester& digester, const T* values, std::size_t count) {
  digester.update_u64(count);
  digester.update(std::span(reinterpret_cast<const std::uint8_t*>(values), count * sizeof(T)));
}

Result<Scene> build(const Mesh& mesh, const Frame& frame) {
  FALLOW_TRY(check_frame(frame));
  Scene scene;
  scene.warnings = mesh.warnings;
  scene.materials = mesh.materials;
  FALLOW_ASSIGN(const Placement placement, placement_of(mesh));
  std::vector<Face> faces = faces_of(mesh, placement);
  if (faces.empty()) return fail(ErrorCode::kInvalid, "no triangle of the model has an area");
  if (faces.size() < mesh.triangles.size())
    scene.warnings.push_back(
        fmt::format("left out {} triangles without area", mesh.triangles.size() - faces.size()));
  const bool has_lights = std::any_of(faces.begin(), faces.end(), [&](const Face& face) {
    return brightness(scene.materials[face.material]) > 0;
  });
  if (mesh.wishes.ground.value_or(!has_lights)) {
    PtMaterial ground = scene.materials[0];
    for (float& part : ground.diffuse) part *= 0.6F;
    scene.materials.push_back(ground);
    add_ground(placement, static_cast<std::uint32_t>(scene.materials.size() - 1), faces);
  }
  set_view(mesh.wishes, placement, frame, has_lights, scene.view);
  pack_faces(faces, scene);
  pack_lights(scene);
  return scene;
}

}  // namespace

// Nothing but 4-byte scalars: no padding whose bytes could differ.
static_assert(sizeof(PtNode) == 8 * 4 && sizeof(PtTriangle) == 10 * 4 &&
              sizeof(PtNormals) == 9 * 4 && sizeof(PtMaterial) == 12 * 4 &&
              sizeof(PtLight) == 4 * 4 && sizeof(PtView) == 40 * 4);

Digest Scene::digest() const {
  Digester digester;
  update(digester, nodes.data(), nodes.size());
  update(digester, triangles.data(), triangles.size());
  update(digester, normals.data(), normals.size());
  update(digester, materials.data(), materials.size());
  update(digester, lights.data(), lights.size());
  update(digester, &view, 1);
  return digester.finish();
}

Result<Scene> make_scene(const Mesh& mesh, const Frame& frame) {
  try {
    return build(mesh, frame);
  } catch (const std::exception& error) {  // out of memory
    return fail(ErrorCode::kFailed, "cannot build the scene: {}", error.what());
  }
}

Result<Scene> read_scene(const std::string& path, const Frame& frame) {
  FALLOW_ASSIGN(const Mesh mesh, read_obj(path));
  auto scene = make_scene(mesh, frame);
  if (!scene) return fail_with(scene.error(), "{}", path);
  return scene;
}

}  // namespace fallow::pathtrace
