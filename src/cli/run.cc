// fallow run: quote, order, follow, fetch.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "cli/best_quote.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/job_file.h"
#include "cli/local_ports.h"
#include "cli/logs.h"
#include "cli/order_tasks.h"
#include "cli/port_keeper.h"
#include "cli/requirement_options.h"
#include "cli/secret_keeper.h"
#include "cli/waiting.h"
#include "client/transfer.h"

namespace fallow::cli {
namespace {

constexpr std::chrono::milliseconds kProgressInterval{500};
constexpr int kEndingMissesMax = 600;  // how often the market may not say how the job has ended

constexpr const char* kPortsAddress = "127.0.0.1";

struct RunOptions {
  std::shared_ptr<RequirementOptions> requirements;
  Job job;  // but for what needs and command say
  std::string file;
  std::string quote;
  bool detach = false;
};

// The job that the file or the command line says.
Result<Job> job_of(const Context& context, const RunOptions& options) {
  if (!options.file.empty()) {
    if (!context.command.empty()) {
      return fail(ErrorCode::kInvalid, "what runs stands in {}: leave out what is behind `--`",
                  options.file);
    }
    return load_job_file(options.file);
  }
  Job job = options.job;
  job.requirements = *options.requirements;
  job.command = context.command;
  return job;
}

Result<v1::CreateOrderRequest> make_request(const Job& job) {
  if (job.command.empty() && job.image.empty()) {
    return fail(ErrorCode::kInvalid,
                "say what to run behind `--`, e.g.  fallow run 'gpu_ram>=24' -- nvidia-smi");
  }
  v1::CreateOrderRequest request;
  const std::string& what = job.command.empty() ? job.image : job.command[0];
  request.set_name(job.name.empty() ? std::filesystem::path(what).filename().string() : job.name);
  request.set_budget(job.budget);
  request.set_project(job.project);
  if (job.deadline_hours > 0) {
    request.set_deadline_hours(job.deadline_hours);
    request.set_restart_hours(job.restart_minutes / 60);
  }
  request.set_attempts_max(job.attempts_max);
  request.set_no_wait(job.no_wait);
  v1::Workload& workload = *request.mutable_workload();
  workload.set_image(job.image);
  for (const std::string& word : job.command) workload.add_command(word);
  for (const std::string& setting : job.environment) {
    const std::size_t equals = setting.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return fail(ErrorCode::kInvalid, "--env takes NAME=VALUE, not '{}'", setting);
    }
    v1::EnvironmentVariable& variable = *workload.add_environment();
    variable.set_name(setting.substr(0, equals));
    variable.set_value(setting.substr(equals + 1));
  }
  for (const std::string& secret : job.secrets.secrets) {
    workload.add_secrets(secret.substr(0, secret.find('=')));
  }
  workload.set_image_login(!job.secrets.image_user.empty());
  workload.set_collect_output(!job.output.empty());
  workload.set_checkpoint_seconds(job.checkpoint_seconds);
  workload.set_no_restart(job.no_restart);
  return request;
}

// Follows one order on its own connections: logs on the caller's thread, progress beside it.
class Follower {
 public:
  // `secrets`: what its tasks wait for; null: nothing. `ports`: those that lead to its first task.
  Follower(const Context& context, const v1::OrderView& order, const v1::LeaseSecrets* secrets,
           std::optional<LocalPorts> ports)
      : context_(context),
        id_(order.id()),
        several_(order.tasks_total() > 1),
        secrets_(secrets),
        ports_(std::move(ports)) {}

  // The order as it ended, or as it was when the reader left.
  client::ApiResult<v1::OrderView> follow() {
    auto logs = context_.connect();
    auto progress = context_.connect();
    if (!logs || !progress) {
      return tl::unexpected(
          client::ApiError{client::ApiError::Kind::kUnreachable, "no connection", {}});
    }
    // Made before the threads below, which then leave the signals to it.
    const Interrupt interrupt([&](int count) { interrupted(count, *logs); });
    std::thread reporter([&] { report_progress(*progress); });
    std::optional<SecretKeeping> keeping;
    if (auto way = secrets_ == nullptr ? nullptr : context_.connect()) {
      keeping.emplace(context_, std::move(way), id_, *secrets_);
    }
    std::optional<PortKeeper> port_keeper;
    if (auto way = ports_ ? context_.connect() : nullptr) {
      port_keeper.emplace(context_, std::move(way), id_, std::move(*ports_));
    }
    LogPrinter printer(several_, context_.terminal);
    printer.before_write = [this] { clear_progress(); };
    v1::FollowOrderLogsRequest request;
    request.set_order(id_);
    request.set_follow(true);
    const auto streamed =
        logs->stream<v1::LogLine>("Orders.FollowOrderLogs", request, [&](const v1::LogLine& line) {
          if (!context_.json) printer.print(line);
          return true;
        });
    printer.flush();
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    reporter.join();
    clear_progress();
    if (left_) return get(*progress);
    if (!streamed) return tl::unexpected(streamed.error());
    return final_state(*progress);
  }

