// fallow speeds: how fast the models are that the market knows; operators set what they measured.
#include <algorithm>

#include "cli/command.h"
#include "cli/requirement_options.h"

namespace fallow::cli {
namespace {

struct SpeedsOptions {
  std::string model;
  std::string workload;
  double speed = 0;
};

// Marked when it was set.
std::string shown_speed(const v1::SpeedView& view, v1::WorkloadClass workload, double speed) {
  const auto& set = view.set();
  const bool measured = std::find(set.begin(), set.end(), workload) != set.end();
  return fmt::format("{:.3f}{}", speed, measured ? "*" : " ");
}

void add_row(Table& table, const v1::SpeedView& view) {
  table.add({view.model(), shown_speed(view, v1::GENERAL, view.general()),
             shown_speed(view, v1::FP32, view.fp32()), shown_speed(view, v1::FP16, view.fp16()),
             shown_speed(view, v1::BANDWIDTH, view.bandwidth())});
}

Table speed_table() { return Table({"MODEL", ">GENERAL", ">FP32", ">FP16", ">BANDWIDTH"}); }

int list_speeds(const Context& context) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListSpeedsRequest request;
  request.set_page_size(1'000);
  Table table = speed_table();
  do {
    const auto page = api->call<v1::ListSpeedsResponse>("Market.ListSpeeds", request);
    if (!page) return report(context, page.error());
    for (const v1::SpeedView& view : page->speeds()) {
      if (context.json) {
        print_json(view);
      } else {
        add_row(table, view);
      }
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (!context.json) table.print("");
  return kDone;
}

int set(const Context& context, const SpeedsOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::SetSpeedRequest request;
  request.set_model(options.model);
  request.set_workload_class(workload_classes().at(options.workload));
  request.set_speed(options.speed);
  const auto view = api->call<v1::SpeedView>("Market.SetSpeed", request);
  if (!view) return report(context, view.error());
  if (context.json) {
    print_json(*view);
    return kDone;
  }
  Table table = speed_table();
  add_row(table, *view);
  table.print("");
  return kDone;
}

}  // namespace

void add_speeds(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<SpeedsOptions>();
  Parser* command =
      app.add_subcommand("speeds", "how fast the models are, where an RTX 3090 has 1; * was set");
  command->footer(
      "Examples:\n  fallow speeds\n  fallow speeds set RTX_4090 fp16 2.31\n"
      "  fallow speeds set RTX_4090 fp16 0    the vendor's figure again");
  command->callback([=, &context] {
    if (!context.run) context.run = [&context] { return list_speeds(context); };
  });
  Parser* set_one = command->add_subcommand("set", "say what was measured (operators only)");
  set_one->add_option("model", options->model, "as in gpu_name, e.g. RTX_4090")
      ->required()
      ->check([](const std::string& text) {
        return text.empty() ? std::string("name one, as in gpu_name") : std::string();
      });
  std::vector<std::string> words;
  for (const auto& [word, unused] : workload_classes()) words.push_back(word);
  set_one->add_option("class", options->workload, "of workload: general, fp32, fp16 or bandwidth")
      ->required()
      ->check(one_of(words));
  set_one
      ->add_option("speed", options->speed,
                   "times an RTX 3090's, from 0.001; 0: the vendor's figure again")
      ->required();
  set_one->callback(
      [=, &context] { context.run = [=, &context] { return set(context, *options); }; });
}

}  // namespace fallow::cli
