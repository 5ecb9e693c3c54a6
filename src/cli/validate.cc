// fallow validate: is a job file what it should be; and the schema of such files.
#include "cli/command.h"
#include "cli/job_file.h"

namespace fallow::cli {
namespace {

int validate(const Context& context, const std::vector<std::string>& files) {
  int code = kDone;
  for (const std::string& file : files) {
    const auto job = load_job_file(file);
    if (!job) {
      code = report(context, job.error());
      continue;
    }
    if (context.json) {
      print_json(to_request(job->requirements));
    } else {
      const RequirementOptions& needs = job->requirements;
      std::printf("%s: a job of %u task%s, each %u device%s for up to %s\n", file.c_str(),
                  needs.tasks, needs.tasks == 1 ? "" : "s", needs.gpus, needs.gpus == 1 ? "" : "s",
                  span_text(needs.hours * 3600).c_str());
    }
  }
  return code;
}

}  // namespace

void add_validate(CLI::App& app, Context& context, Host& /*host*/) {
  struct Options {
    std::vector<std::string> files;
    bool schema = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("validate", "check job files, without a market; --schema for editors");
  CLI::Option* files = command->add_option("file", options->files, "job files (docs/job-files.md)");
  command->add_flag("--schema", options->schema, "print the JSON Schema of job files")
      ->excludes(files);
  command->footer(
      "Exit codes: 0 all are right, 2 one is not.\nExample:\n  fallow validate job.yaml");
  command->callback([=, &context] {
    if (!options->schema && options->files.empty()) throw CLI::RequiredError("file");
    context.run = [=, &context] {
      if (!options->schema) return validate(context, options->files);
      std::fputs(job_file_schema().c_str(), stdout);
      return static_cast<int>(kDone);
    };
  });
}

}  // namespace fallow::cli