  bool left() const { return left_; }

 private:
  client::ApiResult<v1::OrderView> get(client::Api& api) const {
    v1::GetOrderRequest request;
    request.set_order(id_);
    return api.call<v1::OrderView>("Orders.GetOrder", request);
  }

  // Its output has ended, so it has: a market that is away just now is asked again, for minutes.
  client::ApiResult<v1::OrderView> final_state(client::Api& api) const {
    for (int misses = 0;;) {
      auto order = get(api);
      if (order ? order->state() != v1::OPEN
                : !may_pass(order.error()) || ++misses > kEndingMissesMax) {
        return order;
      }
      if (left_) return order;
      std::this_thread::sleep_for(kProgressInterval);
    }
  }

  void interrupted(int count, client::Api& logs) {
    if (count > 1) {
      left_ = true;
      logs.cancel();
      return;
    }
    clear_progress();
    std::fprintf(stderr, "stopping job %llu; press Ctrl-C again to leave it to end by itself\n",
                 static_cast<unsigned long long>(id_));
    const auto api = context_.connect();
    if (!api) return;
    v1::StopOrderRequest request;
    request.set_order(id_);
    if (const auto stopped = api->call<v1::OrderView>("Orders.StopOrder", request); !stopped) {
      report(context_, stopped.error());
    }
  }

  void report_progress(client::Api& api) {
    if (context_.json) return;
    std::string last;
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, kProgressInterval, [this] { return ended_; })) {
      lock.unlock();
      const auto order = get(api);
      lock.lock();
      if (ended_) continue;
      say_whether_it_answers(order || order.error().kind != client::ApiError::Kind::kUnreachable);
      if (!order) continue;
      if (say_why_it_waits(*order)) last.clear();
      const std::string counts =
          fmt::format("job {}: {}/{} done, {} running, {} waiting{}", id_, order->tasks_done(),
                      order->tasks_total(), order->tasks_running(), order->tasks_waiting(),
                      order->rescued() == 0 ? "" : fmt::format(", {} rescued", order->rescued()));
      // A terminal's one line may follow the money; a pipe gets a line when the counts change.
      const std::string now =
          context_.terminal ? fmt::format("{}, charged {}", counts, order->charged()) : counts;
      if (now == last) continue;
      last = now;
      if (context_.terminal) {
        std::fprintf(stderr, "\r\x1B[2K%s", now.c_str());
        shown_ = true;
      } else {
        std::fprintf(stderr, "%s\n", now.c_str());
      }
      std::fflush(stderr);
    }
  }

  // When that changes. With the mutex.
  void say_whether_it_answers(bool answers) {
    if (answers == answers_) return;
    answers_ = answers;
    hide_progress();
    std::fputs(answers ? "the market answers again\n"
                       : "the market does not answer; what runs goes on, and so does this when the "
                         "market is back\n",
               stderr);
  }

  // Once for each reason; says whether it did. That tasks wait for nodes while others run is how
  // jobs go. With the mutex.
  bool say_why_it_waits(const v1::OrderView& order) {
    const bool is_told = order.waits_for() == v1::WAITS_FOR_PRICE ||
                         (order.tasks_running() == 0 && order.tasks_waiting() > 0);
    const v1::WaitReason why = is_told ? order.waits_for() : told_;
    if (why == told_ || why == v1::WAIT_REASON_UNSPECIFIED) return false;
    told_ = why;
    hide_progress();
    std::fprintf(stderr, "%s\n", waiting_sentence(order).c_str());
    return true;
  }

  void clear_progress() {
    const std::lock_guard lock(mutex_);
    hide_progress();
  }

  // With the mutex.
  void hide_progress() {
    if (!shown_) return;
    std::fprintf(stderr, "\r\x1B[2K");
    std::fflush(stderr);
    shown_ = false;
  }

  const Context& context_;
  const std::uint64_t id_;
  const bool several_;
  const v1::LeaseSecrets* const secrets_;
  std::optional<LocalPorts> ports_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  bool answers_ = true;                                // the market, when it was asked last
  bool shown_ = false;                                 // a progress line stands on the terminal
  v1::WaitReason told_ = v1::WAIT_REASON_UNSPECIFIED;  // why it waits, as it was said last
  std::atomic<bool> left_ = false;
};

