// The fields of job files, and their JSON Schema.
#include <fmt/format.h>

#include "cli/job_fields.h"
#include "cli/job_file.h"

namespace fallow::cli {
namespace {

std::string json_string(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += c;
  }
  return json + '"';
}

std::string type_schema(const JobField& field) {
  switch (field.kind) {
    case JobFieldKind::kText:
      return R"("type": "string")";
    case JobFieldKind::kMoney:
      return R"("type": ["string", "number"], "pattern": "^[0-9]+(\\.[0-9]{1,6})?$")";
    case JobFieldKind::kNumber:
      return R"("type": "number", "exclusiveMinimum": 0)";
    case JobFieldKind::kCount:
      return fmt::format(R"("type": "integer", "minimum": 1, "maximum": {})", kJobCountMax);
    case JobFieldKind::kFlag:
      return R"("type": "boolean")";
    case JobFieldKind::kWord: {
      std::vector<std::string> words;
      for (const std::string& word : field.words) words.push_back(json_string(word));
      return fmt::format(R"("enum": [{}])", fmt::join(words, ", "));
    }
    case JobFieldKind::kWords:
      return R"("type": ["string", "array"], "items": {"type": "string"}, "minItems": 1)";
    case JobFieldKind::kSource:
      return R"("type": "string", "pattern": "^(env|file):.")";
    case JobFieldKind::kSources:
      return R"("type": "object", "additionalProperties": {"type": "string", "pattern": "^(env|file):."})";
    case JobFieldKind::kNames:
      return R"("type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]})";
    case JobFieldKind::kPlaces:
      return R"("type": "object", "minProperties": 1, "additionalProperties": {"type": "string"})";
    case JobFieldKind::kPorts:
      return R"("type": "array", "minItems": 1, "items": {"type": ["string", "integer"], "pattern": "^[0-9]+(:[0-9]+)?$", "minimum": 1, "maximum": 65535})";
    case JobFieldKind::kMatrix:
      return R"("type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}, "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}})";
    case JobFieldKind::kAlternatives:
      return R"("type": "array", "minItems": 1, "items": {"type": "object", "properties": {"any_of": false}, "$ref": "#/properties/resources"})";
  }
  return {};
}

std::string properties_of(std::string_view section, std::string_view indent) {
  std::vector<std::string> lines;
  for (const JobField& field : job_fields()) {
    if (field.section == section) {
      lines.push_back(fmt::format(R"({}{}: {{{}, "description": {}}})", indent,
                                  json_string(field.name), type_schema(field),
                                  json_string(field.what)));
    }
  }
  return fmt::format("{}", fmt::join(lines, ",\n"));
}

}  // namespace

