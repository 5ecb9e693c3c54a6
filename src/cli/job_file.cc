#include "cli/job_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>

#include "base/file.h"
#include "base/number.h"
#include "cli/job_fields.h"
#include "cli/job_matrix.h"
#include "cli/local_ports.h"

namespace fallow::cli {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

template <class... Args>
tl::unexpected<Error> wrong(const YAML::Mark& mark, fmt::format_string<Args...> format,
                            Args&&... args) {
  // Of an empty file there is no mark.
  return fail(ErrorCode::kInvalid, "{}:{}: {}", std::max(mark.line, 0) + 1,
              std::max(mark.column, 0) + 1, fmt::format(format, std::forward<Args>(args)...));
}

std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

// "; did you mean 'gpus'?" or the words that are known.
std::string advice(std::string_view word, const std::vector<std::string>& known) {
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
        return edits_between(word, a) < edits_between(word, b);
      });
  if (edits_between(word, *nearest) <= 2) return fmt::format("did you mean '{}'?", *nearest);
  return fmt::format("known are {}", fmt::join(known, ", "));
}

std::vector<std::string> names_of(std::string_view section) {
  std::vector<std::string> names;
  for (const JobField& field : job_fields()) {
    if (field.section == section) names.emplace_back(field.name);
  }
  if (section.empty()) names.emplace_back("resources");
  return names;
}

// Of nothing would be no limit.
bool is_money(std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto digits = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of("0123456789") == part.npos;
  };
  return text.find_first_of("123456789") != text.npos && digits(text.substr(0, dot)) &&
         (dot == text.npos || (digits(text.substr(dot + 1)) && text.size() - dot <= 7));
}

// A scalar's text; never a number that went through floating point.
Result<std::string> scalar(const YAML::Node& node, const JobField& field) {
  if (!node.IsScalar()) return wrong(node.Mark(), "'{}' is one value: {}", field.name, field.what);
  return node.Scalar();
}

Result<double> number(const YAML::Node& node, const JobField& field) {
  FALLOW_ASSIGN(const std::string text, scalar(node, field));
  const auto value = parse_number<double>(text);
  if (!value || *value <= 0) {
    return wrong(node.Mark(), "'{}' is a number above 0, not '{}'", field.name, text);
  }
  return *value;
}

Result<std::uint32_t> count(const YAML::Node& node, const JobField& field) {
  FALLOW_ASSIGN(const std::string text, scalar(node, field));
  const auto value = parse_number<std::uint32_t>(text);
  if (!value || *value == 0 || *value > kJobCountMax) {
    return wrong(node.Mark(), "'{}' is a whole number from 1 to {}, not '{}'", field.name,
                 kJobCountMax, text);
  }
  return *value;
}

Result<bool> flag(const YAML::Node& node, const JobField& field) {
  FALLOW_ASSIGN(const std::string text, scalar(node, field));
  if (text == "true") return true;
  if (text == "false") return false;
  return wrong(node.Mark(), "'{}' is true or false, not '{}'", field.name, text);
}

Result<std::string> text_of(const YAML::Node& node, const JobField& field) {
  FALLOW_ASSIGN(std::string text, scalar(node, field));
  if (field.kind == JobFieldKind::kMoney && !is_money(text)) {
    return wrong(node.Mark(),
                 "'{}' is an amount above 0 like 0.40, with at most 6 decimals, not '{}'",
                 field.name, text);
  }
  if (field.kind == JobFieldKind::kWord &&
      std::find(field.words.begin(), field.words.end(), text) == field.words.end()) {
    return wrong(node.Mark(), "'{}' cannot be '{}'; {}", field.name, text,
                 advice(text, field.words));
  }
  return text;
}

Result<std::vector<std::string>> words_of(const YAML::Node& node, const JobField& field) {
  if (node.IsScalar()) return std::vector<std::string>{"sh", "-c", node.Scalar()};
  std::vector<std::string> words;
  if (node.IsSequence()) {
    for (const YAML::Node& each : node) {
      FALLOW_ASSIGN(words.emplace_back(), scalar(each, field));
    }
  }
  if (words.empty()) return wrong(node.Mark(), "'{}': {}", field.name, field.what);
  return words;
}

Result<std::vector<std::string>> names_in(const YAML::Node& node, const JobField& field) {
  if (!node.IsMap()) return wrong(node.Mark(), "'{}' is a list of NAME: value", field.name);
  std::vector<std::string> settings;
  for (const auto& entry : node) {
    const YAML::Node& name = entry.first;
    const YAML::Node& value = entry.second;
    if (!value.IsScalar()) {
      return wrong(value.Mark(), "the value of {} is one text", name.Scalar());
    }
    if (name.Scalar().empty() || name.Scalar().find('=') != std::string::npos) {
      return wrong(name.Mark(), "'{}' is no name of an environment variable", name.Scalar());
    }
    settings.push_back(name.Scalar() + "=" + value.Scalar());
  }
  return settings;
}

