#include "cli/waiting.h"

#include <fmt/core.h>
#include <google/protobuf/util/time_util.h>

namespace fallow::cli {

std::string waiting_sentence(const v1::OrderView& order) {
  const std::string tasks = order.tasks_waiting() == 1
                                ? "1 task waits"
                                : fmt::format("{} tasks wait", order.tasks_waiting());
  switch (order.waits_for()) {
    case v1::WAITS_FOR_PRICE:
      return fmt::format(
          "{} for the price: a task may cost {}/h, the cheapest match that is free costs {}/h; "
          "wait "
          "until one is free or falls to that, or stop the job and run it at today's price "
          "(fallow stop {})",
          tasks, order.price_per_hour_max(), order.free_price_per_hour(), order.id());
    case v1::WAITS_FOR_NODE:
      return fmt::format(
          "{} for a node: nothing that matches is free; wait, or stop the job and ask for less "
          "(fallow stop {})",
          tasks, order.id());
    case v1::WAITS_TO_RETRY:
      return fmt::format("{} to be tried again, the first at {}: their nodes failed them before",
                         tasks, google::protobuf::util::TimeUtil::ToString(order.retry_at()));
    default:
      return {};
  }
}

std::string waiting_words(const v1::OrderView& order) {
  switch (order.waits_for()) {
    case v1::WAITS_FOR_PRICE:
      return fmt::format("price {} > {}", order.free_price_per_hour(), order.price_per_hour_max());
    case v1::WAITS_FOR_NODE:
      return "node";
    case v1::WAITS_TO_RETRY:
      return "retry";
    default:
      return {};
  }
}

}  // namespace fallow::cli
