// fallow offers: search the market with its query language, and see what its classes went for.
#include <google/protobuf/util/time_util.h>

#include "cli/command.h"
#include "cli/requirement_options.h"

namespace fallow::cli {
namespace {

struct OffersOptions {
  std::vector<std::string> query;
  std::string price_class;
  std::string order;
  std::string objective;
  std::string workload = "general";
  std::uint32_t count_max = 100;
};

// "eu/hall-2/7": region, LAN and rack, as far as the provider says.
std::string place_of(const v1::OfferView& offer) {
  std::string place = offer.region();
  if (!offer.lan().empty() || !offer.rack().empty()) place += '/' + offer.lan();
  if (!offer.rack().empty()) place += '/' + offer.rack();
  return place;
}

std::string egress_price_of(const v1::OfferView& offer) {
  if (offer.network() != v1::EGRESS) return "";
  return offer.egress_price_per_gb().empty() ? "free" : offer.egress_price_per_gb();
}

int offers(const Context& context, const OffersOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListOffersRequest request;
  request.set_query(join(options.query));
  // By price, unless something else is asked for.
  request.set_order(options.order.empty() && options.objective.empty() ? "price" : options.order);
  if (!options.objective.empty()) request.set_objective(objectives().at(options.objective));
  request.set_workload_class(workload_classes().at(options.workload));
  Table table({"NODE", "NAME", "GPU", ">GPUS", ">FREE", ">GB", ">SPEED", ">PRICE/H", "REGION",
               ">RELIABILITY", "SANDBOX", "NETWORK", ">EGRESS/GB", "AVAILABLE"});
  std::uint32_t shown_count = 0;
  do {
    request.set_page_size(std::min<std::uint32_t>(options.count_max - shown_count, 1'000));
    const auto page = api->call<v1::ListOffersResponse>("Market.ListOffers", request);
    if (!page) return report(context, page.error());
    for (const v1::OfferView& offer : page->offers()) {
      ++shown_count;
      if (context.json) {
        print_json(offer);
        continue;
      }
      table.add({std::to_string(offer.node()), offer.node_name(), offer.gpu_name(),
                 std::to_string(offer.num_gpus()),
                 fmt::format("{:.2f}", offer.free_thousandths() / 1000.0),
                 fmt::format("{:.0f}", offer.gpu_ram_gb()), fmt::format("{:.2f}", offer.speed()),
                 offer.price_per_hour(), place_of(offer),
                 fmt::format("{:.3f}", offer.reliability()),
                 lower(v1::Isolation_Name(offer.isolation())),
                 offer.network() == v1::EGRESS ? "egress" : "none", egress_price_of(offer),
                 offer.available() ? "yes" : "no"});
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty() && shown_count < options.count_max);
  if (!context.json) {
    table.print("no offer matches; `fallow quote` with the same query says what would");
  }
  return kDone;
}

// What an empty price shows as.
std::string shown_price(const std::string& price) { return price.empty() ? "-" : price; }

int prices(const Context& context, const OffersOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListPricesRequest request;
  const std::size_t slash = options.price_class.find('/');
  request.set_model(options.price_class.substr(0, slash));
  if (slash != std::string::npos) request.set_region(options.price_class.substr(slash + 1));
  Table table({"UNTIL", "GPU", "REGION", ">INDEX/H", ">LOW", ">MEAN", ">HIGH", ">LEASES", ">GPUS",
               ">OFFERED", ">USE"});
  std::uint32_t rows = 0;
  do {
    request.set_page_size(std::min<std::uint32_t>(options.count_max - rows, 1'000));
    const auto page = api->call<v1::ListPricesResponse>("Market.ListPrices", request);
    if (!page) return report(context, page.error());
    for (const v1::PriceView& price : page->prices()) {
      ++rows;
      if (context.json) {
        print_json(price);
        continue;
      }
      table.add({google::protobuf::util::TimeUtil::ToString(price.at()), price.model(),
                 price.region(), price.close(), shown_price(price.low()), shown_price(price.mean()),
                 shown_price(price.high()), std::to_string(price.leases()),
                 fmt::format("{:.2f}", price.devices_leased()),
                 fmt::format("{:.2f}", price.devices_offered()),
                 fmt::format("{:.1f} %", 100 * price.use())});
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty() && rows < options.count_max);
  if (!context.json) {
    table.print("no interval of this class has ended yet: `fallow offers` shows today's prices");
  }
  return kDone;
}

}  // namespace

void add_offers(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<OffersOptions>();
  Parser* command = app.add_subcommand("offers", "search offers with the query language");
  command->add_option("query", options->query, "e.g. 'gpu_name=RTX_4090 reliability>0.95'");
  add_objective_options(*command, options->objective, options->workload);
  command
      ->add_option("-o,--order", options->order,
                   "fields; a trailing minus turns one round; default: price")
      ->excludes("--objective");
  command->add_option("-n,--count", options->count_max, "the most to show")
      ->check(range(1U, kCountMax))
      ->capture_default_str();
  command->add_option("--price-history", options->price_class,
                      "MODEL or MODEL/REGION: what it went for, newest first");
  command->footer(
      "Examples:\n  fallow offers 'gpu_ram>=24 region in [eu,us]' -o price,reliability-\n"
      "  fallow offers --price-history RTX_4090/eu\n"
      "docs/query.md has every field and operator.");
  command->callback([options, &context] {
    context.run = [options, &context] {
      return options->price_class.empty() ? offers(context, *options) : prices(context, *options);
    };
  });
}

}  // namespace fallow::cli
