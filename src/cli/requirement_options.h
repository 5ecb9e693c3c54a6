// The options with which a renter says what is needed: the same for `quote` and `run`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/parser.h"
#include "fallow/v1/services.pb.h"

namespace fallow::cli {

struct RequirementOptions {
  std::vector<std::string> query;
  std::uint32_t gpus = 1;
  std::uint32_t nodes = 1;
  std::uint32_t tasks = 0;  // 0: one gang, or one task
  double device_share = 1;
  double hours = 1;
  double memory_gb = 0;
  double cpu_cores = 0;
  double disk_gb = 0;
  std::string network = "none";
  double egress_gb = 0;  // above 0 it means the network egress
  std::string max_price;
  std::string tier = "on_demand";
  std::string term;
  std::string bid;
  std::string objective = "cheapest";
  std::string workload = "general";
  std::string near;
  std::string isolation;
};

// What is wrong with an amount that limits something, or nothing: 0 would be no limit.
std::string amount_complaint(const std::string& text);

// Hours of "90m", "12h", "3d", "2w", "week", "month"; 0 for what is no time.
double hours_of_term(const std::string& text);

// Which offer is best, and for what: words of the command line as the schema has them.
const std::map<std::string, v1::Objective>& objectives();
const std::map<std::string, v1::WorkloadClass>& workload_classes();
// --objective and --workload; `objective` may begin empty.
void add_objective_options(Parser& command, std::string& objective, std::string& workload);

std::shared_ptr<RequirementOptions> add_requirement_options(Parser& command);
v1::CreateQuoteRequest to_request(const RequirementOptions& options);
// "12 tasks, each 1 GPU for up to 1.0 h: 0.40 per hour and task, 4.80 in all, firm until 12:00:05
// UTC"
std::string describe_quote(const v1::QuoteView& quote);

// Words of a query, joined by blanks, so that quoting it in the shell is optional.
std::string join(const std::vector<std::string>& words);

}  // namespace fallow::cli