// One task: its files into the folder; several: each into a folder named by its number.
int fetch_outputs(const Context& context, client::Api& api, const v1::OrderView& order,
                  const std::string& folder) {
  std::size_t files = 0;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return report(context, Error{ErrorCode::kFailed, fmt::format("cannot make the folder {}: {}",
                                                                 folder, error.message())});
  }
  for (const v1::TaskView& task : order.tasks()) {
    if (task.output_manifest().empty()) continue;
    const std::string into =
        order.tasks_total() == 1 ? folder : folder + "/" + std::to_string(task.index());
    const auto fetched = client::download_folder(api, task.output_manifest(), into);
    if (!fetched) return report(context, fetched.error());
    files += *fetched;
  }
  if (!context.json) std::fprintf(stderr, "%zu output files in %s\n", files, folder.c_str());
  return kDone;
}

int finish(const Context& context, client::Api& api, v1::OrderView& order, const Job& job) {
  if (auto all = fetch_all_tasks(api, order); !all) return report(context, all.error());
  if (!job.output.empty()) {
    if (const int code = fetch_outputs(context, api, order, job.output); code != kDone) return code;
  }
  if (context.json) {
    print_json(order);
  } else {
    for (const v1::TaskView& task : order.tasks()) {
      if (task.state() != v1::FAILED) continue;
      std::fprintf(stderr, "task %u failed: %s (%s)%s%s\n", task.index(),
                   lower(v1::EndReason_Name(task.last_reason())).c_str(),
                   task.last_reason() == v1::EXIT_CODE
                       ? fmt::format("exit code {}", task.exit_code()).c_str()
                       : lower(v1::Blame_Name(task.last_blame()).substr(6)).c_str(),
                   task.detail().empty() ? "" : ": ", printable(task.detail()).c_str());
    }
    std::fprintf(stderr, "job %llu: %u of %u tasks done, charged %s\n",
                 static_cast<unsigned long long>(order.id()), order.tasks_done(),
                 order.tasks_total(), order.charged().c_str());
  }
  return order.state() == v1::ORDER_DONE ? kDone : kJobFailed;
}

void say_where_it_is(std::uint64_t order) {
  const auto id = static_cast<unsigned long long>(order);
  std::fprintf(stderr,
               "job %llu is left to end by itself; see it with: fallow jobs %llu, fallow logs -f "
               "%llu\n",
               id, id, id);
}

int run(const Context& context, const RunOptions& options) {
  const auto job = job_of(context, options);
  if (!job) return report(context, job.error());
  auto request = make_request(*job);
  if (!request) return report(context, request.error());
  // Before the market hears of the job: what is not there would be missed at its start.
  std::optional<LocalPorts> ports;
  if (!job->ports.empty() && !options.detach) {
    auto listening = LocalPorts::listen(job->ports, kPortsAddress);
    if (!listening) return report(context, listening.error());
    ports = std::move(*listening);
  }
  auto secrets = read_secret_sources(job->secrets);
  if (!secrets) return report(context, secrets.error());
  const auto api = context.connect();
  if (!api) return kUsage;
  std::vector<client::Part> parts;
  if (!job->input.empty()) parts.push_back({"", job->input});
  for (const JobInput& input : job->inputs) parts.push_back({input.place, input.source});
  if (!parts.empty()) {
    const auto uploaded = client::upload_parts(*api, parts);
    if (!uploaded) return report(context, uploaded.error());
    request->set_input_manifest(to_hex(uploaded->manifest));
    if (!context.json) {
      std::fprintf(stderr, "input: %zu files, %llu bytes (%llu sent)\n", uploaded->files,
                   static_cast<unsigned long long>(uploaded->bytes),
                   static_cast<unsigned long long>(uploaded->bytes_sent));
    }
  }
  if (options.quote.empty()) {
    const auto quote = best_quote(context, *api, *job);
    if (!quote) return report(context, quote.error());
    if (!context.json) std::fprintf(stderr, "quote: %s\n", describe_quote(*quote).c_str());
    request->set_quote(quote->id());
  } else {
    request->set_quote(options.quote);
  }
  const auto order = api->call<v1::OrderView>("Orders.CreateOrder", *request);
  if (!order) return report(context, order.error());
  if (options.detach) {
    if (context.json) {
      print_json(*order);
    } else {
      std::printf("%llu\n", static_cast<unsigned long long>(order->id()));
    }
    if (!job->secrets.empty() && !context.json) {
      std::fprintf(stderr,
                   "its tasks wait for their secrets: hand them over with  fallow secrets %llu\n",
                   static_cast<unsigned long long>(order->id()));
    }
    return kDone;
  }
  if (!context.json) {
    std::fprintf(stderr, "job %llu accepted, holding %s\n",
                 static_cast<unsigned long long>(order->id()), order->budget().c_str());
  }
  Follower follower(context, *order, job->secrets.empty() ? nullptr : &*secrets, std::move(ports));
  auto ended = follower.follow();
  if (follower.left() || !ended) say_where_it_is(order->id());
  if (follower.left()) return kJobFailed;
  if (!ended) return report(context, ended.error());
  return finish(context, *api, *ended, *job);
}

}  // namespace

