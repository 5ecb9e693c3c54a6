#include "cli/skypilot.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>

namespace fallow::cli {
namespace {

// "32", "32+", "32GB" -> "32"; empty for what is no number.
std::string leading_number(const std::string& text) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  return text.substr(0, end);
}

class Converter {
 public:
  explicit Converter(Converted& converted) : left_(converted.left) { out_ << YAML::BeginMap; }

  void take(const std::string& name, const YAML::Node& value) {
    if (name == "name" || name == "setup" || name == "run") {
      if (value.IsScalar()) text(name, value.Scalar());
    } else if (name == "workdir") {
      if (value.IsScalar()) text("input", value.Scalar());
    } else if (name == "envs" || name == "env") {
      environment(value);
    } else if (name == "resources") {
      resources(value);
    } else if (name == "num_nodes") {
      if (value.Scalar() != "1") {
        leave(
            "num_nodes: write `nodes` under `resources` for tasks that start together; they find "
            "their number in $FALLOW_NODE_RANK, but not each other's addresses");
      }
    } else if (name == "file_mounts" || name == "volumes") {
      leave(
          name +
          ": put the files below `input`; what is in a cloud's store is fetched by the task, with "
          "`network: egress`");
    } else if (name == "secrets") {
      leave(
          "secrets: name them as `secrets: {NAME: env:NAME}`, which says where each is read from; "
          "their node learns them, and who owns it may");
    } else {
      leave(name + ": there is nothing like it here");
    }
  }

  std::string finish() {
    if (!query_.empty() || !needs_.empty()) {
      out_ << YAML::Key << "resources" << YAML::Value << YAML::BeginMap;
      if (!query_.empty()) out_ << YAML::Key << "query" << YAML::Value << query_;
      for (const auto& [name, value] : needs_) out_ << YAML::Key << name << YAML::Value << value;
      out_ << YAML::EndMap;
    }
    out_ << YAML::EndMap;
    return std::string(out_.c_str()) + "\n";
  }

 private:
  void leave(std::string sentence) { left_.push_back(std::move(sentence)); }

  void text(const std::string& name, const std::string& value) {
    out_ << YAML::Key << name << YAML::Value;
    if (value.find('\n') != std::string::npos) out_ << YAML::Literal;
    out_ << value;
  }

  void environment(const YAML::Node& map) {
    if (!map.IsMap()) return leave("envs: not NAME: value");
    out_ << YAML::Key << "env" << YAML::Value << YAML::BeginMap;
    for (const auto& entry : map) {
      if (!entry.second.IsScalar()) {
        leave("envs." + entry.first.Scalar() +
              ": it has no value; SkyPilot asks for it at the start");
        continue;
      }
      out_ << YAML::Key << entry.first.Scalar() << YAML::Value << entry.second.Scalar();
    }
    out_ << YAML::EndMap;
  }

  void resources(const YAML::Node& map) {
    if (!map.IsMap()) return leave("resources: not NAME: value");
    for (const auto& entry : map) {
      const std::string& name = entry.first.Scalar();
      const YAML::Node& value = entry.second;
      const std::string word = value.IsScalar() ? value.Scalar() : "";
      if (name == "accelerators") {
        accelerators(value);
      } else if (name == "cpus" && !leading_number(word).empty()) {
        needs_.emplace_back("cpus", leading_number(word));
      } else if (name == "memory" && !leading_number(word).empty()) {
        needs_.emplace_back("memory_gb", leading_number(word));
      } else if (name == "disk_size" && !leading_number(word).empty()) {
        needs_.emplace_back("disk_gb", leading_number(word));
      } else if (name == "region" && !word.empty()) {
        add_condition("region=" + word);
      } else if (name == "image_id" && word.starts_with("docker:")) {
        text("image", word.substr(7));
      } else if (name == "use_spot") {
        if (word == "true") {
          leave("resources.use_spot: spot is a bid here; add `tier: spot` and `max_price`");
        }
      } else if (name == "any_of" || name == "ordered") {
        leave("resources." + name +
              ": no alternatives yet; a query takes several models: gpu_name in [..]");
      } else {
        leave("resources." + name + ": there is nothing like it here");
      }
    }
  }

  // "RTX4090:2", "RTX4090", {RTX4090: 2}, or a list of which one will do.
  void accelerators(const YAML::Node& value) {
    std::vector<std::string> models;
    std::string count = "1";
    const auto add = [&](const std::string& word) {
      const std::size_t colon = word.find(':');
      models.push_back(word.substr(0, colon));
      if (colon != std::string::npos) count = word.substr(colon + 1);
    };
    if (value.IsScalar()) add(value.Scalar());
    if (value.IsSequence() || value.IsMap()) {
      for (const auto& entry : value) {
        if (value.IsSequence() && entry.IsScalar()) add(entry.Scalar());
        if (value.IsMap() && entry.second.IsScalar())
          add(entry.first.Scalar() + ":" + entry.second.Scalar());
      }
    }
    if (models.empty()) return leave("resources.accelerators: not understood");
    for (std::string& model : models) model = spelled(model);
    add_condition(models.size() == 1 ? "gpu_name=" + models[0]
                                     : fmt::format("gpu_name in [{}]", fmt::join(models, ",")));
    if (count != "1") needs_.emplace_back("gpus", count);
    leave(fmt::format(
        "resources.accelerators: asked for as '{}'; `fallow offers` shows how models are "
        "spelled on your market",
        query_));
  }

  // SkyPilot's "RTX4090" is the driver's "RTX_4090".
  static std::string spelled(std::string model) {
    for (const std::string_view family : {"RTX", "GTX"}) {
      if (model.starts_with(family) && model.size() > family.size() &&
          std::isdigit(static_cast<unsigned char>(model[family.size()])) != 0) {
        model.insert(family.size(), "_");
      }
    }
    std::replace(model.begin(), model.end(), '-', '_');
    return model;
  }

  void add_condition(const std::string& condition) {
    query_ += (query_.empty() ? "" : " ") + condition;
  }

  std::vector<std::string>& left_;
  YAML::Emitter out_;
  std::string query_;
  std::vector<std::pair<std::string, std::string>> needs_;
};

}  // namespace

Result<Converted> convert_skypilot(std::string_view text) {
  YAML::Node root;
  try {
    root = YAML::Load(std::string(text));
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::kInvalid, "{}:{}: this is no YAML: {}", error.mark.line + 1,
                error.mark.column + 1, error.msg);
  }
  if (!root.IsMap() || !root["run"] || !root["run"].IsScalar()) {
    return fail(ErrorCode::kInvalid, "1:1: this is no task of SkyPilot: it has no text to `run`");
  }
  Converted converted;
  Converter converter(converted);
  for (const auto& entry : root) {
    if (entry.first.IsScalar()) converter.take(entry.first.Scalar(), entry.second);
  }
  converted.job_file = converter.finish();
  return converted;
}

}  // namespace fallow::cli
