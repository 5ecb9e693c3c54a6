// The service Audit: what happened and who asked for it, to search and to take along.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/number.h"
#include "fallow/v1/services.pb.h"
#include "server/csv_cell.h"
#include "server/handlers.h"
#include "server/history_wait.h"
#include "server/json.h"
#include "server/named_ids.h"
#include "server/pages.h"

namespace fallow::server {
namespace {

// One page, or piece of a file, reads so often at most: of millions of events it may hold none, and
// go on.
constexpr int kReadingsPerPage = 32;
constexpr std::size_t kEntriesPerPiece = 128;

// Empty text: no moment.
Answer<std::optional<Time>> moment_of(std::string_view field, const std::string& text) {
  if (text.empty()) return std::nullopt;
  google::protobuf::Timestamp moment;
  if (!google::protobuf::util::TimeUtil::FromString(text, &moment)) {
    return refuse_field(field, "a moment is written as 2026-11-21T12:00:00Z");
  }
  return Time{google::protobuf::util::TimeUtil::TimestampToMicroseconds(moment)};
}

template <class Request>
Answer<AuditSource::Filter> audit_filter(const Request& request) {
  AuditSource::Filter filter;
  filter.account = AccountId(request.account());
  filter.node = request.node();
  filter.order = request.order();
  filter.lease = request.lease();
  if (!request.kind().empty()) {
    const auto event = event_kind_number(request.kind());
    const auto command = command_kind_number(request.kind());
    if (!event && !command) {
      return refuse_field("kind",
                          "there is neither a command nor an event '{}'; docs/webhooks.md "
                          "lists the events, docs/api.md some commands",
                          request.kind());
    }
    (event ? filter.event_kind : filter.command_kind) = event ? *event : *command;
  }
  FALLOW_ASSIGN(const auto since, moment_of("since", request.since()));
  FALLOW_ASSIGN(const auto until, moment_of("until", request.until()));
  if (since) filter.since = *since;
  if (until) filter.until = std::max(*until, Time{1});  // 0 is no moment
  return filter;
}

// "77.2": behind the third event of command 77.
std::string audit_token(AuditSource::Place place) {
  return page_token("audit", fmt::format("{}.{}", place.index.value, place.ordinal));
}

Answer<std::optional<AuditSource::Place>> audit_place(const std::string& token) {
  FALLOW_ASSIGN(const std::string name, page_name("audit", token));
  if (name.empty()) return std::nullopt;
  const std::string_view text = name;
  const std::size_t mark = std::min(text.find('.'), text.size() - 1);
  const auto index = parse_number<std::uint64_t>(text.substr(0, mark));
  const auto ordinal = parse_number<std::uint32_t>(text.substr(mark + 1));
  if (!index || !ordinal) {
    return refuse_field("page_token", "this is not a next_page_token of this list");
  }
  return AuditSource::Place{LogIndex(*index), *ordinal};
}

net::Task<Answer<LogIndex>> log_end(const Call& call) {
  const std::function<Answer<LogIndex>(const core::Machine&)> look =
      [](const core::Machine& machine) -> Answer<LogIndex> { return machine.last_index(); };
  co_return co_await call.visit(look);
}

// One reading, on a thread that may wait for the disk.
Answer<AuditSource::Page> read_audit(AuditSource& audit, LogIndex through,
                                     const AuditSource::Filter& filter,
                                     std::optional<AuditSource::Place> before,
                                     std::size_t count_max) {
  auto page = wait_for_history(audit, through).and_then([&] {
    return audit.search(filter, before, count_max);
  });
  if (!page) return tl::unexpected(problem_of(page.error(), "search the events"));
  return std::move(*page);
}

net::Task<Answer<v1::ListAuditEntriesResponse>> list_audit_entries(
    Call& call, const v1::ListAuditEntriesRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(std::optional<AuditSource::Place> before, audit_place(request.page_token()));
  FALLOW_CO_ASSIGN(const AuditSource::Filter filter, audit_filter(request));
  FALLOW_CO_ASSIGN(const LogIndex through, co_await log_end(call));
  v1::ListAuditEntriesResponse response;
  for (int readings = 0; readings < kReadingsPerPage; ++readings) {
    const std::size_t wanted = size - static_cast<std::size_t>(response.entries_size());
    const std::function<Answer<AuditSource::Page>()> read = [&] {
      return read_audit(*call.parts().audit, through, filter, before, wanted);
    };
    FALLOW_CO_ASSIGN(AuditSource::Page page, co_await call.on_disk(read));
    for (v1::AuditEntryView& entry : page.entries) *response.add_entries() = std::move(entry);
    before = page.next;
    if (!before || static_cast<std::size_t>(response.entries_size()) == size) break;
  }
  if (before) response.set_next_page_token(audit_token(*before));
  co_return response;
}

constexpr const char* kAuditHead =
    "index,ordinal,at,actor,command,event,account,other_account,node,order,lease,detail\r\n";

std::string audit_row(const v1::AuditEntryView& entry) {
  const auto account = [&entry](int at) {
    return at < entry.accounts_size() ? std::to_string(entry.accounts(at)) : std::string();
  };
  return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}\r\n", entry.index(), entry.ordinal(),
                     google::protobuf::util::TimeUtil::ToString(entry.at()), entry.actor(),
                     entry.command(), entry.kind(), account(0), account(1), entry.node(),
                     entry.order(), entry.lease(), csv_cell(write_json(entry.event())));
}

