// Line charts as SVG files, drawn by gnuplot: what every laboratory's --plot writes.
//
// gnuplot (Debian: gnuplot-nox) runs as a child process. It is needed for charts only; where it is
// missing, write_svg says so and everything else works.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fallow::sim {

struct ChartLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x, y; finite
};

struct Chart {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<ChartLine> lines;  // at most kChartLinesMax, with a point each at least
};
constexpr std::size_t kChartLinesMax = 64;

// Writes folder/name.svg, and beside it name.gnuplot with the data and how it is drawn. Makes the
// folder. kNotFound without gnuplot; kFailed when it, or the disk, refuses.
Status write_svg(const Chart& chart, const std::string& folder, const std::string& name);

// The gnuplot program that draws the chart into the file at `path`.
std::string gnuplot_program(const Chart& chart, const std::string& path);

}  // namespace fallow::sim
