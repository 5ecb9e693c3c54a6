#include "pathtrace/mesh.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "pathtrace/tinyobj.h"

namespace fallow::pathtrace {
namespace {

constexpr float kEmissionMax = 1e4F;

float within(double value, float high) {
  return std::isfinite(value) ? std::clamp(static_cast<float>(value), 0.0F, high) : 0.0F;
}

void assign(float (&to)[3], const tinyobj::real_t (&from)[3], float high) {
  for (int i = 0; i < 3; ++i) to[i] = within(from[i], high);
}

float largest(const float (&color)[3]) { return std::max({color[0], color[1], color[2]}); }

PtMaterial default_material() {
  PtMaterial material{};
  material.kind = PT_SURFACE;
  material.diffuse[0] = 0.72F;
  material.diffuse[1] = 0.70F;
  material.diffuse[2] = 0.67F;
  material.alpha = 1.0F;
  material.ior = 1.5F;
  return material;
}

// MTL says what a program of 1992 should draw; this is what it means to a path tracer.
PtMaterial convert(const tinyobj::material_t& mtl) {
  PtMaterial material = default_material();
  // Above 0.95 light would bounce about for ever in a closed room.
  assign(material.diffuse, mtl.diffuse, 0.95F);
  assign(material.emission, mtl.emission, kEmissionMax);
  float specular[3] = {};
  assign(specular, mtl.specular, 1.0F);
  // Phong's exponent as a roughness of about the same highlight; Pr is the PBR extension's.
  const double exponent = within(mtl.shininess, 1e6F);
  material.alpha = static_cast<float>(std::sqrt(2.0 / (exponent + 2.0)));
  if (mtl.roughness > 0) material.alpha = within(mtl.roughness * mtl.roughness, 1.0F);
  const bool glass_model = mtl.illum == 4 || mtl.illum == 6 || mtl.illum == 7 || mtl.illum == 9;
  if ((glass_model || mtl.dissolve < 0.5) && largest(material.emission) == 0) {
    material.kind = PT_GLASS;
    if (mtl.ior > 1.0) material.ior = std::max(1.01F, within(mtl.ior, 4.0F));
    float tint[3] = {};
    assign(tint, mtl.transmittance, 1.0F);
    for (int i = 0; i < 3; ++i) material.diffuse[i] = largest(tint) > 0 ? tint[i] : 1.0F;
    return material;
  }
  // illum 3 and 5 ask for reflections; so does a black surface with a highlight.
  const bool mirror_model = mtl.illum == 3 || mtl.illum == 5;
  const bool metal =
      largest(specular) > 0 &&
      (mirror_model || mtl.metallic > 0.5 || largest(material.diffuse) < 0.1F * largest(specular));
  if (metal) {
    material.kind = PT_METAL;
    const bool by_base = mtl.metallic > 0.5;
    for (int i = 0; i < 3; ++i) material.specular[i] = by_base ? material.diffuse[i] : specular[i];
    return material;
  }
  // Exporters write Ks 0.5 for common plastic, which reflects 0.04 of what meets it head-on.
  for (int i = 0; i < 3; ++i) material.specular[i] = 0.08F * specular[i];
  return material;
}

// Opens the MTL files that the OBJ names, relative to its folder, and remembers what was missing.
class MaterialReader : public tinyobj::MaterialReader {
 public:
  MaterialReader(std::filesystem::path folder, std::vector<std::string>& warnings)
      : folder_(std::move(folder)), warnings_(warnings) {}

  bool operator()(const std::string& name, std::vector<tinyobj::material_t>* materials,
                  std::map<std::string, int>* names, std::string* warning,
                  std::string* error) override {
    std::ifstream file(folder_ / name);
    if (!file) {
      warnings_.push_back(
          fmt::format("no material file {}: plain grey instead", (folder_ / name).string()));
      return true;
    }
    tinyobj::LoadMtl(names, materials, &file, warning, error);
    return true;
  }