const std::vector<JobField>& job_fields() {
  static const std::vector<JobField> all = {
      {"", "name", JobFieldKind::kText, "of the job; default: the first word of what runs"},
      {"", "run", JobFieldKind::kWords,
       "what every task runs: text for the shell, or a list of words"},
      {"", "setup", JobFieldKind::kText,
       "text for the shell that runs before `run`, in the same shell"},
      {"", "tasks", JobFieldKind::kCount, "of the job; each finds its number in $FALLOW_TASK"},
      {"", "matrix", JobFieldKind::kMatrix,
       "NAME: [values]: a task for each combination, which finds its own in its environment"},
      {"", "input", JobFieldKind::kText, "folder that each task finds as its working folder"},
      {"", "inputs", JobFieldKind::kPlaces,
       "PATH in the working folder: a folder or file of yours; beside `input`, or without it"},
      {"", "output", JobFieldKind::kText, "folder for what tasks write to $FALLOW_OUT"},
      {"", "env", JobFieldKind::kNames, "environment variables of the tasks"},
      {"", "secrets", JobFieldKind::kSources,
       "environment variables that only the task's node learns: NAME: env:VARIABLE or file:PATH"},
      {"", "image", JobFieldKind::kText, "OCI image; default: the node's own /usr"},
      {"", "image_user", JobFieldKind::kText, "whom to log in to the image's registry as"},
      {"", "image_password", JobFieldKind::kSource,
       "where the password for it is: env:VARIABLE or file:PATH; default: "
       "env:FALLOW_IMAGE_PASSWORD"},
      {"", "ports", JobFieldKind::kPorts,
       "PORT or PORT:LOCAL of the first task: ports of this machine while `fallow run` follows it"},
      {"", "budget", JobFieldKind::kMoney, "the most the whole job may cost"},
      {"", "project", JobFieldKind::kText, "whose budget it counts for, too"},
      {"", "deadline_hours", JobFieldKind::kNumber,
       "from now: the market chooses spot or on_demand for every task to be done by then"},
      {"", "restart_minutes", JobFieldKind::kNumber,
       "with a deadline: what a start takes until new work is done"},
      {"", "attempts", JobFieldKind::kCount, "of one task over all nodes; default: the market's"},
      {"", "checkpoint_seconds", JobFieldKind::kCount,
       "from one saving of a task's checkpoints to the next, 5 at least; default: the node's"},
      {"", "restart", JobFieldKind::kFlag,
       "false: a task that ran is not placed again, whatever ended it"},
      {"", "wait", JobFieldKind::kFlag, "false refuses the job when nothing can start now"},
      {"resources", "query", JobFieldKind::kText, "what the offer must be (docs/query.md)"},
      {"resources", "gpus", JobFieldKind::kCount, "devices of a task, on one node"},
      {"resources", "nodes", JobFieldKind::kCount,
       "tasks that start together, each on a node of its own"},
      {"resources", "share", JobFieldKind::kNumber, "of each device, 0.001 to 1"},
      {"resources", "hours", JobFieldKind::kNumber, "the most a task may run"},
      {"resources", "memory_gb", JobFieldKind::kNumber, "main memory of a task"},
      {"resources", "cpus", JobFieldKind::kNumber, "processor cores of a task"},
      {"resources", "disk_gb", JobFieldKind::kNumber, "private disk of a task"},
      {"resources",
       "network",
       JobFieldKind::kWord,
       "egress lets the tasks out to the internet, on nodes that offer it",
       {"none", "egress"}},
      {"resources", "egress_gb", JobFieldKind::kNumber,
       "the most that a task may send, and that is held for it; means network: egress"},
      {"resources", "max_price", JobFieldKind::kMoney,
       "an hour of one task; of spot it is the bid"},
      {"resources",
       "tier",
       JobFieldKind::kWord,
       "how the place is held",
       {"on_demand", "reserved", "spot"}},
      {"resources",
       "objective",
       JobFieldKind::kWord,
       "which offer is best",
       {"cheapest", "fastest", "cost_to_complete"}},
      {"resources",
       "workload",
       JobFieldKind::kWord,
       "what most of the time goes into: whose speeds fastest and cost_to_complete go by",
       {"general", "fp32", "fp16", "bandwidth"}},
      {"resources", "near", JobFieldKind::kText,
       "the region where its data are: nodes elsewhere count as dearer"},
      {"resources",
       "isolation",
       JobFieldKind::kWord,
       "the weakest sandbox that will do",
       {"bubblewrap", "runc", "gvisor", "microvm"}},
      {"resources", "any_of", JobFieldKind::kAlternatives,
       "alternatives, each with the fields in which it differs: the cheapest that can start"},
  };
  return all;
}

std::string job_file_schema() {
  return fmt::format(
      R"({{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:fallow:job",
  "title": "A Fallow job",
  "type": "object",
  "additionalProperties": false,
  "required": ["run"],
  "properties": {{
{},
    "resources": {{
      "type": "object",
      "description": "what each task needs",
      "additionalProperties": false,
      "properties": {{
{}
      }}
    }}
  }}
}}
)",
      properties_of("", "    "), properties_of("resources", "        "));
}

}  // namespace fallow::cli
