#include "cli/skypilot.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "base/number.h"

namespace fallow::cli {
namespace {

// "32", "32+", "32GB" -> "32"; empty for what is no number.
std::string leading_number(const std::string& text) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  return text.substr(0, end);
}

// What a task needs there, as far as it is understood.
struct SkypilotNeeds {
  struct Accelerator {
    std::string model;
    std::string count;  // "8", "0.5"
  };
  std::vector<Accelerator> accelerators;  // one of them will do; empty: any
  std::string region;
  std::map<std::string, std::string> amounts;  // by the name of the field here
};

bool is_whole(const std::string& count) {
  return !count.empty() && count.find_first_not_of("0123456789") == std::string::npos &&
         count.find_first_not_of('0') != std::string::npos;
}

// Of a device, such as T4:0.5.
bool is_share(const std::string& count) {
  const auto share = parse_number<double>(count);
  return share && *share >= 0.001 && *share < 1;
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
      nodes(value);
    } else if (name == "file_mounts" || name == "volumes") {
      leave(
          name +
          ": put the files below `input`; what is in a cloud's store is fetched by the task, with "
          "`network: egress`");
    } else if (name == "secrets") {
      secrets(value);
    } else {
      leave(name + ": there is nothing like it here");
    }
  }

  std::string finish() {
    const std::vector<std::vector<Field>> all = alternatives();
    if (all.size() > 1 || !all[0].empty() || !nodes_.empty()) {
      out_ << YAML::Key << "resources" << YAML::Value << YAML::BeginMap;
      if (!nodes_.empty()) emit({{"nodes", nodes_}});
      if (all.size() == 1) {
        emit(all[0]);
      } else {
        out_ << YAML::Key << "any_of" << YAML::Value << YAML::BeginSeq;
        for (const std::vector<Field>& one : all) {
          out_ << YAML::BeginMap;
          emit(one);
          out_ << YAML::EndMap;
        }
        out_ << YAML::EndSeq;
      }
      out_ << YAML::EndMap;
    }
    out_ << YAML::EndMap;
    return std::string(out_.c_str()) + "\n";
  }

 private:
  using Field = std::pair<std::string, std::string>;

  void emit(const std::vector<Field>& fields) {
    for (const auto& [name, value] : fields) out_ << YAML::Key << name << YAML::Value << value;
  }

  // Of each wish as many as its accelerators have counts: `gpus` is one number.
  std::vector<std::vector<Field>> alternatives() {
    std::vector<std::vector<Field>> all;
    if (wishes_.empty()) wishes_.emplace_back();
    for (const SkypilotNeeds& needs : wishes_) {
      std::map<std::string, std::vector<std::string>> models;  // by count
      for (const auto& [model, count] : needs.accelerators) models[count].push_back(spelled(model));
      if (models.empty()) models["1"] = {};
      for (const auto& [count, names] : models) all.push_back(fields_of(needs, names, count));
    }
    return all;
  }

  std::vector<Field> fields_of(const SkypilotNeeds& needs, const std::vector<std::string>& models,
                               const std::string& count) {
    std::vector<Field> fields;
    std::string query;
    if (models.size() == 1) query = "gpu_name=" + models[0];
    if (models.size() > 1) query = fmt::format("gpu_name in [{}]", fmt::join(models, ","));
    if (!models.empty()) {
      leave(fmt::format(
          "resources.accelerators: asked for as '{}'; `fallow offers` shows how models are "
          "spelled on your market",
          query));
    }
    if (!needs.region.empty()) query += (query.empty() ? "region=" : " region=") + needs.region;
    if (!query.empty()) fields.emplace_back("query", query);
    if (is_share(count)) {
      fields.emplace_back("share", count);
    } else if (count != "1") {
      fields.emplace_back("gpus", count);
    }
    for (const char* name : {"cpus", "memory_gb", "disk_gb"}) {
      const auto amount = needs.amounts.find(name);
      if (amount != needs.amounts.end()) fields.emplace_back(name, amount->second);
    }
    return fields;
  }

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

  void nodes(const YAML::Node& value) {
    if (!value.IsScalar() || !is_whole(value.Scalar())) return leave("num_nodes: not understood");
    if (value.Scalar() == "1") return;
    nodes_ = value.Scalar();
    leave(
        "num_nodes: the tasks start together and find their number in $FALLOW_NODE_RANK, but not "
        "each other's addresses");
  }

  // Never a value: where each is read from.
  void secrets(const YAML::Node& map) {
    if (!map.IsMap()) return leave("secrets: not NAME: value");
    out_ << YAML::Key << "secrets" << YAML::Value << YAML::BeginMap;
    for (const auto& entry : map) {
      const std::string& name = entry.first.Scalar();
      out_ << YAML::Key << name << YAML::Value << "env:" + name;
      const bool has_value = entry.second.IsScalar() && !entry.second.Scalar().empty();
      if (has_value) {
        leave("secrets." + name + ": its value, which does not belong in a file; set $" + name +
              " where you type `fallow run`");
      }
    }
    out_ << YAML::EndMap;
  }

  void resources(const YAML::Node& map) {
    if (!map.IsMap()) return leave("resources: not NAME: value");
    SkypilotNeeds shared;
    take_needs(map, shared, true);
    for (const char* name : {"any_of", "ordered"}) {
      const YAML::Node several = map[std::string(name)];
      if (!several || !several.IsSequence()) continue;
      if (name == std::string_view("ordered") && several.size() > 1) {
        leave("resources.ordered: their order; the cheapest that can start is taken");
      }
      for (const YAML::Node& one : several) {
        SkypilotNeeds needs = shared;
        if (one.IsMap()) take_needs(one, needs, false);
        wishes_.push_back(std::move(needs));
      }
    }
    if (wishes_.empty()) wishes_.push_back(std::move(shared));
  }

  void take_needs(const YAML::Node& map, SkypilotNeeds& needs, bool is_shared) {
    for (const auto& entry : map) {
      const std::string& name = entry.first.Scalar();
      const YAML::Node& value = entry.second;
      const std::string word = value.IsScalar() ? value.Scalar() : "";
      if (name == "accelerators") {
        accelerators(value, needs);
      } else if (name == "cpus" && !leading_number(word).empty()) {
        needs.amounts["cpus"] = leading_number(word);
      } else if (name == "memory" && !leading_number(word).empty()) {
        needs.amounts["memory_gb"] = leading_number(word);
      } else if (name == "disk_size" && !leading_number(word).empty()) {
        needs.amounts["disk_gb"] = leading_number(word);
      } else if (name == "region" && !word.empty()) {
        needs.region = word;
      } else if (name == "image_id" && word.starts_with("docker:") && is_shared) {
        text("image", word.substr(7));
      } else if (name == "use_spot") {
        if (word == "true") {
          leave("resources.use_spot: spot is a bid here; add `tier: spot` and `max_price`");
        }
      } else if (is_shared && (name == "any_of" || name == "ordered") && value.IsSequence()) {
        continue;
      } else {
        leave("resources." + name + ": there is nothing like it here");
      }
    }
  }

  // "RTX4090:2", "RTX4090", {RTX4090: 2}, or a list of which one will do.
  void accelerators(const YAML::Node& value, SkypilotNeeds& needs) {
    needs.accelerators.clear();
    const auto add = [&](const std::string& model, const std::string& count) {
      if (is_whole(count) || is_share(count)) {
        needs.accelerators.push_back({model, count});
      } else {
        leave(
            fmt::format("resources.accelerators: {}:{}, for a task has whole devices or a share "
                        "of one",
                        model, count));
      }
    };
    const auto add_word = [&](const std::string& word) {
      const std::size_t colon = word.find(':');
      add(word.substr(0, colon), colon == std::string::npos ? "1" : word.substr(colon + 1));
    };
    if (value.IsScalar()) add_word(value.Scalar());
    if (value.IsSequence() || value.IsMap()) {
      for (const auto& entry : value) {
        if (value.IsSequence() && entry.IsScalar()) add_word(entry.Scalar());
        if (value.IsMap() && entry.second.IsScalar()) {
          add(entry.first.Scalar(), entry.second.Scalar());
        }
      }
    }
    if (needs.accelerators.empty()) leave("resources.accelerators: not understood");
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

  std::vector<std::string>& left_;
  YAML::Emitter out_;
  std::vector<SkypilotNeeds> wishes_;  // one will do
  std::string nodes_;
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
