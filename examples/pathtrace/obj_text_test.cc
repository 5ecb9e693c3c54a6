#include "pathtrace/obj_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fallow::pathtrace {
namespace {

using ::testing::HasSubstr;

constexpr const char* kTriangle = "v 0 0 0\nv 1 0 0\nv 0 1 0\n";

std::string obj_error(const std::string& obj) {
  const auto checked = check_obj(obj);
  return checked ? "no error" : checked.error().message;
}

TEST(ObjText, KeepsOnlyWhatIsRendered) {
  const auto checked =
      check_obj(std::string(kTriangle) + "# words\nvp 1 2\ns 1\nl 1 2\nvt 0 0\nf 1 2 3 # tail\r\n");
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(checked->vertex_count, 3U);
  EXPECT_EQ(checked->triangle_count, 1U);
  EXPECT_EQ(checked->text, std::string(kTriangle) + "vt 0 0\nf 1 2 3 \n");
}

TEST(ObjText, DropsColoursAfterTheCoordinates) {
  const auto checked = check_obj("v 0 0 0 1 0 0\nv 1e0 +0 0.0\nv 0 1 0 1\nf -3 -2 -1");
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_THAT(checked->text, HasSubstr("v 0 0 0\nv 1e0 +0 0.0\nv 0 1 0\n"));
}

TEST(ObjText, RefusesNumbersThatAreNone) {
  EXPECT_THAT(obj_error("v 0 0 0\nv nan 0 0\n"), HasSubstr("line 2"));
  EXPECT_THAT(obj_error("v inf 0 0\n"), HasSubstr("line 1"));
  EXPECT_THAT(obj_error("v 1e999 0 0\n"), HasSubstr("beyond"));
  EXPECT_THAT(obj_error("v -2e9 0 0\n"), HasSubstr("beyond"));
  EXPECT_THAT(obj_error("v 1 2\n"), HasSubstr("three numbers"));
  EXPECT_THAT(obj_error("v 1 2 3x\n"), HasSubstr("not a number"));
  EXPECT_THAT(obj_error("v 1 2 +\n"), HasSubstr("not a number"));
  EXPECT_THAT(obj_error("vn 0 nan 0\n"), HasSubstr("line 1"));
}

TEST(ObjText, RefusesIndicesThatNameNothing) {
  const std::string head = kTriangle;
  EXPECT_THAT(obj_error(head + "f 1 2 4\n"), HasSubstr("line 4: a face names vertex 4"));
  EXPECT_THAT(obj_error(head + "f 0 1 2\n"), HasSubstr("not an index"));
  EXPECT_THAT(obj_error(head + "f 1 2 99999999999999999999\n"), HasSubstr("not an index"));
  EXPECT_THAT(obj_error(head + "f 1 2 -4\n"), HasSubstr("before the first"));
  EXPECT_THAT(obj_error(head + "f -2147483648 1 2\n"), HasSubstr("before the first"));
  EXPECT_THAT(obj_error(head + "f 1//99999999999 2 3\n"), HasSubstr("not an index"));
  EXPECT_THAT(obj_error(head + "f 1/2/3/4 2 3\n"), HasSubstr("at most"));
  EXPECT_THAT(obj_error(head + "f 1 2\n"), HasSubstr("3 are the least"));
  EXPECT_THAT(obj_error(head + "f a b c\n"), HasSubstr("not an index"));
}

TEST(ObjText, AFaceMayNameAVertexThatFollows) {
  EXPECT_TRUE(check_obj(std::string("f 1 2 3\n") + kTriangle));
}

TEST(ObjText, RefusesAFaceOfTooManyCorners) {
  std::string face = "f";
  for (std::size_t i = 0; i <= kCornersMax; ++i) face += " 1";
  EXPECT_THAT(obj_error(kTriangle + face), HasSubstr("are the most"));
}

TEST(ObjText, RefusesWhatIsNoObj) {
  EXPECT_THAT(obj_error(""), HasSubstr("no faces"));
  EXPECT_THAT(obj_error(kTriangle), HasSubstr("no faces"));
  EXPECT_THAT(obj_error(std::string(100, '\0') + "\n\xff\xfe"), HasSubstr("no faces"));
}

TEST(ObjText, ReadsWishes) {
  const auto checked = check_obj(std::string(kTriangle) +
                                 "f 1 2 3\n#fallow camera 0 1 2 3 4 5\n#fallow lens 35\n"
                                 "#fallow aperture 0.5\n#fallow sun 0 1 0\n#fallow sky off\n"
                                 "#fallow ground on\n");
  ASSERT_TRUE(checked) << checked.error().message;
  ASSERT_TRUE(checked->wishes.camera);
  EXPECT_EQ(checked->wishes.camera->target, (Point{3, 4, 5}));
  EXPECT_EQ(checked->wishes.lens_mm, 35);
  EXPECT_EQ(checked->wishes.aperture, 0.5);
  EXPECT_EQ(checked->wishes.sky, false);
  EXPECT_EQ(checked->wishes.ground, true);
}

TEST(ObjText, RefusesWishesThatItDoesNotUnderstand) {
  EXPECT_THAT(obj_error("#fallow moon on\n"), HasSubstr("'#fallow moon' is unknown"));
  EXPECT_THAT(obj_error("#fallow sky perhaps\n"), HasSubstr("'on' or 'off'"));
  EXPECT_THAT(obj_error("#fallow lens 0\n"), HasSubstr("4 to 2000"));
  EXPECT_THAT(obj_error("#fallow camera 1 1 1 1 1 1\n"), HasSubstr("itself"));
  EXPECT_THAT(obj_error("#fallow sky on off\n"), HasSubstr("left over"));
}

}  // namespace
}  // namespace fallow::pathtrace