 private:
  std::filesystem::path folder_;
  std::vector<std::string>& warnings_;
};

Result<std::string> read_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return fail(ErrorCode::kNotFound, "there is no file {}", path);
  if (std::filesystem::is_directory(path, error))
    return fail(ErrorCode::kInvalid, "{} is a folder, not an OBJ file", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::kFailed, "cannot open {}: {}", path, std::strerror(errno));
  std::string bytes;
  char buffer[1 << 16];
  while (file.read(buffer, sizeof buffer), file.gcount() > 0) {
    bytes.append(buffer, static_cast<std::size_t>(file.gcount()));
    if (bytes.size() > kObjBytesMax)
      return fail(ErrorCode::kTooLarge, "{} has more than {} bytes", path, kObjBytesMax);
  }
  if (file.bad()) return fail(ErrorCode::kFailed, "cannot read {}: {}", path, std::strerror(errno));
  return bytes;
}

std::vector<Point> points_of(const std::vector<tinyobj::real_t>& flat) {
  std::vector<Point> points(flat.size() / 3);
  for (std::size_t i = 0; i < points.size(); ++i)
    points[i] = {flat[3 * i], flat[3 * i + 1], flat[3 * i + 2]};
  return points;
}

Result<Mesh> load(const std::string& path) {
  FALLOW_ASSIGN(const std::string bytes, read_file(path));
  auto checked = check_obj(bytes);
  if (!checked) return fail_with(checked.error(), "{}", path);

  Mesh mesh;
  mesh.wishes = checked->wishes;
  tinyobj::attrib_t attributes;
  std::vector<tinyobj::shape_t> shapes;
  std::vector<tinyobj::material_t> materials;
  std::string warning;
  std::string error;
  std::istringstream stream(std::move(checked->text));
  MaterialReader reader(std::filesystem::path(path).parent_path(), mesh.warnings);
  if (!tinyobj::LoadObj(&attributes, &shapes, &materials, &warning, &error, &stream, &reader, true,
                        false))
    return fail(ErrorCode::kInvalid, "{}: {}", path, error);

  mesh.vertices = points_of(attributes.vertices);
  mesh.normals = points_of(attributes.normals);
  mesh.materials.push_back(default_material());
  for (const auto& material : materials) mesh.materials.push_back(convert(material));
  for (const auto& shape : shapes) {
    const auto& indices = shape.mesh.indices;
    for (std::size_t face = 0; 3 * face + 2 < indices.size(); ++face) {
      MeshTriangle triangle;
      for (std::size_t k = 0; k < 3; ++k) {
        const tinyobj::index_t index = indices[3 * face + k];
        if (index.vertex_index < 0 ||
            static_cast<std::size_t>(index.vertex_index) >= mesh.vertices.size())
          return fail(ErrorCode::kInvalid, "{}: a face names a vertex that is not there", path);
        triangle.vertices[k] = static_cast<std::uint32_t>(index.vertex_index);
        const bool known = index.normal_index >= 0 &&
                           static_cast<std::size_t>(index.normal_index) < mesh.normals.size();
        triangle.normals[k] = known ? index.normal_index : -1;
      }
      const int material =
          face < shape.mesh.material_ids.size() ? shape.mesh.material_ids[face] : -1;
      if (material >= 0 && static_cast<std::size_t>(material) < materials.size())
        triangle.material = static_cast<std::uint32_t>(material) + 1;
      mesh.triangles.push_back(triangle);
    }
  }
  if (mesh.triangles.empty()) return fail(ErrorCode::kInvalid, "{}: no triangles", path);
  return mesh;
}

}  // namespace

Result<Mesh> read_obj(const std::string& path) {
  try {
    return load(path);
  } catch (const std::exception& error) {  // memory, or tinyobjloader's own
    return fail(ErrorCode::kFailed, "cannot read {}: {}", path, error.what());
  }
}

}  // namespace fallow::pathtrace
