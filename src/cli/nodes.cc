// fallow nodes: a provider's machines, their offers, and the tokens with which they join.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/number.h"
#include "cli/command.h"
#include "cli/energy_floor.h"
#include "cli/watch.h"

namespace fallow::cli {
namespace {

constexpr std::string_view kNoneOfThem = "none";

// What was not said keeps what stands.
struct OfferOptions {
  std::uint64_t node = 0;
  std::string price;
  std::string disk_price;
  std::string egress_price;
  std::string floor;
  std::string ceiling;
  std::optional<double> share_min;
  std::optional<double> hours_max;
  std::string discounts;
  std::string spot_floor;
  std::string kwh_price;  // empty: the electricity is not reckoned with
  std::uint32_t device_watts = 0;
};

// "day=500,week=1000" in basis points. A longer term has at least what a shorter one has.
std::string read_discounts(const std::string& text, v1::TermDiscounts& out) {
  static const std::vector<std::string> kTerms{"hour", "day", "week", "month"};
  std::array<std::uint32_t, 4> given{};
  std::size_t next = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    at = end + 1;
    const std::size_t equals = part.find('=');
    const auto term = std::find(kTerms.begin(), kTerms.end(), part.substr(0, equals));
    const auto place = static_cast<std::size_t>(term - kTerms.begin());
    const auto value = equals == std::string::npos
                           ? std::nullopt
                           : parse_number<std::uint32_t>(part.substr(equals + 1));
    if (!value || place < next || place == kTerms.size()) {
      return "'" + part +
             "': write terms in their order with basis points, as in day=500,week=1000";
    }
    for (std::size_t i = place; i < given.size(); ++i) given[i] = *value;
    next = place + 1;
  }
  out.set_hour_basis_points(given[0]);
  out.set_day_basis_points(given[1]);
  out.set_week_basis_points(given[2]);
  out.set_month_basis_points(given[3]);
  return "";
}

int list_nodes(const Context& context) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListNodesRequest request;
  Table table({"NODE", "NAME", "REGION", "DEVICES", ">PRICE/H", "CONNECTED", "OWNER", ">LEASES",
               ">RELIABILITY"});
  do {
    const auto page = api->call<v1::ListNodesResponse>("Nodes.ListNodes", request);
    if (!page) return report(context, page.error());
    for (const v1::NodeView& node : page->nodes()) {
      if (context.json) {
        print_json(node);
        continue;
      }
      std::string devices;
      for (const v1::Device& device : node.facts().devices()) {
        if (!devices.empty()) devices += ' ';
        devices += device.model();
        if (device.proof().state() == v1::PROOF_STATE_UNSPECIFIED) continue;
        devices += fmt::format("({})", lower(v1::ProofState_Name(device.proof().state())));
      }
      table.add({std::to_string(node.id()), node.facts().name(), node.facts().region(), devices,
                 node.has_offer() ? node.offer().price_per_hour() : "not offered",
                 node.connected() ? "yes" : "no",
                 lower(v1::OwnerState_Name(node.owner()).substr(6)),
                 std::to_string(node.leases_running()), fmt::format("{:.3f}", node.reliability())});
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (!context.json) table.print("no nodes; `fallow nodes token` makes a token to join one with");
  return kDone;
}

int token(const Context& context, std::uint32_t uses_max, double hours) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::CreateJoinTokenRequest request;
  request.set_uses_max(uses_max);
  request.set_hours(hours);
  const auto made = api->call<v1::JoinTokenResponse>("Nodes.CreateJoinToken", request);
  if (!made) return report(context, made.error());
  if (context.json) {
    print_json(*made);
  } else {
    std::printf("%s\n", made->token().c_str());
  }
  return kDone;
}

// What sets the offer as it stands.
v1::SetOfferRequest standing_terms(const v1::OfferView& view) {
  v1::SetOfferRequest terms;
  terms.set_price_per_hour(view.price_per_hour());
  terms.set_price_floor_per_hour(view.price_floor_per_hour());
  terms.set_price_ceiling_per_hour(view.price_ceiling_per_hour());
  terms.set_disk_price_per_gb_hour(view.disk_price_per_gb_hour());
  terms.set_egress_price_per_gb(view.egress_price_per_gb());
  terms.set_share_min(view.share_min());
  terms.set_hours_max(view.hours_max());
  terms.set_spot_floor_per_hour(view.spot_floor_set_per_hour());
  if (view.has_discounts()) *terms.mutable_discounts() = view.discounts();
  return terms;
}

void change_terms(const OfferOptions& options, v1::SetOfferRequest& terms) {
  if (!options.price.empty()) {
    terms.set_price_per_hour(options.price);
    if (options.floor.empty() && options.ceiling.empty()) {  // a price alone is fixed
      terms.clear_price_floor_per_hour();
      terms.clear_price_ceiling_per_hour();
    }
  }
  if (!options.floor.empty()) terms.set_price_floor_per_hour(options.floor);
  if (!options.ceiling.empty()) terms.set_price_ceiling_per_hour(options.ceiling);
  if (!options.disk_price.empty()) terms.set_disk_price_per_gb_hour(options.disk_price);
  if (!options.egress_price.empty()) terms.set_egress_price_per_gb(options.egress_price);
  if (options.share_min) terms.set_share_min(*options.share_min);
  if (options.hours_max) terms.set_hours_max(*options.hours_max);
  if (options.spot_floor == kNoneOfThem) {
    terms.clear_spot_floor_per_hour();
  } else if (!options.spot_floor.empty()) {
    terms.set_spot_floor_per_hour(options.spot_floor);
  }
  if (options.discounts == kNoneOfThem) {
    terms.clear_discounts();
  } else if (!options.discounts.empty()) {
    (void)read_discounts(options.discounts, *terms.mutable_discounts());  // checked before
  }
}

int offer(const Context& context, const OfferOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::GetNodeRequest asked;
  asked.set_node(options.node);
  const auto node = api->call<v1::NodeView>("Nodes.GetNode", asked);
  if (!node) return report(context, node.error());
  v1::SetOfferRequest request;
  if (node->has_offer()) request = standing_terms(node->offer());
  request.set_node(options.node);
  change_terms(options, request);
  if (!options.kwh_price.empty()) {
    const auto market = api->call<v1::MarketView>("Market.GetMarket", v1::GetMarketRequest());
    if (!market) return report(context, market.error());
    const auto electricity = electricity_per_hour(options.kwh_price, options.device_watts);
    const Status pays =
        electricity ? pay_electricity(*electricity, market->policy().fee_basis_points(), request)
                    : Status(tl::unexpected(electricity.error()));
    if (!pays) return report(context, pays.error());
  }
  const auto view = api->call<v1::OfferView>("Nodes.SetOffer", request);
  if (!view) return report(context, view.error());
  if (context.json) {
    print_json(*view);
  } else {
    fmt::print("node {} is offered at {} per device and hour{}{}\n", options.node,
               view->price_per_hour(),
               view->price_ceiling_per_hour().empty()
                   ? ""
                   : fmt::format(", following the market from {} to {}",
                                 view->price_floor_per_hour(), view->price_ceiling_per_hour()),
               view->egress_price_per_gb().empty()
                   ? ""
                   : fmt::format(", and {} per GB sent", view->egress_price_per_gb()));
  }
  return kDone;
}

void add_region(Table& table, const std::string& region, const std::string& model,
                const v1::DeviceCountsView& counts) {
  table.add({printable(region), printable(model), std::to_string(counts.nodes()),
             std::to_string(counts.nodes_connected()), std::to_string(counts.nodes_occupied()),
             std::to_string(counts.devices()), fmt::format("{:.2f}", counts.devices_leased()),
             fmt::format("{:.2f}", counts.devices_free())});
}

int list_regions(const Context& context) {
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto told =
      api->call<v1::ListRegionsResponse>("Nodes.ListRegions", v1::ListRegionsRequest());
  if (!told) return report(context, told.error());
  if (context.json) {
    print_json(*told);
    return kDone;
  }
  Table table(
      {"REGION", "MODEL", ">NODES", ">CONNECTED", ">OWNER THERE", ">DEVICES", ">LEASED", ">FREE"});
  for (const v1::RegionView& region : told->regions()) {
    for (const v1::RegionModelView& row : region.models()) {
      add_region(table, region.region(), row.model(), row.counts());
    }
    add_region(table, region.region(), "all", region.counts());
  }
  if (told->others().devices() > 0) add_region(table, "others", "", told->others());
  add_region(table, "all", "", told->counts());
  table.print("no nodes");
  return kDone;
}

int list_owner_notes(const Context& context, std::uint64_t node, std::uint32_t count_max) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListOwnerNotesRequest request;
  request.set_node(node);
  request.set_page_size(count_max);
  const auto page = api->call<v1::ListOwnerNotesResponse>("Nodes.ListOwnerNotes", request);
  if (!page) return report(context, page.error());
  Table table({"AT", "WHAT", "LEASE", "WHY"});
  for (const v1::OwnerNoteView& note : page->notes()) {
    if (context.json) {
      print_json(note);
      continue;
    }
    table.add({google::protobuf::util::TimeUtil::ToString(note.at()),
               lower(v1::OwnerAct_Name(note.act())),
               note.lease() == 0 ? "" : std::to_string(note.lease()), printable(note.why())});
  }
  if (!context.json) table.print("nothing is known of its owner");
  return kDone;
}

