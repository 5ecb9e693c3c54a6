#include "pathtrace/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pathtrace/opencl.h"
#include "pathtrace/picture.h"
#include "pathtrace/test_scenes.h"

namespace fallow::pathtrace {
namespace {

using ::testing::HasSubstr;

constexpr Frame kSmall{.width = 48, .height = 27, .samples = 6, .seed = 7};

Scene room(const Frame& frame) {
  const Folder folder;
  folder.write("room.mtl", kRoomMtl);
  auto scene = read_scene(folder.write("room.obj", room_obj()), frame);
  EXPECT_TRUE(scene) << scene.error().message;
  return std::move(*scene);
}

Scene field(const Frame& frame) {
  auto scene = read_scene(FALLOW_SCENES "/field.obj", frame);
  EXPECT_TRUE(scene) << scene.error().message;
  return std::move(*scene);
}

std::vector<Tile> render_all(Tracer& tracer, const Scene& scene, const Frame& frame,
                             std::uint32_t tasks) {
  std::vector<Tile> tiles;
  for (std::uint32_t task = 0; task < tasks; ++task) {
    auto tile = render_tile(tracer, scene, frame, task, tasks, [](auto, auto) {});
    EXPECT_TRUE(tile) << tile.error().message;
    tiles.push_back(std::move(*tile));
  }
  return tiles;
}

std::vector<float> joined(const std::vector<Tile>& tiles) {
  std::vector<float> sums;
  for (const Tile& tile : tiles) sums.insert(sums.end(), tile.sums.begin(), tile.sums.end());
  return sums;
}

TEST(Render, OneTaskOrTwelveGiveTheSamePicture) {
  const Scene scene = room(kSmall);
  const auto tracer = host_tracer(scene);
  const auto whole = render_all(*tracer, scene, kSmall, 1);
  EXPECT_EQ(joined(whole), joined(render_all(*tracer, scene, kSmall, 12)));
  EXPECT_EQ(joined(whole), joined(render_all(*tracer, scene, kSmall, kSmall.height)));
  double light = 0;
  for (const float sum : whole[0].sums) {
    ASSERT_TRUE(std::isfinite(sum) && sum >= 0);
    light += static_cast<double>(sum);
  }
  EXPECT_GT(light / static_cast<double>(whole[0].sums.size()) / kSmall.samples, 0.05);
}

TEST(Render, SamplesInOneLaunchOrMany) {
  const Scene scene = room(kSmall);
  const auto tracer = host_tracer(scene);
  ASSERT_TRUE(tracer->begin(600, 40));
  ASSERT_TRUE(tracer->run({600, 40, 0, 6}));
  const auto once = tracer->sums();
  ASSERT_TRUE(tracer->begin(590, 60));
  ASSERT_TRUE(tracer->run({600, 17, 0, 5}));
  ASSERT_TRUE(tracer->run({600, 40, 0, 0}));
  ASSERT_TRUE(tracer->run({600, 17, 5, 1}));
  ASSERT_TRUE(tracer->run({617, 23, 0, 6}));
  const auto parts = tracer->sums();
  ASSERT_TRUE(once && parts);
  EXPECT_EQ(*once, std::vector<float>(parts->begin() + 30, parts->begin() + 150));
}

TEST(Render, SeedAndFrameChangeTheNoise) {
  Frame other = kSmall;
  other.seed = 8;
  Frame later = kSmall;
  later.frame = 1;
  const Scene a = room(kSmall);
  const Scene b = room(other);
  const Scene c = room(later);
  EXPECT_NE(a.digest(), b.digest());
  EXPECT_NE(a.digest(), c.digest());
  const auto sums = joined(render_all(*host_tracer(a), a, kSmall, 1));
  EXPECT_NE(sums, joined(render_all(*host_tracer(b), b, other, 1)));
  EXPECT_NE(sums, joined(render_all(*host_tracer(c), c, later, 1)));
}

TEST(Render, RefusesTasksThatAreNone) {
  const Scene scene = room(kSmall);
  const auto tracer = host_tracer(scene);
  const auto error = [&](std::uint32_t task, std::uint32_t tasks) {
    const auto tile = render_tile(*tracer, scene, kSmall, task, tasks, [](auto, auto) {});
    return tile ? std::string("no error") : tile.error().message;
  };
  EXPECT_THAT(error(3, 3), HasSubstr("task 3 of 3"));
  EXPECT_THAT(error(0, 0), HasSubstr("0 tasks"));
  EXPECT_THAT(error(0, 28), HasSubstr("28 tasks"));
}

// The proof of "the same bits everywhere": another compiler, another instruction set, another
// rounding of nothing. Wherever a device is, each scene and each pixel must agree.
class OnDevice : public testing::Test {
 protected:
  static void SetUpTestSuite() { opencl::prepare_pocl(); }
  void SetUp() override {
    if (opencl::all_devices().empty()) GTEST_SKIP() << "this machine has no OpenCL device";
  }
  static void expect_same(const Scene& scene, const Frame& frame) {
    const auto device = opencl_tracer("auto", scene);
    ASSERT_TRUE(device) << device.error().message;
    const auto host = host_tracer(scene);
    const auto tiles = render_all(**device, scene, frame, 5);
    const auto expected = render_all(*host, scene, frame, 5);
    for (std::size_t i = 0; i < tiles.size(); ++i)
      EXPECT_EQ(encode_tile(tiles[i]), encode_tile(expected[i])) << (*device)->name() << ' ' << i;
    EXPECT_TRUE(check_tracer(**device, *host, frame, 2, 5));
  }
};

TEST_F(OnDevice, TheRoomIsTheSameAsOnTheHost) { expect_same(room(kSmall), kSmall); }

TEST_F(OnDevice, TheFieldIsTheSameAsOnTheHost) { expect_same(field(kSmall), kSmall); }

TEST_F(OnDevice, UnknownDevicesAreRefused) {
  const Scene scene = room(kSmall);
  for (const char* wanted : {"99", "no such device", "-1"}) {
    const auto tracer = opencl_tracer(wanted, scene);
    ASSERT_FALSE(tracer);
    EXPECT_EQ(tracer.error().code, ErrorCode::kNotFound);
  }
}

// A device that is off by one bit in one sum is caught before it writes a tile.
class Faulty : public Tracer {
 public:
  explicit Faulty(const Scene& scene) : inner_(host_tracer(scene)) {}
  std::string name() const override { return "faulty"; }
  Status begin(std::uint32_t first, std::uint32_t count) override {
    return inner_->begin(first, count);
  }
  Status run(const Launch& launch) override { return inner_->run(launch); }
  Result<std::vector<float>> sums() override {
    FALLOW_ASSIGN(auto sums, inner_->sums());
    sums[20] = std::nextafter(sums[20], 1e9F);
    return sums;
  }

 private:
  std::unique_ptr<Tracer> inner_;
};

TEST(Render, ADeviceThatRoundsOtherwiseIsRefused) {
  const Scene scene = room(kSmall);
  Faulty faulty(scene);
  const auto host = host_tracer(scene);
  EXPECT_TRUE(check_tracer(*host, *host_tracer(scene), kSmall, 0, 1));
  const auto status = check_tracer(faulty, *host, kSmall, 0, 1);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("faulty"));
}

}  // namespace
}  // namespace fallow::pathtrace
