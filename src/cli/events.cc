// fallow events: what happened in the market, and who asked for it.
#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "cli/command.h"
#include "cli/download.h"

namespace fallow::cli {
namespace {

struct EventSearch {
  std::uint64_t account = 0;
  std::uint64_t node = 0;
  std::uint64_t order = 0;
  std::uint64_t lease = 0;
  std::string kind;
  std::string since;
  std::string until;
  std::uint32_t count_max = 100;
  bool csv = false;
};

template <class Request>
Request event_request(const EventSearch& search) {
  Request request;
  request.set_account(search.account);
  request.set_kind(search.kind);
  request.set_node(search.node);
  request.set_order(search.order);
  request.set_lease(search.lease);
  request.set_since(search.since);
  request.set_until(search.until);
  return request;
}

std::string id_text(std::uint64_t id) { return id == 0 ? "-" : std::to_string(id); }

int search_events(const Context& context, const EventSearch& search) {
  const auto api = context.connect();
  if (!api) return kUsage;
  if (search.csv) {
    return print_download(context, *api, "Audit.GetAuditTable",
                          event_request<v1::GetAuditFileRequest>(search));
  }
  auto request = event_request<v1::ListAuditEntriesRequest>(search);
  Table table({">INDEX", "AT", "EVENT", "COMMAND", ">BY", ">NODE", ">JOB", ">LEASE"});
  std::uint32_t left = search.count_max;
  bool more = true;
  while (left > 0 && more) {
    request.set_page_size(std::min(left, kPageMax));
    const auto page = api->call<v1::ListAuditEntriesResponse>("Audit.ListAuditEntries", request);
    if (!page) return report(context, page.error());
    for (const v1::AuditEntryView& entry : page->entries()) {
      if (context.json) {
        print_json(entry);
        continue;
      }
      table.add({std::to_string(entry.index()),
                 google::protobuf::util::TimeUtil::ToString(entry.at()), entry.kind(),
                 entry.command(), entry.actor() == 0 ? "market" : std::to_string(entry.actor()),
                 id_text(entry.node()), id_text(entry.order()), id_text(entry.lease())});
    }
    left -= static_cast<std::uint32_t>(page->entries_size());
    more = !page->next_page_token().empty();
    request.set_page_token(page->next_page_token());
  }
  if (context.json) return kDone;
  table.print("nothing of the kind happened");
  if (more) std::printf("there may be more: -n shows them, --csv has all\n");
  return kDone;
}

}  // namespace

void add_events(Parser& app, Context& context, Host& /*host*/) {
  auto search = std::make_shared<EventSearch>();
  Parser* command = app.add_subcommand(
      "events", "search what happened and who asked for it, newest first (for operators)");
  command->add_option("--account", search->account, "that asked, or that it concerns");
  command->add_option("--kind", search->kind,
                      "of the event or of the command: lease_ended, stop_lease");
  command->add_option("--node", search->node, "that it names");
  command->add_option("--job", search->order, "that it names");
  command->add_option("--lease", search->lease, "that it names");
  command->add_option("--since", search->since, "the first moment: 2026-11-21T12:00:00Z");
  command->add_option("--until", search->until, "the first moment that is not asked for any more");
  command->add_option("-n,--count", search->count_max, "how many at most")
      ->check(range(1U, kCountMax))
      ->capture_default_str();
  command->add_flag("--csv", search->csv, "all that is found, as a table for a spreadsheet");
  command->footer(
      "It goes back as far as the server keeps events (docs/operations.md). What a command held\n"
      "stands in the log itself: fallow audit replays it.\n"
      "Examples:\n  fallow events --lease 4711\n  fallow events --kind set_policy\n"
      "  fallow events --account 7 --since 2026-11-01T00:00:00Z --csv > november.csv");
  command->callback(
      [=, &context] { context.run = [=, &context] { return search_events(context, *search); }; });
}

}  // namespace fallow::cli