int withdraw_node(const Context& context, std::uint64_t node, bool remove) {
  const auto api = context.connect();
  if (!api) return kUsage;
  client::ApiResult<v1::NodeView> view;
  if (remove) {
    v1::RemoveNodeRequest request;
    request.set_node(node);
    view = api->call<v1::NodeView>("Nodes.RemoveNode", request);
  } else {
    v1::WithdrawOfferRequest request;
    request.set_node(node);
    view = api->call<v1::NodeView>("Nodes.WithdrawOffer", request);
  }
  if (!view) return report(context, view.error());
  if (context.json) {
    print_json(*view);
  } else {
    std::printf(
        "node %llu is %s\n", static_cast<unsigned long long>(node),
        remove ? "removed; its leases have ended" : "not offered any more; running leases go on");
  }
  return kDone;
}

}  // namespace

void add_nodes(Parser& app, Context& context, Host& /*host*/) {
  Parser* command = app.add_subcommand("nodes", "list nodes; offer, withdraw and remove them");
  command->footer(
      "Examples:\n  fallow nodes\n  fallow nodes token --hours 24\n"
      "  fallow nodes offer 12345 0.35\n"
      "  fallow nodes offer 12345 --floor 0.20 --ceiling 0.60\n"
      "  fallow nodes offer 12345 0.35 --discount day=500,week=1000,month=2000 --spot-floor 0.12\n"
      "  fallow nodes offer 12345 --ceiling 0.60 --kwh-price 0.30 --device-watts 320\n"
      "  fallow nodes withdraw 12345\n"
      "  fallow nodes watch 12345\n"
      "  fallow nodes owner 12345\n"
      "  fallow nodes regions");
  command->callback([&context] {
    if (!context.run) context.run = [&context] { return list_nodes(context); };
  });

  add_watch(*command, context, Watched::kNode);
  auto owned = std::make_shared<std::uint64_t>(0);
  auto notes_max = std::make_shared<std::uint32_t>(50);
  Parser* notes =
      command->add_subcommand("owner", "when its owner came and went, and what that did to leases");
  notes->add_option("node", *owned, "its id, as `fallow nodes` shows it")->required();
  notes->add_option("-n,--count", *notes_max, "the most to show, newest first")
      ->check(range(1U, kPageMax))
      ->capture_default_str();
  notes->callback([=, &context] {
    context.run = [=, &context] { return list_owner_notes(context, *owned, *notes_max); };
  });
  Parser* regions = command->add_subcommand(
      "regions", "how many there are and what they do, by region and model (for operators)");
  regions->callback([&context] { context.run = [&context] { return list_regions(context); }; });

  auto uses_max = std::make_shared<std::uint32_t>(1);
  auto hours = std::make_shared<double>(24);
  Parser* make_token = command->add_subcommand("token", "a token with which agents join");
  make_token->add_option("--uses", *uses_max, "how many nodes may join with it")
      ->capture_default_str();
  make_token->add_option("--hours", *hours, "how long it is good")->capture_default_str();
  make_token->callback(
      [=, &context] { context.run = [=, &context] { return token(context, *uses_max, *hours); }; });

  auto options = std::make_shared<OfferOptions>();
  Parser* set_offer =
      command->add_subcommand("offer", "offer a node's devices at a price, or change its terms");
  set_offer->footer("Of an offer that stands, what is not said here stays as it is.");
  set_offer->add_option("node", options->node, "its id, as `fallow nodes` shows it")->required();
  set_offer->add_option("price", options->price,
                        "per whole device and hour, e.g. 0.35: fixed; with --ceiling where it "
                        "begins");
  set_offer->add_option("--ceiling", options->ceiling,
                        "let the price follow the market's index, up to this");
  set_offer->add_option("--floor", options->floor, "and down to this");
  set_offer->add_option("--disk-price", options->disk_price, "per GB of disk and hour; 0: free");
  set_offer->add_option("--egress-price", options->egress_price,
                        "per GB that leases send over their network; 0: free");
  set_offer->add_option_function<double>(
      "--share-min", [options](const double& value) { options->share_min = value; },
      "smallest share of a device, 0.001 to 1: whole ones, as in a new offer");
  set_offer->add_option_function<double>(
      "--hours-max", [options](const double& value) { options->hours_max = value; },
      "longest lease; 0: no limit, as in a new offer");
  set_offer->add_option("--spot-floor", options->spot_floor,
                        "let spot leases use what nobody else does, for at least this; none: no "
                        "more");
  set_offer
      ->add_option("--discount", options->discounts,
                   "off the price of reserved leases by term, in basis points, e.g. "
                   "hour=100,day=500,week=1000,month=2000; at most 5000; none: none any more")
      ->check([](const std::string& text) -> std::string {
        v1::TermDiscounts unused;
        if (text == kNoneOfThem) return "";
        return read_discounts(text, unused);
      });
  Option* kwh_price = set_offer->add_option(
      "--kwh-price", options->kwh_price,
      "what a kWh costs you: floors are raised so that no lease earns less than the electricity, "
      "and a fixed price that does is refused");
  set_offer
      ->add_option("--device-watts", options->device_watts,
                   "with --kwh-price: what one device takes at work, beyond the idle machine")
      ->check(range(1U, 100'000U))
      ->needs("--kwh-price");
  kwh_price->needs("--device-watts");
  set_offer->callback(
      [=, &context] { context.run = [=, &context] { return offer(context, *options); }; });

  auto node = std::make_shared<std::uint64_t>(0);
  for (const bool remove : {false, true}) {
    Parser* end = remove ? command->add_subcommand("remove", "take a node away; its leases end")
                         : command->add_subcommand("withdraw", "take the offer back; leases go on");
    end->add_option("node", *node, "its id, as `fallow nodes` shows it")->required();
    end->callback([=, &context] {
      context.run = [=, &context] { return withdraw_node(context, *node, remove); };
    });
  }
}

}  // namespace fallow::cli
