// The stated maximum of every container of the market. A command that would pass one is refused
// with LIMIT_REACHED; nothing grows without a bound.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/types.h"

namespace fallow::core {

struct Limits {
  std::size_t accounts_max = 1'000'000;
  std::size_t projects_per_account_max = 1'000;
  std::size_t keys_max = 2'000'000;
  std::size_t keys_per_account_max = 1'000;  // those that have expired make room
  std::size_t webhooks_max = 10'000;
  std::size_t webhooks_per_account_max = 16;
  std::size_t webhook_kinds_max = 64;
  std::size_t url_bytes_max = 2'048;
  std::size_t members_max = 1'000'000;  // of all accounts together
  std::size_t members_per_account_max = 256;
  std::size_t join_tokens_max = 100'000;
  std::size_t nodes_max = 1'000'000;
  std::size_t devices_per_node_max = 64;
  std::size_t device_records_max = 1'000'000;  // of devices whose node broke leases; any one goes
  std::size_t orders_open_max = 1'000'000;
  std::size_t orders_open_per_account_max = 100'000;
  std::size_t orders_ended_kept_max = 200'000;    // the oldest ended go first; history keeps them
  std::size_t leases_ended_kept_max = 2'000'000;  // of ended orders: they go with their order
  // Of ended orders, likewise; with fair turns.
  std::size_t tasks_ended_kept_max = 4'000'000;
  std::size_t workload_bytes_ended_kept_max = std::size_t{1} << 30;
  std::size_t leases_open_max = 4'000'000;
  std::size_t tasks_per_order_max = 100'000;
  std::size_t nodes_per_gang_max = 64;
  std::size_t tasks_open_max = 4'000'000;                      // of all open orders
  std::size_t workload_bytes_open_max = std::size_t{4} << 30;  // likewise; with fair turns
  std::size_t payouts_open_max = 100'000;
  std::size_t deposits_max = 10'000'000;          // references are kept for ever
  std::size_t releases_max = 8'000'000;           // earnings in their delay; the oldest go early
  std::size_t request_keys_kept_max = 1'000'000;  // the oldest are forgotten first
  std::size_t placements_per_command_max = 256;   // the rest follows in the next Tick
  std::size_t matches_per_command_max = 512;      // asked of the book, found or not; likewise
  std::size_t tests_per_command_max = 8'192;      // of a waiting order against a freed node
  // So many waiting orders are asked by groups; of fewer each for itself. Changes no answer.
  std::size_t waiting_grouped_min = 16;
  // Of each kind of demand so many misses are kept in mind; 0: none. Changes no answer.
  std::size_t misses_kept_max = 16;
  std::size_t stops_per_command_max = 4'096;       // tasks of stopped orders; with fair turns
  std::size_t extensions_per_command_max = 4'096;  // leases of an extended order; with firm turns
  std::size_t price_classes_max = 4'096;           // model and region; nodes of more have no index
  std::size_t repricings_per_command_max = 256;    // of offers that follow an index; likewise
  std::size_t deadlines_per_command_max = 1'024;   // of leases; likewise
  std::size_t speeds_max = 4'096;                  // models of which speeds were set
  std::size_t survivals_per_command_max = 1'024;   // nodes that one SetSurvival is of
  std::size_t forecasts_per_command_max = 1'024;   // classes that one SetForecast is of
  std::size_t query_bytes_max = 2'048;
  std::size_t name_bytes_max = 200;
  std::size_t command_bytes_max = 64 * 1024;  // of one workload: argv and environment together
  std::size_t detail_bytes_max = 512;         // of a workload's ending; the rest is cut
  Duration duration_max = hours(24 * 366);    // of one lease
  Micros money_max = Micros(1'000'000'000'000'000);   // of one amount: 10^9 units
  Micros price_hour_max = Micros(1'000'000'000'000);  // of one device or GB: no rate can overflow
};

}  // namespace fallow::core
