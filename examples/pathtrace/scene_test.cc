#include "pathtrace/scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pathtrace/test_scenes.h"

namespace fallow::pathtrace {
namespace {

using ::testing::HasSubstr;

constexpr const char* kFlat = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n";

std::string scene_error(const std::string& path, const Frame& frame = {}) {
  const auto scene = read_scene(path, frame);
  return scene ? "no error" : scene.error().message;
}

TEST(Scene, NamesTheFileThatIsMissing) {
  const Folder folder;
  EXPECT_THAT(scene_error(folder.at("none.obj")), HasSubstr("there is no file"));
  EXPECT_THAT(scene_error(folder.at("")), HasSubstr("is a folder"));
}

TEST(Scene, RefusesModelsWithoutExtent) {
  const Folder folder;
  EXPECT_THAT(scene_error(folder.write("a.obj", "v 1 1 1\nf 1 1 1\n")), HasSubstr("one point"));
  EXPECT_THAT(scene_error(folder.write("b.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")),
              HasSubstr("area"));
}

TEST(Scene, RefusesFramesBeyondTheMaxima) {
  const Folder folder;
  const std::string path = folder.write("flat.obj", kFlat);
  EXPECT_THAT(scene_error(path, {.width = 0}), HasSubstr("1 to 16384"));
  EXPECT_THAT(scene_error(path, {.height = 16'385}), HasSubstr("1 to 16384"));
  EXPECT_THAT(scene_error(path, {.samples = 0}), HasSubstr("0 samples"));
}

TEST(Scene, AMissingMaterialFileIsAWarning) {
  const Folder folder;
  const auto scene = read_scene(
      folder.write("flat.obj", std::string("mtllib none.mtl\nusemtl red\n") + kFlat), {});
  ASSERT_TRUE(scene) << scene.error().message;
  ASSERT_EQ(scene->warnings.size(), 1U);
  EXPECT_THAT(scene->warnings[0], HasSubstr("none.mtl"));
}

TEST(Scene, SizeAndPlaceOfTheModelDoNotMatter) {
  const Folder folder;
  const auto near = read_scene(folder.write("a.obj", "v 0 0 0\nv 2 0 0\nv 0 2 0\nf 1 2 3\n"), {});
  const auto far = read_scene(
      folder.write("b.obj", "v 4096 4096 0\nv 8192 4096 0\nv 4096 8192 0\nf 1 2 3\n"), {});
  ASSERT_TRUE(near && far);
  EXPECT_EQ(near->digest(), far->digest());
}

TEST(Scene, MaterialsBecomeWhatTheyLookLike) {
  const Folder folder;
  folder.write("room.mtl", kRoomMtl);
  const auto scene = read_scene(folder.write("room.obj", room_obj()), {});
  ASSERT_TRUE(scene) << scene.error().message;
  EXPECT_TRUE(scene->warnings.empty());
  ASSERT_GE(scene->materials.size(), 7U);  // the first is the default
  EXPECT_EQ(scene->materials[1].kind, PT_SURFACE);
  EXPECT_EQ(scene->materials[3].kind, PT_METAL);
  EXPECT_LT(scene->materials[3].alpha, 0.03F);
  EXPECT_GT(scene->materials[4].alpha, 0.1F);
  EXPECT_EQ(scene->materials[5].kind, PT_GLASS);
  EXPECT_FLOAT_EQ(scene->materials[6].specular[0], 0.04F);
  EXPECT_EQ(scene->view.light_count, 2U);
  EXPECT_EQ(scene->view.sky, 0U) << "a model with a lamp of its own needs no sky";
}

TEST(Scene, HostileMaterialsStayFinite) {
  const Folder folder;
  folder.write(
      "m.mtl",
      "newmtl m\nKd 1e39 -5 nan\nKs inf 1e308 2\nKe -1 nan 1e300\nNs -1e300\nNi -7\nPr 1e99\n");
  const auto scene =
      read_scene(folder.write("m.obj", std::string("mtllib m.mtl\nusemtl m\n") + kFlat), {});
  ASSERT_TRUE(scene) << scene.error().message;
  for (const PtMaterial& m : scene->materials) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(m.diffuse[i] >= 0 && m.diffuse[i] <= 1);
      EXPECT_TRUE(m.specular[i] >= 0 && m.specular[i] <= 1);
      EXPECT_TRUE(m.emission[i] >= 0 && m.emission[i] <= 1e4F);
    }
    EXPECT_TRUE(m.alpha >= 0 && m.alpha <= 1);
    EXPECT_TRUE(m.ior > 1 && m.ior <= 4);
  }
}

// Ten thousand triangles in one place: no split helps, and the tree must stay within its depth.
TEST(Scene, ManyTrianglesInOnePlace) {
  const Folder folder;
  std::string obj = "v 0 0 0\nv 1 0 0\nv 0 1 0\n";
  for (int i = 0; i < 10'000; ++i) obj += "f 1 2 3\n";
  const auto scene = read_scene(folder.write("pile.obj", obj), {});
  ASSERT_TRUE(scene) << scene.error().message;
  std::size_t in_leaves = 0;
  for (const PtNode& node : scene->nodes) in_leaves += node.count;
  EXPECT_EQ(in_leaves, scene->triangles.size());
}

}  // namespace
}  // namespace fallow::pathtrace