// What stands there instead of a source may be the secret itself: it is not repeated.
Status check_source(const YAML::Node& value, std::string_view name) {
  if (value.IsScalar() && is_secret_source(value.Scalar())) return {};
  return wrong(value.Mark(),
               "{} is env:VARIABLE or file:PATH: where it is read from, never the value itself",
               name);
}

Result<std::vector<std::string>> sources_in(const YAML::Node& node, const JobField& field) {
  FALLOW_ASSIGN(auto settings, names_in(node, field));
  for (const auto& entry : node) FALLOW_TRY(check_source(entry.second, entry.first.Scalar()));
  return settings;
}

bool is_relative_path(std::string_view path) {
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

Result<std::vector<JobInput>> places_in(const YAML::Node& node, const JobField& field) {
  if (!node.IsMap() || node.size() == 0) {
    return wrong(node.Mark(), "'{}' is a list of PATH: folder or file", field.name);
  }
  std::vector<JobInput> inputs;
  for (const auto& entry : node) {
    const YAML::Node& place = entry.first;
    const YAML::Node& source = entry.second;
    if (!place.IsScalar() || !is_relative_path(place.Scalar())) {
      return wrong(place.Mark(), "'{}' is no path inside the working folder", place.Scalar());
    }
    if (!source.IsScalar() || source.Scalar().empty()) {
      return wrong(source.Mark(), "what {} is made of is one folder or file", place.Scalar());
    }
    inputs.push_back({place.Scalar(), source.Scalar()});
  }
  return inputs;
}

Result<std::vector<std::string>> ports_in(const YAML::Node& node, const JobField& field) {
  if (!node.IsSequence() || node.size() == 0) {
    return wrong(node.Mark(), "'{}' is a list of ports, such as [8888, 6006:9000]", field.name);
  }
  std::vector<std::string> ports;
  for (const YAML::Node& each : node) {
    FALLOW_ASSIGN(ports.emplace_back(), scalar(each, field));
    if (const std::string why = ports_complaint(ports.back()); !why.empty()) {
      return wrong(each.Mark(), "{}", why);
    }
  }
  return ports;
}

Result<JobMatrix> matrix_in(const YAML::Node& node, const JobField& field) {
  if (!node.IsMap() || node.size() == 0) {
    return wrong(node.Mark(), "'{}' is a list of NAME: [values]", field.name);
  }
  JobMatrix matrix;
  for (const auto& entry : node) {
    const YAML::Node& name = entry.first;
    const YAML::Node& values = entry.second;
    if (!name.IsScalar() || !is_matrix_name(name.Scalar())) {
      return wrong(name.Mark(), "'{}' is no name of a variable of the shell, or the market's own",
                   name.Scalar());
    }
    if (!values.IsSequence() || values.size() == 0) {
      return wrong(values.Mark(), "the values of {} are a list, such as [1, 2]", name.Scalar());
    }
    auto& [variable, texts] = matrix.names.emplace_back();
    variable = name.Scalar();
    for (const YAML::Node& each : values) {
      if (!each.IsScalar()) return wrong(each.Mark(), "a value of {} is one text", variable);
      texts.push_back(each.Scalar());
    }
    if (texts.size() > kJobCountMax / matrix.combinations) {
      return wrong(name.Mark(), "'{}' has more than {} combinations", field.name, kJobCountMax);
    }
    matrix.combinations *= static_cast<std::uint32_t>(texts.size());
  }
  return matrix;
}

// What the file said, by the name of the field, with its kind's value taken.
struct Reader {
  Job& job;
  std::string setup;
  std::optional<YAML::Mark> setup_mark;
  bool shell = false;
  JobMatrix matrix;
  std::optional<YAML::Mark> matrix_mark;
  std::optional<YAML::Node> any_of;
  bool is_alternative = false;

  Status read(const JobField& field, const YAML::Node& node) {
    const std::string_view name = field.name;
    RequirementOptions& needs = job.requirements;
    switch (field.kind) {
      case JobFieldKind::kCount: {
        FALLOW_ASSIGN((name == "tasks"                ? needs.tasks
                       : name == "gpus"               ? needs.gpus
                       : name == "nodes"              ? needs.nodes
                       : name == "checkpoint_seconds" ? job.checkpoint_seconds
                                                      : job.attempts_max),
                      count(node, field));
        return {};
      }
      case JobFieldKind::kNumber: {
        FALLOW_ASSIGN((name == "share"             ? needs.device_share
                       : name == "deadline_hours"  ? job.deadline_hours
                       : name == "restart_minutes" ? job.restart_minutes
                       : name == "hours"           ? needs.hours
                       : name == "memory_gb"       ? needs.memory_gb
                       : name == "cpus"            ? needs.cpu_cores
                       : name == "egress_gb"       ? needs.egress_gb
                                                   : needs.disk_gb),
                      number(node, field));
        if (needs.device_share > 1) return wrong(node.Mark(), "'share' is at most 1");
        return {};
      }
      case JobFieldKind::kFlag: {
        FALLOW_ASSIGN(const bool value, flag(node, field));
        (name == "restart" ? job.no_restart : job.no_wait) = !value;
        return {};
      }
      case JobFieldKind::kWords: {
        FALLOW_ASSIGN(job.command, words_of(node, field));
        shell = node.IsScalar();
        return {};
      }
      case JobFieldKind::kNames: {
        FALLOW_ASSIGN(job.environment, names_in(node, field));
        return {};
      }
      case JobFieldKind::kSources: {
        FALLOW_ASSIGN(job.secrets.secrets, sources_in(node, field));
        return {};
      }
      case JobFieldKind::kPlaces: {
        FALLOW_ASSIGN(job.inputs, places_in(node, field));
        return {};
      }
      case JobFieldKind::kPorts: {
        FALLOW_ASSIGN(job.ports, ports_in(node, field));
        return {};
      }
      case JobFieldKind::kMatrix: {
        FALLOW_ASSIGN(matrix, matrix_in(node, field));
        matrix_mark = node.Mark();
        return {};
      }
      case JobFieldKind::kAlternatives: {
        if (is_alternative) return wrong(node.Mark(), "an alternative has no alternatives itself");
        if (!node.IsSequence() || node.size() == 0) {
          return wrong(node.Mark(), "'{}' is a list of alternatives, such as [{{gpus: 2}}, ...]",
                       field.name);
        }
        any_of = node;
        return {};
      }
      case JobFieldKind::kSource:
        FALLOW_TRY(check_source(node, field.name));
        break;
      case JobFieldKind::kText:
      case JobFieldKind::kMoney:
      case JobFieldKind::kWord:
        break;
    }
    FALLOW_ASSIGN(std::string text, text_of(node, field));
    if (name == "setup") setup_mark = node.Mark();
    if (name == "query") {
      needs.query = {std::move(text)};
      return {};
    }
    (name == "name"             ? job.name
     : name == "setup"          ? setup
     : name == "input"          ? job.input
     : name == "output"         ? job.output
     : name == "image"          ? job.image
     : name == "image_user"     ? job.secrets.image_user
     : name == "image_password" ? job.secrets.image_password
     : name == "budget"         ? job.budget
     : name == "project"        ? job.project
     : name == "max_price"      ? needs.max_price
     : name == "tier"           ? needs.tier
     : name == "objective"      ? needs.objective
     : name == "workload"       ? needs.workload
     : name == "near"           ? needs.near
     : name == "network"        ? needs.network
                                : needs.isolation) = std::move(text);
    return {};
  }

  Status read_section(const YAML::Node& map, std::string_view section) {
    if (!map.IsMap()) {
      return wrong(map.Mark(), "{} names fields and their values; known are {}",
                   section.empty() ? "a job file" : "'resources'",
                   fmt::join(names_of(section), ", "));
    }
    std::vector<std::string> seen;
    for (const auto& entry : map) {
      const YAML::Node& key = entry.first;
      const YAML::Node& value = entry.second;
      if (!key.IsScalar()) return wrong(key.Mark(), "a field's name is a word");
      const std::string& name = key.Scalar();
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
        return wrong(key.Mark(), "'{}' stands here twice", name);
      }
      seen.push_back(name);
      if (section.empty() && name == "resources") {
        FALLOW_TRY(read_section(value, "resources"));
        continue;
      }
      const auto found = std::find_if(
          job_fields().begin(), job_fields().end(),
          [&](const JobField& field) { return field.section == section && field.name == name; });
      if (found == job_fields().end()) {
        return wrong(key.Mark(), "there is no field '{}'{}; {}", name,
                     section.empty() ? "" : " of resources", advice(name, names_of(section)));
      }
      if (value.IsNull()) return wrong(key.Mark(), "'{}' has no value: {}", name, found->what);
      FALLOW_TRY(read(*found, value));
    }
    return {};
  }
};

