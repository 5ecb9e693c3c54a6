// fallow validate: is a job file what it should be; and the schema of such files.
#include "base/file.h"
#include "cli/command.h"
#include "cli/job_file.h"
#include "cli/skypilot.h"

namespace fallow::cli {
namespace {

constexpr std::size_t kSkypilotBytesMax = 1 << 20;

int validate(const Context& context, const std::vector<std::string>& files) {
  int code = kDone;
  for (const std::string& file : files) {
    const auto job = load_job_file(file);
    if (!job) {
      code = report(context, job.error());
      continue;
    }
    const char* before = "";
    for (const RequirementOptions& needs : job->wishes()) {
      if (context.json) {
        print_json(to_request(needs));
        continue;
      }
      const std::uint32_t tasks = needs.tasks == 0 ? needs.nodes : needs.tasks;
      std::printf("%s: %sa job of %u task%s, each %u device%s for up to %s\n", file.c_str(), before,
                  tasks, tasks == 1 ? "" : "s", needs.gpus, needs.gpus == 1 ? "" : "s",
                  span_text(needs.hours * 3600).c_str());
      before = "or ";
    }
  }
  return code;
}

// The job file to stdout, what was left out to stderr.
int convert(const Context& context, const std::string& path) {
  const auto text = read_file(path, kSkypilotBytesMax);
  if (!text) return report(context, text.error());
  const auto converted = convert_skypilot(*text);
  if (!converted) {
    return report(context, Error{converted.error().code, path + ":" + converted.error().message});
  }
  for (const std::string& sentence : converted->left) {
    std::fprintf(stderr, "left out: %s\n", printable(sentence).c_str());
  }
  std::fputs(converted->job_file.c_str(), stdout);
  return kDone;
}

}  // namespace

void add_validate(Parser& app, Context& context, Host& /*host*/) {
  struct Options {
    std::vector<std::string> files;
    bool schema = false;
    std::string skypilot;
  };
  auto options = std::make_shared<Options>();
  Parser* command =
      app.add_subcommand("validate", "check job files, without a market; --schema for editors");
  Option* files = command->add_option("file", options->files, "job files (docs/job-files.md)");
  command->add_flag("--schema", options->schema, "print the JSON Schema of job files")
      ->excludes(files);
  command
      ->add_option("--from-skypilot", options->skypilot,
                   "print a SkyPilot task file as a job file, and what was left out on stderr")
      ->excludes(files);
  command->footer(
      "Exit codes: 0 all are right, 2 one is not.\nExample:\n  fallow validate job.yaml");
  command->callback([=, &context] {
    if (!options->schema && options->skypilot.empty() && options->files.empty())
      refuse_missing("file");
    context.run = [=, &context] {
      if (!options->skypilot.empty()) return convert(context, options->skypilot);
      if (!options->schema) return validate(context, options->files);
      std::fputs(job_file_schema().c_str(), stdout);
      return static_cast<int>(kDone);
    };
  });
}

}  // namespace fallow::cli
