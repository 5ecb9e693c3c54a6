// The service Market: what is offered, at what price, and what happens.
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/money.h"
#include "core/book.h"
#include "core/listing.h"
#include "core/ordered_page.h"
#include "core/query.h"
#include "fallow/v1/services.pb.h"
#include "server/event_streams.h"
#include "server/handlers.h"
#include "server/pages.h"
#include "server/requirements.h"
#include "server/scan.h"
#include "server/views.h"

namespace fallow::server {
namespace {

net::Task<Answer<v1::MarketView>> get_market(Call& call, const v1::GetMarketRequest&) {
  const std::function<Answer<v1::MarketView>(const core::Machine&)> look =
      [&call](const core::Machine& machine) -> Answer<v1::MarketView> {
    v1::MarketView view = market_view(machine, call.now());
    view.set_log_head(to_hex(call.parts().engine->chain()));
    return view;
  };
  co_return co_await call.visit(look);
}

v1::Problem query_problem(std::string_view field, const core::QueryError& error) {
  v1::Problem problem = make_problem(400, "query_invalid", error.message, field);
  problem.set_column(error.column);
  return problem;
}

Answer<core::ListOptions> list_options(const v1::ListOffersRequest& request) {
  core::ListOptions options;
  FALLOW_ASSIGN(options.count_max, page_size_of(request.page_size()));
  core::QueryError error;
  auto order = core::parse_order(request.order(), error);
  if (!order) return tl::unexpected(query_problem("order", error));
  options.order = std::move(*order);
  if (!request.page_token().empty()) {
    options.after = core::cursor_of_text(request.page_token());
    if (!options.after) {
      return refuse_field("page_token", "this is not a next_page_token of this list");
    }
  }
  return options;
}

// Of its devices, where an RTX 3090 has 1.
double fastest(const core::Node& node, const core::SpeedTable& speeds, v1::WorkloadClass workload) {
  std::int64_t most = 0;
  const v1::Device* before = nullptr;
  for (const core::NodeDevice& device : node.devices) {
    const v1::Device& facts = device.facts;
    // Nearly always all are alike, and a look into the tables is dear on the market's thread.
    const bool alike = before != nullptr && before->model() == facts.model() &&
                       before->memory_mb() == facts.memory_mb() && before->kind() == facts.kind();
    if (!alike) most = std::max(most, speeds.of(facts)[workload]);
    before = &facts;
  }
  return static_cast<double>(most) / core::kSpeedUnit;
}

void add_offer(v1::ListOffersResponse& response, const core::Node& node,
               const core::Machine& machine, v1::WorkloadClass workload) {
  v1::OfferView& view = *response.add_offers();
  view = offer_view(node);
  view.set_speed(fastest(node, machine.book().scoring().speeds, workload));
}

// A page by rank: the book stops looking when it is full.
net::Task<Answer<v1::ListOffersResponse>> list_by_rank(Call& call, const core::Demand& demand,
                                                       const core::ListOptions& options) {
  const std::function<Answer<v1::ListOffersResponse>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::ListOffersResponse> {
    v1::ListOffersResponse response;
    const std::vector<core::Placement> rows = machine.book().list(demand, options);
    for (const core::Placement& row : rows) {
      add_offer(response, *row.node, machine, core::workload_of(demand.requirements));
    }
    if (rows.size() == options.count_max) {
      response.set_next_page_token(core::text_of(
          core::cursor_of(demand, machine.book().scoring(), options.order, rows.back())));
    }
    return response;
  };
  co_return co_await call.visit(look);
}

// A page in the caller's own order: every node is looked at, in short visits.
net::Task<Answer<v1::ListOffersResponse>> list_by_order(Call& call, const core::Demand& demand,
                                                        const core::ListOptions& options) {
  core::OrderedPage page(options);
  const std::function<void(const core::Machine&, Scan&)> step = [&](const core::Machine& machine,
                                                                    Scan& scan) {
    const core::Matcher matcher(demand, machine.book().scoring());
    machine.visit_nodes(NodeId(scan.position), [&](const core::Node& node) {
      if (!scan.look_at(node.id.value)) return false;
      page.look_at(node, matcher);
      return true;
    });
  };
  FALLOW_CO_TRY(co_await scan_all(call, 0, std::numeric_limits<std::size_t>::max(), step));
  const std::function<Answer<v1::ListOffersResponse>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::ListOffersResponse> {
    v1::ListOffersResponse response;
    for (const core::ListCursor& row : page.rows()) {
      const core::Node* const node = machine.node(row.node);
      // It may have gone since it was looked at.
      if (node == nullptr || !core::is_offered(*node)) continue;
      add_offer(response, *node, machine, core::workload_of(demand.requirements));
    }
    if (page.rows().size() == options.count_max) {
      response.set_next_page_token(core::text_of(page.rows().back()));
    }
    return response;
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::ListOffersResponse>> list_offers(Call& call,
                                                      const v1::ListOffersRequest& request) {
  core::QueryError error;
  auto query = core::Query::parse(request.query(), error);
  if (!query) co_return tl::unexpected(query_problem("query", error));
  FALLOW_CO_ASSIGN(const core::ListOptions options, list_options(request));
  if (!v1::Objective_IsValid(request.objective())) {
    co_return refuse_field("objective", "the objectives are cheapest, fastest, cost_to_complete");
  }
  if (!v1::WorkloadClass_IsValid(request.workload_class())) {
    co_return refuse_field("workload_class",
                           "the classes of workload are general, fp32, fp16 and bandwidth");
  }
  core::Demand demand;
  demand.query = std::move(*query);
  demand.requirements.set_query(request.query());
  demand.requirements.set_gpus(1);
  demand.requirements.set_device_thousandths(core::kWholeDevice);
  demand.requirements.set_objective(request.objective());
  demand.requirements.set_workload_class(request.workload_class());

  if (options.order.empty()) co_return co_await list_by_rank(call, demand, options);
  co_return co_await list_by_order(call, demand, options);
}

net::Task<Answer<v1::ListPricesResponse>> list_prices(Call& call,
                                                      const v1::ListPricesRequest& request) {
  if (request.model().empty()) {
    co_return refuse_field("model", "name the model whose prices are asked for, as in gpu_name");
  }
  const std::string model = core::canonical_word(request.model());
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t before, page_position("prices", request.page_token()));
  const std::function<Answer<v1::ListPricesResponse>()> read =
      [&]() -> Answer<v1::ListPricesResponse> {
    auto page = call.parts().prices->prices(model, request.region(), before, size);
    if (!page) return tl::unexpected(problem_of(page.error(), "read the prices"));
    v1::ListPricesResponse response;
    for (v1::PriceView& price : page->prices) *response.add_prices() = std::move(price);
    if (page->next != 0) response.set_next_page_token(page_token("prices", page->next));
    return response;
  };
  co_return co_await call.on_disk(read);
}

net::Task<Answer<v1::ListClassesResponse>> list_classes(Call& call, const v1::ListClassesRequest&) {
  const std::function<Answer<v1::ListClassesResponse>()> read =
      [&]() -> Answer<v1::ListClassesResponse> {
    auto classes = call.parts().prices->classes(kPageSizeMax);
    if (!classes) return tl::unexpected(problem_of(classes.error(), "read the prices"));
    v1::ListClassesResponse response;
    for (v1::PriceView& price : *classes) *response.add_classes() = std::move(price);
    return response;
  };
  co_return co_await call.on_disk(read);
}

v1::SpeedView speed_view(std::string_view model, const core::SpeedTable& table) {
  const core::Speeds speeds = table.of_model(model);
  const core::Speeds set = table.counting(model);
  const auto shown = [&](v1::WorkloadClass workload) {
    return static_cast<double>(speeds[workload]) / core::kSpeedUnit;
  };
  v1::SpeedView view;
  view.set_model(std::string(model));
  view.set_general(shown(v1::GENERAL));
  view.set_fp32(shown(v1::FP32));
  view.set_fp16(shown(v1::FP16));
  view.set_bandwidth(shown(v1::BANDWIDTH));
  for (const v1::WorkloadClass workload : {v1::GENERAL, v1::FP32, v1::FP16, v1::BANDWIDTH}) {
    if (set[workload] > 0) view.add_set(workload);
  }
  return view;
}

net::Task<Answer<v1::ListSpeedsResponse>> list_speeds(Call& call,
                                                      const v1::ListSpeedsRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::string after, page_name("speeds", request.page_token()));
  const std::function<Answer<v1::ListSpeedsResponse>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::ListSpeedsResponse> {
    const core::SpeedTable& table = machine.book().scoring().speeds;
    std::set<std::string_view> models;  // the first `size` behind `after`, and one more
    const auto add = [&](std::string_view model) {
      if (model > after) models.insert(model);
      if (models.size() > size + 1) models.erase(std::prev(models.end()));
    };
    for (const std::string_view model : core::vendor_models()) add(model);
    table.visit([&](const std::string& model, const core::Speeds&) { add(model); });
    v1::ListSpeedsResponse response;
    for (const std::string_view model : models) {
      if (static_cast<std::size_t>(response.speeds_size()) == size) {
        const std::string& last = response.speeds(response.speeds_size() - 1).model();
        response.set_next_page_token(page_token("speeds", last));
        break;
      }
      *response.add_speeds() = speed_view(model, table);
    }
    return response;
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::SpeedView>> set_speed(Call& call, const v1::SetSpeedRequest& request) {
  constexpr double kMost = static_cast<double>(core::kSpeedMax) / core::kSpeedUnit;
  if (!std::isfinite(request.speed()) || request.speed() < 0 || request.speed() > kMost) {
    co_return refuse_field("speed",
                           "speed counts RTX 3090s: above 0 and at most {:.0f}, or 0 for "
                           "the vendor's figure",
                           kMost);
  }
  const double thousandths = std::round(request.speed() * core::kSpeedUnit);
  if (request.speed() > 0 && thousandths == 0) {
    co_return refuse_field("speed", "speed is below a thousandth of an RTX 3090");
  }
  v1::Command command;
  v1::SetSpeed& set = *command.mutable_set_speed();
  set.set_model(request.model());
  set.set_workload_class(request.workload_class());
  set.set_speed_thousandths(static_cast<std::uint32_t>(thousandths));
  const std::function<Answer<v1::SpeedView>(const Done&)> take =
      [&request](const Done& done) -> Answer<v1::SpeedView> {
    return speed_view(core::canonical_word(request.model()), done.machine.book().scoring().speeds);
  };
  co_return co_await call.submit(std::move(command), take);
}

void add_part(v1::QuoteView& view, std::string_view name, Micros hour, Duration time,
              std::uint32_t tasks) {
  v1::PricePart& part = *view.add_parts();
  part.set_name(std::string(name));
  part.set_price_per_hour(format_money(hour));
  part.set_total(format_money(Micros(price_of(hour, time).value * tasks)));
}

v1::QuoteView estimate_view(const core::Estimate& estimate) {
  const v1::BoundQuote& quote = estimate.quote;
  v1::QuoteView view = quote_view(quote);
  const Duration time(quote.requirements().duration_us());
  add_part(view, "gpu", estimate.gpu_hour, time, quote.tasks());
  add_part(view, "disk", estimate.disk_hour, time, quote.tasks());
  add_part(view, "fee (included)", estimate.fee_hour, time, quote.tasks());
  if (estimate.discount_hour.value > 0) {
    add_part(view, "term discount (taken off)", estimate.discount_hour, time, quote.tasks());
  }
  if (quote.requirements().tier() == v1::SPOT) {
    add_part(view, "spot price now", estimate.gpu_hour + estimate.disk_hour, time, quote.tasks());
  }
  if (estimate.let_off_hour.value > 0) {
    add_part(view, "volume discount (comes off)", estimate.let_off_hour, time, quote.tasks());
  }
  if (estimate.egress.value > 0) {
    v1::PricePart& part = *view.add_parts();
    part.set_name("egress (at most)");
    part.set_total(format_money(estimate.egress));
  }
  view.set_tasks_at_once(estimate.tasks_at_once);
  for (const core::Placement& offer : estimate.offers) *view.add_offers() = offer_view(*offer.node);
  return view;
}

net::Task<Answer<v1::QuoteView>> create_quote(Call& call, const v1::CreateQuoteRequest& request) {
  FALLOW_CO_ASSIGN(const Wanted wanted, wanted_of(request));
  using Quoted = std::pair<v1::BoundQuote, v1::QuoteView>;
  const std::function<Answer<Quoted>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<Quoted> {
    const auto estimate =
        machine.estimate(wanted.requirements, wanted.tasks, std::max(call.now(), machine.now()),
                         call.caller().account);
    if (!estimate) return tl::unexpected(problem_of(estimate.error()));
    return Quoted(estimate->quote, estimate_view(*estimate));
  };
  FALLOW_CO_ASSIGN(Quoted quoted, co_await call.visit(look));
  quoted.second.set_id(call.parts().quotes->id_of(quoted.first));
  co_return std::move(quoted.second);
}

}  // namespace

void add_market_handlers(Handlers& handlers) {
  handlers.add("Market.GetMarket", get_market);
  handlers.add("Market.ListOffers", list_offers);
  handlers.add("Market.ListPrices", list_prices);
  handlers.add("Market.ListClasses", list_classes);
  handlers.add("Market.ListSpeeds", list_speeds);
  handlers.add("Market.SetSpeed", set_speed);
  handlers.add("Market.CreateQuote", create_quote);
  handlers.add_stream<v1::FollowEventsRequest, v1::FeedEvent>("Market.FollowEvents", follow_events);
}

}  // namespace fallow::server
