// fallow agent status: what this machine's agent does, by its own folder and by the market.
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/json_text.h"
#include "base/money.h"
#include "cli/agent_service.h"
#include "cli/agent_unit.h"
#include "cli/energy_floor.h"

namespace fallow::cli {
namespace {

constexpr std::int64_t kMicrojoulesPerKwh = 3'600'000'000'000;
constexpr std::size_t kEnergyLinesMax = 5;

// Whether systemd starts it: "for the machine", "for you" or "not installed".
std::string service_words(const std::string& data) {
  std::error_code ignored;
  for (const bool user : {false, true}) {
    const auto unit = usual_agent_unit(user, "/usr/bin/fallow");
    if (!unit) continue;
    const auto link = std::filesystem::symlink_status(unit->enabled_link, ignored);
    if (std::filesystem::exists(link) && installed_data(*unit, "") == data) {
      return user ? "started with your login" : "started with the machine";
    }
  }
  return "not installed: `fallow agent install` makes it a service";
}

// The market's view of the node. The key is given to no other market than it belongs to.
std::optional<v1::NodeView> market_view(const Context& context, const NodeState& state,
                                        std::string& why_not) {
  const auto config = context.config();
  if (!config || config->api_key.empty()) {
    why_not = "unknown: the provider's API key is needed (FALLOW_API_KEY, or the config file)";
    return std::nullopt;
  }
  if (config->url != state.url) {
    why_not = "unknown: your settings name another market, " +
              (config->url.empty() ? std::string("none") : config->url);
    return std::nullopt;
  }
  auto api = client::Api::make(*config, *context.random);
  if (!api) {
    why_not = "unknown: " + api.error().message;
    return std::nullopt;
  }
  v1::GetNodeRequest request;
  request.set_node(state.node);
  auto view = (*api)->call<v1::NodeView>("Nodes.GetNode", request);
  if (!view) {
    why_not = "unknown: " + view.error().message;
    return std::nullopt;
  }
  return *view;
}

std::string offer_words(const v1::NodeView& view) {
  return view.has_offer() ? view.offer().price_per_hour() + " per device and hour"
                          : "not offered: `fallow nodes offer`";
}

// Of a node that it hears the market knows what its agent makes of the owner's word and the watch.
std::string owner_words(const NodeState& state, const std::optional<v1::NodeView>& view) {
  const bool is_heard = state.runs && view && view->connected();
  switch (is_heard ? view->owner() : state.owner) {
    case v1::OWNER_PAUSED:
      return "paused";
    case v1::OWNER_PRESENT:
      return "present";
    default:
      // Whether the owner is there nobody watches while the agent does not run.
      return state.runs ? "away" : "not paused";
  }
}

double kwh_of(const LeaseEnergy& energy) {
  return static_cast<double>(energy.microjoules) / static_cast<double>(kMicrojoulesPerKwh);
}

// The mean.
std::uint64_t watts_of(const LeaseEnergy& energy) {
  // Microjoules by microseconds.
  return energy.microjoules /
         static_cast<std::uint64_t>(std::max<std::int64_t>(energy.measured.value, 1));
}

// At that price of a kWh; nothing without one.
std::string cost_words(const LeaseEnergy& energy, const std::optional<Micros>& kwh_price) {
  if (!kwh_price) return "";
  return format_money(
      fraction_of(*kwh_price, static_cast<std::int64_t>(energy.microjoules), kMicrojoulesPerKwh));
}

void print_energy_json(JsonText& json, const NodeState& state,
                       const std::optional<Micros>& kwh_price) {
  json.key("energy").open_array();
  for (const LeaseEnergy& one : state.energy) {
    json.open_object().key("lease").value(std::to_string(one.lease));
    json.key("kwh").value(fmt::format("{:.6f}", kwh_of(one))).key("watts").value(watts_of(one));
    json.key("measured_s").value(static_cast<std::uint64_t>(one.measured.value / 1'000'000));
    if (kwh_price) json.key("cost").value(cost_words(one, kwh_price));
    json.close_object();
  }
  json.close_array();
}

// The newest, each on a line.
std::vector<std::string> energy_lines(const NodeState& state,
                                      const std::optional<Micros>& kwh_price) {
  std::vector<std::string> lines;
  const std::size_t count = std::min(state.energy.size(), kEnergyLinesMax);
  for (std::size_t i = state.energy.size() - count; i < state.energy.size(); ++i) {
    const LeaseEnergy& one = state.energy[i];
    std::string words =
        fmt::format("lease {}: {:.3f} kWh in {:.1f} h measured, {} W", one.lease, kwh_of(one),
                    static_cast<double>(one.measured.value) / 3.6e9, watts_of(one));
    if (kwh_price) words += ", " + cost_words(one, kwh_price);
    lines.push_back(std::move(words));
  }
  return lines;
}

// The least that the offer may come to: what follows the market comes down, and spot pays less.
Micros least_price(const v1::OfferView& offer, Micros price) {
  const bool follows = !offer.price_ceiling_per_hour().empty();
  for (const std::string& floor :
       {follows ? offer.price_floor_per_hour() : "", offer.spot_floor_set_per_hour()}) {
    if (const auto least = parse_money(floor); !floor.empty() && least) {
      price = std::min(price, *least);
    }
  }
  return price;
}

// Whether the offer pays for what one device takes; empty: nobody has said what that is.
std::string electricity_words(const AgentArguments& arguments, const v1::NodeView& view,
                              const std::optional<Micros>& kwh_price) {
  if (!kwh_price || arguments.device_watts == 0 || !view.has_offer()) return "";
  const auto price = parse_money(view.offer().price_per_hour());
  const auto cost = electricity_per_hour(arguments.kwh_price, arguments.device_watts);
  if (!price || !cost) return "";
  const std::string words = format_money(*cost) + " per device and hour: the offer ";
  const Micros least = least_price(view.offer(), *price);
  if (least > *cost) return words + "pays for it";
  return words +
         (*price > *cost
              ? fmt::format("pays for it now, and may come down to {}", format_money(least))
              : std::string("does not pay for it")) +
         "; `fallow nodes offer` with the same --kwh-price and --device-watts sees to it";
}

void print_state_json(const std::string& data, const NodeState& state, const std::string& service,
                      const std::optional<v1::NodeView>& view, const std::string& why_not,
                      const std::optional<Micros>& kwh_price) {
  JsonText json;
  json.open_object().key("data").value(data).key("runs").value(state.runs);
  json.key("node").value(std::to_string(state.node)).key("url").value(state.url);
  json.key("owner").value(owner_words(state, view)).key("workloads").value(state.workloads);
  json.key("service").value(service);
  print_energy_json(json, state, kwh_price);
  if (view) {
    json.key("connected").value(view->connected());
    json.key("reliability").value(fmt::format("{:.3f}", view->reliability()));
    json.key("price_per_hour").value(view->has_offer() ? view->offer().price_per_hour() : "");
    json.key("leases_running").value(view->leases_running());
  } else {
    json.key("market").value(why_not);
  }
  json.close_object();
  print_json(json);
}

int status(const Context& context, Host& host, const AgentArguments& arguments) {
  std::optional<Micros> kwh_price;
  if (!arguments.kwh_price.empty()) {
    const auto price = parse_money(arguments.kwh_price);
    if (!price) return report(context, price.error());
    if (price->value < 0) {
      return report(context, Error{ErrorCode::kInvalid, "--kwh-price is not below 0"});
    }
    kwh_price = *price;
  }
  const std::string data = agent_data_folder(arguments);
  const auto state = host.node_state(data);
  if (!state) return report(context, state.error());
  const std::string service = service_words(data);
  std::string why_not = "joined none yet";
  std::optional<v1::NodeView> view;
  if (state->node != 0) view = market_view(context, *state, why_not);
  const int code = state->runs ? kDone : kJobFailed;
  if (context.json) {
    print_state_json(data, *state, service, view, why_not, kwh_price);
    return code;
  }
  const auto line = [](const char* name, const std::string& words) {
    std::printf("%-11s %s\n", name, printable(words).c_str());
  };
  line("agent", state->runs ? "runs" : "does not run");
  line("service", service);
  line("folder", data);
  if (state->node != 0) line("node", std::to_string(state->node) + " of " + state->url);
  line("owner", owner_words(*state, view));
  line("workloads", std::to_string(state->workloads));
  for (const std::string& words : energy_lines(*state, kwh_price)) line("energy", words);
  if (!view) {
    line("market", why_not);
    return code;
  }
  line("market", view->connected() ? "connected" : "does not hear the node");
  line("offer", offer_words(*view));
  if (const std::string words = electricity_words(arguments, *view, kwh_price); !words.empty()) {
    line("electricity", words);
  }
  line("leases", std::to_string(view->leases_running()));
  line("reliability", fmt::format("{:.3f}", view->reliability()));
  return code;
}

}  // namespace

std::string agent_data_folder(const AgentArguments& arguments) {
  if (!arguments.data.empty()) return arguments.data;
  std::string found;
  for (const bool user : {false, true}) {
    const auto unit = usual_agent_unit(user, "/usr/bin/fallow");
    if (!unit) continue;
    const std::string data = installed_data(*unit, "");
    if (found.empty()) found = data;
    // Another user's folder cannot be looked into, but it is there.
    std::error_code ignored;
    if (std::filesystem::is_directory(data, ignored)) return data;
  }
  return found;
}

void add_agent_status(Parser& agent, const std::shared_ptr<AgentArguments>& arguments,
                      Context& context, Host& host) {
  Parser* command =
      agent.add_subcommand("status", "whether it runs, what it runs, what it asks for");
  command->fallthrough();
  command->footer(
      "With --kwh-price also what the energy of its newest leases cost, and with --device-watts\n"
      "whether the offer pays for it.\n"
      "Exit code: 0 it runs, 1 it does not.\n"
      "Example:\n  fallow agent status --kwh-price 0.30 --device-watts 320");
  command->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return status(context, host, *arguments); };
  });
}

}  // namespace fallow::cli