// Relative to the file, so that it means the same wherever the command is typed.
void place_in(std::string& path, const std::string& folder) {
  if (!path.empty()) path = (std::filesystem::path(folder) / path).lexically_normal().string();
}

// "file:PATH", alone or behind "NAME=".
void place_source(std::string& text, const std::string& folder) {
  constexpr std::string_view kMark = "file:";
  const std::size_t equals = text.starts_with(kMark) ? std::string::npos : text.find('=');
  const std::size_t begin = equals == std::string::npos ? 0 : equals + 1;
  if (text.compare(begin, kMark.size(), kMark) != 0) return;
  std::string path = text.substr(begin + kMark.size());
  place_in(path, folder);
  text.replace(begin + kMark.size(), std::string::npos, path);
}

// What goes together, of a job whose fields are all read.
Status check_needs(const Job& job, const RequirementOptions& needs) {
  if (needs.tier == "spot" && needs.max_price.empty()) {
    return fail(ErrorCode::kInvalid, "1:1: the tier spot needs a bid; write  max_price: 0.40");
  }
  if (job.deadline_hours > 0 && needs.tier != "on_demand") {
    return fail(ErrorCode::kInvalid,
                "1:1: with 'deadline_hours' the market chooses the tier; leave 'tier' out");
  }
  return {};
}

