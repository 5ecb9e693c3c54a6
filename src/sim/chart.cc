#include "sim/chart.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/check.h"
#include "base/file.h"

namespace fallow::sim {
namespace {

// Within gnuplot's single quotes, which know one escape: '' is a quote. A line end would end it.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out + "'";
}

Status run_gnuplot(const std::string& program) {
  std::string name = "gnuplot";
  std::string path = program;
  char* arguments[] = {name.data(), path.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, name.c_str(), nullptr, nullptr, arguments, environ);
  if (error == ENOENT) {
    return fail(ErrorCode::kNotFound,
                "charts need gnuplot, which is not installed: apt-get install gnuplot-nox");
  }
  if (error != 0) {
    return fail(ErrorCode::kFailed, "cannot start gnuplot: {}",
                std::generic_category().message(error));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return fail(ErrorCode::kFailed, "cannot wait for gnuplot: {}",
                  std::generic_category().message(errno));
    }
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorCode::kFailed, "gnuplot could not draw {}; its own words are above", program);
}

}  // namespace

std::string gnuplot_program(const Chart& chart, const std::string& path) {
  FALLOW_CHECK(!chart.lines.empty() && chart.lines.size() <= kChartLinesMax, "{} lines",
               chart.lines.size());
  std::string program = fmt::format(
      "set terminal svg size 960,600 background '#ffffff' noenhanced font 'sans-serif,14'\n"
      "set output {}\nset title {}\nset xlabel {}\nset ylabel {}\nset key outside right\nset "
      "grid\n",
      quoted(path), quoted(chart.title), quoted(chart.x_label), quoted(chart.y_label));
  std::string plot;
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    FALLOW_CHECK(!chart.lines[i].points.empty(), "line {} has no point", chart.lines[i].name);
    program += fmt::format("$line{} << END\n", i);
    for (const auto& [x, y] : chart.lines[i].points) program += fmt::format("{} {}\n", x, y);
    program += "END\n";
    plot += fmt::format("{} $line{} using 1:2 with linespoints linewidth 2 title {}",
                        i == 0 ? "plot" : ",", i, quoted(chart.lines[i].name));
  }
  return program + plot + "\n";
}

Status write_svg(const Chart& chart, const std::string& folder, const std::string& name) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(ErrorCode::kFailed, "cannot make the folder {}: {}", folder, error.message());
  }
  const std::string stem = (std::filesystem::path(folder) / name).string();
  const std::string program = stem + ".gnuplot";
  FALLOW_TRY(replace_file(program, gnuplot_program(chart, stem + ".svg"), 0644));
  return run_gnuplot(program);
}

}  // namespace fallow::sim
