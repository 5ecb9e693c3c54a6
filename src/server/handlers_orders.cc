// The service Orders: jobs of one or many tasks.
#include <algorithm>

#include "artifacts/manifest.h"
#include "artifacts/store.h"
#include "base/digest.h"
#include "core/secret_names.h"
#include "fallow/v1/services.pb.h"
#include "server/event_streams.h"
#include "server/handlers.h"
#include "server/pages.h"
#include "server/requirements.h"
#include "server/scan.h"
#include "server/views.h"
#include "server/visible.h"

namespace fallow::server {
namespace {

constexpr double kDeadlineHoursMax = 2 * 24 * 366;
constexpr double kMoreHoursMax = 24 * 366;
// Of a page so many waiting orders are told what they wait for: each costs the market a match.
constexpr std::size_t kOrdersExplainedMax = 50;

Answer<void> put_shape(Call& call, const v1::CreateOrderRequest& request, v1::SubmitOrder& out) {
  if (!request.quote().empty()) {
    if (request.has_requirements()) {
      return refuse_field("requirements",
                          "give a quote or requirements, not both: a quote holds its own");
    }
    FALLOW_ASSIGN(*out.mutable_quote(), call.parts().quotes->quote_of(request.quote()));
    *out.mutable_requirements() = out.quote().requirements();
    if (!request.workload().image().empty() && !wants_images(out.requirements().query())) {
      return refuse_field("quote",
                          "the quote holds nodes that run no images, too: ask for one with "
                          "`images`, or with images=true in its query");
    }
    out.set_tasks(request.tasks() == 0 ? out.quote().tasks() : request.tasks());
    return {};
  }
  if (!request.has_requirements()) {
    return refuse_field(
        "requirements",
        "give the id of a quote, or requirements (\"{{}}\" is any GPU for an hour)");
  }
  v1::CreateQuoteRequest asked = request.requirements();
  if (!request.workload().image().empty()) asked.set_images(true);
  FALLOW_ASSIGN(const Wanted wanted, wanted_of(asked, "requirements."));
  *out.mutable_requirements() = wanted.requirements;
  out.set_tasks(request.tasks() == 0 ? wanted.tasks : request.tasks());
  return {};
}

Answer<void> put_input(const v1::CreateOrderRequest& request, v1::SubmitOrder& out) {
  if (request.input_manifest().empty()) return {};
  const auto digest = digest_from_hex(request.input_manifest());
  if (!digest) {
    return refuse_field("input_manifest",
                        "input_manifest is the hex digest of an uploaded manifest");
  }
  if (!request.workload().input_manifest().empty()) {
    return refuse_field("workload.input_manifest",
                        "give the input manifest once: as input_manifest");
  }
  out.mutable_workload()->set_input_manifest(to_bytes(*digest));
  return {};
}

Answer<bool> hold(artifacts::BlobStore& store, const Digest& manifest) {
  constexpr std::string_view kAdvice =
      "is not stored here, or was swept since it was used last; upload the folder again, then "
      "submit the order";
  if (!store.touch(manifest)) {
    return refuse(422, "input_missing", "the input {} {}", to_hex(manifest), kAdvice);
  }
  // What cannot be read as a manifest is for the node to say.
  const artifacts::Limits limits;
  const auto text = store.get_whole(manifest, limits.manifest_bytes_max);
  if (!text) return true;
  const auto files = artifacts::Manifest::parse(*text, limits);
  if (!files) return true;
  for (const artifacts::File& file : files->files()) {
    if (store.touch(file.digest)) continue;
    return refuse(422, "input_missing", "the file {} of the input {}, {}, {}", file.path,
                  to_hex(manifest), to_hex(file.digest), kAdvice);
  }
  return true;
}

// The input is there with all its files, and stays until the order is: the sweeper passes over what
// was just asked for. The first files of a long upload may be old already.
net::Task<Answer<bool>> hold_input(Call& call, const v1::SubmitOrder& order) {
  const auto manifest = digest_from_bytes(order.workload().input_manifest());
  if (!manifest) co_return true;  // none, or one that the market refuses
  const std::function<Answer<bool>()> touch = [&] {
    return hold(*call.parts().artifacts, *manifest);
  };
  co_return co_await call.on_disk(touch);
}

// Before anything of it is a command: what stands there by mistake must not come into the log.
Answer<void> check_secret_names(const v1::CreateOrderRequest& request) {
  const auto why = core::check_secrets(request.workload());
  if (why) return refuse_field(why->field, "{}", why->message);
  return {};
}

net::Task<Answer<v1::OrderView>> create_order(Call& call, const v1::CreateOrderRequest& request) {
  FALLOW_CO_TRY(check_secret_names(request));
  v1::Command command;
  v1::SubmitOrder& out = *command.mutable_submit_order();
  out.set_account(call.caller().account.value);
  out.set_name(request.name());
  out.set_project(request.project());
  FALLOW_CO_ASSIGN(const Duration until, hours_of("deadline_hours", request.deadline_hours(),
                                                  Duration(0), kDeadlineHoursMax));
  FALLOW_CO_ASSIGN(const Duration restart, hours_of("restart_hours", request.restart_hours(),
                                                    Duration(0), kDeadlineHoursMax));
  out.set_deadline_after_us(until.value);
  out.set_restart_us(restart.value);
  *out.mutable_workload() = request.workload();
  FALLOW_CO_TRY(put_shape(call, request, out));
  FALLOW_CO_TRY(put_input(request, out));
  FALLOW_CO_TRY(co_await hold_input(call, out));
  FALLOW_CO_ASSIGN(const Micros budget, limit_of("budget", request.budget()));
  out.set_budget_micros_max(budget.value);
  out.set_attempts_max(request.attempts_max());
  out.set_wait(!request.no_wait());

  const std::function<Answer<v1::OrderView>(const Done&)> take =
      [](const Done& done) -> Answer<v1::OrderView> {
    const std::uint64_t id = done.entity(&v1::Event::order_accepted, v1::Event::kOrderAccepted,
                                         &v1::OrderAccepted::order);
    const core::Order* order = done.machine.order(OrderId(id));
    if (order == nullptr) return order_unknown(id);
    return order_view(*order, done.machine, true);
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::ListOrdersResponse>> list_orders(Call& call,
                                                      const v1::ListOrdersRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t before, page_position("orders", request.page_token()));
  v1::ListOrdersResponse response;
  std::size_t explained = 0;
  const auto step = [&](const core::Machine& machine, Scan& scan) {
    machine.visit_orders_newest(OrderId(scan.position), [&](const core::Order& order) {
      if (!scan.look_at(order.id.value)) return false;
      if (!call.caller().may_see(order.account)) return true;
      if (request.open_only() && order.state != v1::OPEN) return true;
      v1::OrderView& view = *response.add_orders();
      view = order_view(order, machine, false);
      if (order.waiting > 0 && order.state == v1::OPEN && explained < kOrdersExplainedMax) {
        ++explained;
        put_waits_for(view, order, machine);
      }
      return scan.take();
    });
  };
  FALLOW_CO_ASSIGN(const Scan scan, co_await scan_all(call, before, size, step));
  if (scan.is_full()) response.set_next_page_token(page_token("orders", scan.position));
  co_return response;
}

net::Task<Answer<v1::OrderView>> get_order(Call& call, const v1::GetOrderRequest& request) {
  const std::function<Answer<v1::OrderView>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::OrderView> {
    FALLOW_ASSIGN(const core::Order* order, visible_order(call, machine, request.order()));
    return order_view(*order, machine, true);
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::ListTasksResponse>> list_tasks(Call& call,
                                                    const v1::ListTasksRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t next, page_position("tasks", request.page_token()));
  const std::uint64_t begin = request.page_token().empty() ? request.first() : next;
  const std::function<Answer<v1::ListTasksResponse>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::ListTasksResponse> {
    FALLOW_ASSIGN(const core::Order* order, visible_order(call, machine, request.order()));
    v1::ListTasksResponse response;
    const std::uint64_t count = order->tasks.size();
    const std::uint64_t end = std::min<std::uint64_t>(count, std::min(begin, count) + size);
    for (std::uint64_t i = begin; i < end; ++i) {
      *response.add_tasks() = task_view(order->tasks[static_cast<std::size_t>(i)],
                                        static_cast<std::uint32_t>(i), machine);
    }
    if (end < count) response.set_next_page_token(page_token("tasks", end));
    return response;
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::OrderView>> stop_order(Call& call, const v1::StopOrderRequest& request) {
  const std::function<Answer<bool>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<bool> {
    FALLOW_TRY(visible_order(call, machine, request.order()));
    return true;
  };
  FALLOW_CO_TRY(co_await call.visit(look));
  v1::Command command;
  command.mutable_stop_order()->set_order(request.order());
  const std::function<Answer<v1::OrderView>(const Done&)> take =
      [&](const Done& done) -> Answer<v1::OrderView> {
    FALLOW_ASSIGN(const core::Order* order, visible_order(call, done.machine, request.order()));
    return order_view(*order, done.machine, true);
  };
  co_return co_await call.submit(std::move(command), take);
}

Answer<Duration> more_time(double hours) {
  FALLOW_ASSIGN(const Duration more, hours_of("hours", hours, Duration(0), kMoreHoursMax));
  if (more.value == 0) return refuse_field("hours", "say how many hours more");
  return more;
}

net::Task<Answer<v1::ExtensionView>> get_extension(Call& call,
                                                   const v1::GetExtensionRequest& request) {
  FALLOW_CO_ASSIGN(const Duration more, more_time(request.hours()));
  const std::function<Answer<v1::ExtensionView>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::ExtensionView> {
    FALLOW_ASSIGN(const core::Order* order, own_order(call, machine, request.order()));
    const auto extension = machine.extension(*order, more);
    if (!extension) return tl::unexpected(problem_of(extension.error()));
    return extension_view(*order, *extension, more);
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::OrderView>> extend_order(Call& call, const v1::ExtendOrderRequest& request) {
  FALLOW_CO_ASSIGN(const Duration more, more_time(request.hours()));
  const std::function<Answer<bool>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<bool> {
    FALLOW_TRY(own_order(call, machine, request.order()));
    return true;
  };
  FALLOW_CO_TRY(co_await call.visit(look));
  v1::Command command;
  command.mutable_extend_order()->set_order(request.order());
  command.mutable_extend_order()->set_more_us(more.value);
  const std::function<Answer<v1::OrderView>(const Done&)> take =
      [&](const Done& done) -> Answer<v1::OrderView> {
    FALLOW_ASSIGN(const core::Order* order, own_order(call, done.machine, request.order()));
    return order_view(*order, done.machine, true);
  };
  co_return co_await call.submit(std::move(command), take);
}

}  // namespace

void add_order_handlers(Handlers& handlers) {
  handlers.add("Orders.CreateOrder", create_order);
  handlers.add("Orders.ListOrders", list_orders);
  handlers.add("Orders.GetOrder", get_order);
  handlers.add("Orders.ListTasks", list_tasks);
  handlers.add("Orders.StopOrder", stop_order);
  handlers.add("Orders.GetExtension", get_extension);
  handlers.add("Orders.ExtendOrder", extend_order);
  handlers.add_stream<v1::FollowOrderLogsRequest, v1::LogLine>("Orders.FollowOrderLogs",
                                                               follow_order_logs);
}

}  // namespace fallow::server