// A task, or a gang, for each combination.
Status spread(const JobMatrix& matrix, const YAML::Mark& mark, RequirementOptions& needs) {
  if (needs.nodes > kJobCountMax / matrix.combinations) {
    return wrong(mark, "the gangs of this 'matrix' have more than {} tasks", kJobCountMax);
  }
  needs.tasks = matrix.combinations * needs.nodes;
  return {};
}

Status check_matrix(const Reader& reader) {
  const YAML::Mark& mark = *reader.matrix_mark;
  if (!reader.shell) {
    return wrong(mark, "'matrix' goes with a 'run' that is text for the shell");
  }
  if (reader.job.requirements.tasks != 0) {
    return wrong(mark, "'matrix' says how many tasks there are; leave 'tasks' out");
  }
  for (const auto& [name, values] : reader.matrix.names) {
    for (const auto* settings : {&reader.job.environment, &reader.job.secrets.secrets}) {
      for (const std::string& setting : *settings) {
        if (setting.starts_with(name + "=")) {
          return wrong(mark, "{} stands in 'matrix' and among the variables of all tasks", name);
        }
      }
    }
  }
  return {};
}

// The alternatives as they are with what they share.
Status read_alternatives(const Reader& reader, Job& job) {
  for (const YAML::Node& each : *reader.any_of) {
    Job one = job;
    Reader inner{one, {}, {}, false, {}, {}, {}, true};
    FALLOW_TRY(inner.read_section(each, "resources"));
    job.alternatives.push_back(std::move(one.requirements));
  }
  return {};
}

}  // namespace

Result<Job> parse_job_file(std::string_view text, const std::string& folder) {
  YAML::Node root;
  try {
    root = YAML::Load(std::string(text));
  } catch (const YAML::Exception& error) {
    return wrong(error.mark, "this is no YAML: {}", error.msg);
  }
  Job job;
  Reader reader{job, {}, {}, false, {}, {}, {}, false};
  FALLOW_TRY(reader.read_section(root, ""));
  if (job.command.empty()) {
    return fail(ErrorCode::kInvalid, "1:1: the job says nothing to run; write  run: nvidia-smi");
  }
  if (reader.setup_mark) {
    if (!reader.shell) {
      return wrong(*reader.setup_mark, "'setup' goes with a 'run' that is text for the shell");
    }
    job.command = {"sh", "-c", "set -e\n" + reader.setup + "\nset +e\n" + job.command[2]};
  }
  if (reader.matrix_mark) {
    FALLOW_TRY(check_matrix(reader));
    job.command[2] = script_of(reader.matrix) + job.command[2];
  }
  if (reader.any_of) FALLOW_TRY(read_alternatives(reader, job));
  for (const RequirementOptions& needs : job.wishes()) FALLOW_TRY(check_needs(job, needs));
  if (reader.matrix_mark) {
    FALLOW_TRY(spread(reader.matrix, *reader.matrix_mark, job.requirements));
    for (RequirementOptions& needs : job.alternatives) {
      FALLOW_TRY(spread(reader.matrix, *reader.matrix_mark, needs));
    }
  }
  for (JobInput& input : job.inputs) place_in(input.source, folder);
  place_in(job.input, folder);
  place_in(job.output, folder);
  for (std::string& source : job.secrets.secrets) place_source(source, folder);
  place_source(job.secrets.image_password, folder);
  return job;
}

Result<Job> load_job_file(const std::string& path) {
  auto text = read_file(path, kFileBytesMax);
  if (!text) return fail_with(text.error(), "the job file {} cannot be read", path);
  auto job = parse_job_file(*text, std::filesystem::path(path).parent_path().string());
  if (!job) return fail(job.error().code, "{}:{}", path, job.error().message);
  return job;
}

}  // namespace fallow::cli
