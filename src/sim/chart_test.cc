#include "sim/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace fallow::sim {
namespace {

using testing::HasSubstr;

Chart small_chart() {
  Chart chart;
  chart.title = "it's a title\nof two lines";
  chart.x_label = "x";
  chart.y_label = "y";
  chart.lines = {ChartLine{"first", {{0, 1}, {10, 2.5}}}, ChartLine{"second", {{0, 3}}}};
  return chart;
}

TEST(Chart, TheProgramHoldsTheDataAndQuotesText) {
  const std::string program = gnuplot_program(small_chart(), "a folder/it's.svg");
  EXPECT_THAT(program, HasSubstr("set output 'a folder/it''s.svg'\n"));
  EXPECT_THAT(program, HasSubstr("set title 'it''s a title of two lines'\n"));
  EXPECT_THAT(program, HasSubstr("$line0 << END\n0 1\n10 2.5\nEND\n"));
  EXPECT_THAT(program, HasSubstr("$line1 using 1:2"));
}

// With gnuplot an SVG is there afterwards; without, the sentence says what to install.
TEST(Chart, IsDrawnOrSaysWhatIsMissing) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "fallow_chart_test" / "charts";
  const Status drawn = write_svg(small_chart(), folder.string(), "small");
  EXPECT_TRUE(std::filesystem::exists(folder / "small.gnuplot"));
  if (drawn) {
    const auto svg = read_file((folder / "small.svg").string(), 1 << 20);
    ASSERT_TRUE(svg);
    EXPECT_THAT(*svg, HasSubstr("<svg"));
    EXPECT_THAT(*svg, HasSubstr("second"));
  } else {
    EXPECT_EQ(drawn.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(drawn.error().message, HasSubstr("apt-get install gnuplot-nox"));
  }
  std::filesystem::remove_all(folder.parent_path());
}

TEST(Chart, AFolderThatCannotBeMadeIsNamed) {
  const Status drawn = write_svg(small_chart(), "/dev/null/charts", "small");
  ASSERT_FALSE(drawn);
  EXPECT_THAT(drawn.error().message, HasSubstr("/dev/null/charts"));
}

}  // namespace
}  // namespace fallow::sim
