// fallow secrets: hand over a job's secrets, from wherever they may be read.
#include <chrono>
#include <set>
#include <thread>

#include "cli/command.h"
#include "cli/job_file.h"
#include "cli/secret_keeper.h"
#include "cli/secret_sources.h"

namespace fallow::cli {
namespace {

struct SecretsOptions {
  std::uint64_t order = 0;
  SecretSources sources;
  std::string file;
};

void tell_handed_over(const Context& context, const v1::SecretAskView& ask) {
  if (context.json) {
    print_json(ask);
    std::fflush(stdout);
  } else {
    std::printf("lease %llu: handed over to node %llu (%s), whose key is %s\n",
                static_cast<unsigned long long>(ask.lease()),
                static_cast<unsigned long long>(ask.node()), printable(ask.node_name()).c_str(),
                printable(ask.node_key()).c_str());
    std::fflush(stdout);
  }
}

// What the order names and nobody gave a source for is the variable of its name. What it does not
// name, its nodes are not told.
Result<SecretSources> sources_for(const v1::OrderView& order, SecretSources given) {
  const v1::Workload& workload = order.workload();
  const std::set<std::string> wanted(workload.secrets().begin(), workload.secrets().end());
  std::set<std::string> known;
  for (const std::string& text : given.secrets) {
    const std::string name = text.substr(0, text.find('='));
    known.insert(name);
    if (!wanted.contains(name)) {
      return fail(ErrorCode::kInvalid, "job {} has no secret of the name {}", order.id(),
                  printable(name));
    }
  }
  for (const std::string& name : workload.secrets()) {
    if (!known.contains(name)) given.secrets.push_back(name);
  }
  if (!workload.image_login()) given.image_user.clear();
  if (workload.image_login() && given.image_user.empty()) {
    return fail(ErrorCode::kInvalid,
                "job {} logs in to its image's registry: say as whom, with --image-user",
                order.id());
  }
  return given;
}

int keep_secrets(const Context& context, const SecretsOptions& options) {
  SecretSources given = options.sources;
  if (!options.file.empty()) {
    auto job = load_job_file(options.file);
    if (!job) return report(context, job.error());
    given = std::move(job->secrets);
  }
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::GetOrderRequest request;
  request.set_order(options.order);
  auto order = api->call<v1::OrderView>("Orders.GetOrder", request);
  if (!order) return report(context, order.error());
  const auto sources = sources_for(*order, std::move(given));
  if (!sources) return report(context, sources.error());
  auto values = read_secret_sources(*sources);
  if (!values) return report(context, values.error());
  SecretKeeper keeper(*api, options.order, std::move(*values),
                      [&context](const v1::SecretAskView& ask) { tell_handed_over(context, ask); });
  while (order->state() == v1::OPEN) {
    if (const auto answered = keeper.answer_once(); !answered) {
      return report(context, answered.error());
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
    auto now = api->call<v1::OrderView>("Orders.GetOrder", request);
    if (now) {
      order = std::move(now);
    } else if (!may_pass(now.error())) {
      return report(context, now.error());
    }
  }
  if (!context.json) {
    std::fprintf(stderr, "job %llu has ended: nobody asks for its secrets any more\n",
                 static_cast<unsigned long long>(options.order));
  }
  return kDone;
}

}  // namespace

void add_secrets(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<SecretsOptions>();
  Parser* command =
      app.add_subcommand("secrets", "hand over a job's secrets to its nodes, until it ends");
  command->add_option("order", options->order, "the job")->required();
  add_secret_options(*command, options->sources);
  command
      ->add_option("-f,--file", options->file,
                   "take the sources from this job file (docs/job-files.md)")
      ->excludes("--secret")
      ->excludes("--image-user")
      ->excludes("--image-password");
  command->footer(
      "`fallow run` does this while it follows a job; this is for jobs that were detached, and for "
      "a\n"
      "machine that stays awake. Names without a source are environment variables.\n"
      "Examples:\n  HF_TOKEN=... fallow secrets 12345\n"
      "  fallow secrets 12345 --secret HF_TOKEN=file:token --image-user me");
  command->callback([options, &context] {
    context.run = [options, &context] { return keep_secrets(context, *options); };
  });
}

}  // namespace fallow::cli