std::string audit_line(const v1::AuditEntryView& entry) { return write_json(entry) + "\n"; }

// All that is found, a piece at a time, as fast as the client takes it.
class AuditFile final : public EventSource {
 public:
  using Write = std::string (*)(const v1::AuditEntryView&);

  AuditFile(Call& call, LogIndex through, AuditSource::Filter filter, std::string head, Write write)
      : call_(call),
        through_(through),
        filter_(std::move(filter)),
        text_(std::move(head)),
        write_(write) {}

  net::Task<Answer<Chunk>> next() override {
    const std::function<Answer<AuditSource::Page>()> read = [this] {
      return read_audit(*call_.parts().audit, through_, filter_, before_, kEntriesPerPiece);
    };
    Chunk chunk;
    for (int readings = 0; readings < kReadingsPerPage; ++readings) {
      FALLOW_CO_ASSIGN(const AuditSource::Page page, co_await call_.on_disk(read));
      for (const v1::AuditEntryView& entry : page.entries) text_ += write_(entry);
      before_ = page.next;
      chunk.is_last = !page.next;
      if (!text_.empty()) chunk.events.push_back({{}, std::exchange(text_, {}), {}});
      if (!chunk.events.empty() || chunk.is_last) break;
    }
    co_return chunk;
  }
  Duration poll_interval() const override { return seconds(1); }

 private:
  Call& call_;
  const LogIndex through_;
  const AuditSource::Filter filter_;
  std::optional<AuditSource::Place> before_;
  std::string text_;  // that goes out with the next piece
  const Write write_;
};

OpenStream open_audit_file(Call& call, const v1::GetAuditFileRequest& request, std::string name,
                           std::string head, AuditFile::Write write) {
  FALLOW_CO_ASSIGN(AuditSource::Filter filter, audit_filter(request));
  FALLOW_CO_ASSIGN(const LogIndex through, co_await log_end(call));
  call.answer_headers().set("Content-Disposition",
                            fmt::format("attachment; filename=\"{}\"", name));
  co_return std::make_unique<AuditFile>(call, through, std::move(filter), std::move(head), write);
}

OpenStream get_audit_table(Call& call, const v1::GetAuditFileRequest& request,
                           net::Notifier /*wake*/) {
  return open_audit_file(call, request, "fallow-audit.csv", kAuditHead, audit_row);
}

OpenStream get_audit_lines(Call& call, const v1::GetAuditFileRequest& request,
                           net::Notifier /*wake*/) {
  return open_audit_file(call, request, "fallow-audit.ndjson", "", audit_line);
}

}  // namespace

void add_audit_handlers(Handlers& handlers) {
  handlers.add("Audit.ListAuditEntries", list_audit_entries);
  handlers.add_stream<v1::GetAuditFileRequest, v1::FilePiece>("Audit.GetAuditTable",
                                                              get_audit_table);
  handlers.add_stream<v1::GetAuditFileRequest, v1::FilePiece>("Audit.GetAuditLines",
                                                              get_audit_lines);
}

}  // namespace fallow::server
