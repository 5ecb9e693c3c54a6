#include "cli/job_matrix.h"

#include <fmt/format.h>

namespace fallow::cli {
namespace {

std::string quoted_for_shell(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

bool is_matrix_name(std::string_view name) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return !name.empty() && name.find_first_not_of(kLetters) == name.npos &&
         (name[0] < '0' || name[0] > '9') && !name.starts_with("FALLOW_");
}

std::string script_of(const JobMatrix& matrix) {
  std::string script;
  std::size_t step = matrix.combinations;
  for (const auto& [name, values] : matrix.names) {
    step /= values.size();
    script += fmt::format("case $((FALLOW_TASK / ${{FALLOW_NODES:-1}} / {} % {})) in\n", step,
                          values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      script += fmt::format("{}) export {}={};;\n", i, name, quoted_for_shell(values[i]));
    }
    script += "esac\n";
  }
  return script;
}

}  // namespace fallow::cli
