#include "cli/sim_chart.h"

#include <fmt/core.h>

#include "cli/command.h"

namespace fallow::cli {

int draw_chart(const Context& context, const sim::Chart& chart, const std::string& folder,
               const std::string& name) {
  if (folder.empty()) return kDone;
  const Status drawn = sim::write_svg(chart, folder, name);
  if (!drawn) return report(context, drawn.error());
  if (!context.json) fmt::print("chart  {}/{}.svg\n", folder, name);
  return kDone;
}

}  // namespace fallow::cli
