// fallow market: the market's name, key, rules and state.
#include "base/money.h"
#include "cli/command.h"
#include "cli/policy.h"

namespace fallow::cli {
namespace {

int market(const Context& context) {
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto view = api->call<v1::MarketView>("Market.GetMarket", v1::GetMarketRequest());
  if (!view) return report(context, view.error());
  if (context.json) {
    print_json(*view);
    return kDone;
  }
  std::printf("market      %s (money in %s)\n", printable(view->name()).c_str(),
              printable(view->currency()).c_str());
  std::printf("public key  %s\n", view->public_key().c_str());
  std::printf("log         %llu commands, head %s\n",
              static_cast<unsigned long long>(view->last_index()), view->log_head().c_str());
  std::printf("nodes       %u connected, %u devices\n", view->nodes_connected(),
              view->devices_total());
  std::printf("open        %u orders, %u leases\n", view->orders_open(), view->leases_open());
  const v1::Policy& policy = view->policy();
  std::printf("rules       fee %.2f %%, metered every %lld s, silent leases closed after %lld s\n",
              policy.fee_basis_points() / 100.0,
              static_cast<long long>(policy.meter_interval_us() / 1'000'000),
              static_cast<long long>(policy.close_after_us() / 1'000'000));
  if (policy.price_interval_us() > 0) {
    std::printf(
        "prices      indexes move every %lld s by at most %.2f %%, up above %.0f %% of use\n",
        static_cast<long long>(policy.price_interval_us() / 1'000'000),
        policy.price_step_basis_points() / 100.0, policy.use_target_basis_points() / 100.0);
  }
  if (policy.price_interval_us() > 0 && policy.forecast_basis_points() > 0) {
    std::printf("forecast    the use that is expected for the next hour counts %.0f %% in a move\n",
                policy.forecast_basis_points() / 100.0);
  }
  if (policy.fragmentation_basis_points() + policy.survival_basis_points() +
          policy.locality_basis_points() + policy.scarcity_basis_points() >
      0) {
    std::printf(
        "ranking     beside the price: a device made useless %.2f %% of its price, a node that "
        "does "
        "not last %.2f %%, another region %.2f %%, a class that all is expected to be asked of "
        "%.2f %%\n",
        policy.fragmentation_basis_points() / 100.0, policy.survival_basis_points() / 100.0,
        policy.locality_basis_points() / 100.0, policy.scarcity_basis_points() / 100.0);
  }
  if (policy.proof_interval_us() > 0) {
    std::printf("proofs      each node proves its devices about every %lld s\n",
                static_cast<long long>(policy.proof_interval_us() / 1'000'000));
    if (policy.lease_proof_basis_points() > 0) {
      std::printf("            and before %.2f %% of the leases of verified ones\n",
                  policy.lease_proof_basis_points() / 100.0);
    }
  }
  if (policy.credit_basis_points_max() > 0) {
    std::printf("credits     for devices that are slowed down, at most %.0f %% of a charge\n",
                policy.credit_basis_points_max() / 100.0);
  }
  if (policy.prices_egress()) {
    std::printf("egress      offers may have a price for what leases send\n");
  }
  for (const v1::VolumeDiscount& step : policy.volume_discounts()) {
    std::printf("volume      %.2f %% off the fee from %s spent within 30 days\n",
                step.fee_basis_points() / 100.0,
                format_money(Micros(step.spent_micros_min())).c_str());
  }
  return kDone;
}

}  // namespace

void add_market(Parser& app, Context& context, Host& host) {
  Parser* command = app.add_subcommand("market", "the market's name, key, rules and state; policy");
  command->footer("Example:\n  fallow market --json");
  command->callback([&context] {
    if (!context.run) context.run = [&context] { return market(context); };
  });
  add_policy(*command, context, host);
}

}  // namespace fallow::cli