void add_run(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<RunOptions>();
  Parser* command =
      app.add_subcommand("run", "run a command on matching GPUs; all of it, to the end");
  options->requirements = add_requirement_options(*command);
  Option* quote = command->add_option(
      "--quote", options->quote,
      "take this quote, for as many tasks of what it is for; then no option that says that anew");
  command->exclude_others(*quote);
  command->add_option("--name", options->job.name, "of the job; default: the command's");
  command
      ->add_option("--budget", options->job.budget,
                   "the most the whole job may cost, e.g. 2.50; default: the quote's total")
      ->check(amount_complaint);
  command->add_option("--project", options->job.project,
                      "count it for this project's budget (see `fallow wallet budget`), too");
  command
      ->add_option("--deadline", options->job.deadline_hours,
                   "hours from now until every task shall be done: the market runs them on spot "
                   "while that is safe, and on demand where it is not")
      ->check(range(0.01, 17'568.0))
      ->excludes("--tier");
  command
      ->add_option("--restart", options->job.restart_minutes,
                   "minutes that a start takes until new work is done")
      ->check(range(0.0, 1'440.0))
      ->needs("--deadline")
      ->capture_default_str();
  command->add_option("--image", options->job.image,
                      "OCI image: [REGISTRY/]NAME[:TAG][@sha256:DIGEST], or in the folder of --in "
                      "oci-archive:PATH, docker-archive:PATH, oci:PATH; default: the node's own "
                      "/usr");
  command
      ->add_option("--in", options->job.input, "folder that each task finds as its working folder")
      ->check(existing_folder());
  command->add_option("--out", options->job.output,
                      "fetch what tasks write to $FALLOW_OUT into this folder");
  command->add_option("--env", options->job.environment, "NAME=VALUE; may be repeated");
  add_secret_options(*command, options->job.secrets);
  command->add_option("--attempts", options->job.attempts_max,
                      "of one task over all nodes; 0: the market's");
  command->add_option("--checkpoint-every", options->job.checkpoint_seconds,
                      "seconds from one saving of a task's checkpoints to the next, 5 at least; 0: "
                      "as the node does it");
  command->add_flag("--no-restart", options->job.no_restart,
                    "a task that ran is not placed again, whatever ended it");
  command->add_flag("--no-wait", options->job.no_wait, "refuse when nothing can start now");
  Option* file = command->add_option("-f,--file", options->file,
                                     "the job as docs/job-files.md has it; then no other option");
  command->exclude_others(*file);
  command->add_flag("-d,--detach", options->detach, "print the job's id and leave it running");
  command->takes_command("[-- COMMAND...]");
  command->footer(
      "Everything behind -- is the command. Ctrl-C asks the market to stop the job; a second one\n"
      "leaves it to end by itself and says how to find it.\n"
      "Exit codes: 0 done, 1 the job failed, 2 usage, 3 refused by the market, 4 no server.\n"
      "Examples:\n  fallow run 'gpu_ram>=8' --tasks 12 --in ./scene --out ./tiles -- ./pathtrace "
      "render\n"
      "  fallow run 'gpu_ram>=40' --nodes 4 --gpus 8 -- sh -c './train "
      "--rank $FALLOW_NODE_RANK --of $FALLOW_NODES'\n"
      "  fallow run 'gpu_ram>=24' --image ghcr.io/org/trainer:1.2 --in ./data -- python train.py\n"
      "  fallow run 'gpu_ram>=24' --hours 2 --deadline 6 --budget 1.50 --network egress -- "
      "./train\n"
      "  HF_TOKEN=... fallow run 'gpu_ram>=24' --secret HF_TOKEN --network egress -- ./fetch");
  command->callback(
      [=, &context] { context.run = [=, &context] { return run(context, *options); }; });
}

}  // namespace fallow::cli
