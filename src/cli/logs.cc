// fallow logs: the output of a job or a lease, live or as it was.
#include "cli/logs.h"

#include <algorithm>

#include "cli/command.h"

namespace fallow::cli {
namespace {

constexpr std::size_t kPartialLineBytesMax = 64 * 1024;

struct LogsOptions {
  std::uint64_t id = 0;
  bool lease = false;
  bool follow = false;
};

int logs(const Context& context, const LogsOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  LogPrinter printer(!options.lease, context.terminal);
  const std::function<bool(const v1::LogLine&)> each = [&](const v1::LogLine& line) {
    if (context.json) {
      print_json(line);
    } else {
      printer.print(line);
    }
    return true;
  };
  client::ApiResult<void> done;
  if (options.lease) {
    v1::FollowLeaseLogsRequest request;
    request.set_lease(options.id);
    request.set_follow(options.follow);
    done = api->stream<v1::LogLine>("Leases.FollowLeaseLogs", request, each);
  } else {
    v1::FollowOrderLogsRequest request;
    request.set_order(options.id);
    request.set_follow(options.follow);
    done = api->stream<v1::LogLine>("Orders.FollowOrderLogs", request, each);
  }
  printer.flush();
  return done ? kDone : report(context, done.error());
}

// Escape sequences other than colour can make a terminal do things; those lose their ESC.
std::string defused(std::string_view text) {
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t control = control_bytes(text.substr(i));
    bool stays = control == 0 || text[i] == '\t' || text[i] == '\r';
    if (text[i] == '\x1B') {
      const std::size_t end = text.find_first_not_of("0123456789;", i + 2);
      stays = i + 1 < text.size() && text[i + 1] == '[' && end != std::string_view::npos &&
              text[end] == 'm';
    }
    safe += stays ? text[i] : '?';
    if (!stays) i += control - 1;
  }
  return safe;
}

}  // namespace

void LogPrinter::print(const v1::LogLine& line) {
  Output& output = outputs_[{line.lease(), line.error_stream()}];
  const std::string_view data = line.data();
  const std::uint64_t repeated = output.reached - std::min(output.reached, line.offset());
  output.task = line.task();
  output.reached = std::max(output.reached, line.offset() + data.size());
  std::string& text = output.partial;
  text += data.substr(static_cast<std::size_t>(std::min<std::uint64_t>(repeated, data.size())));
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    write(output.task, line.error_stream(), std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
  text.erase(0, begin);
  if (text.size() > kPartialLineBytesMax || (line.last() && !text.empty())) {
    write(output.task, line.error_stream(), text);
    text.clear();
  }
  if (line.last()) std::string().swap(text);
}

void LogPrinter::flush() {
  for (auto& [key, output] : outputs_) {
    if (!output.partial.empty()) write(output.task, key.second, output.partial);
    output.partial.clear();
  }
}

void LogPrinter::write(std::uint32_t task, bool error_stream, std::string_view text) {
  before_write();
  std::FILE* out = error_stream ? stderr : stdout;
  const std::string shown = terminal_ ? defused(text) : std::string(text);
  if (prefix_) std::fprintf(out, "[%u] ", task);
  std::fwrite(shown.data(), 1, shown.size(), out);
  std::fputc('\n', out);
  std::fflush(out);
}

void add_logs(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<LogsOptions>();
  Parser* command = app.add_subcommand("logs", "output of a job, or with --lease of one lease");
  command->add_option("id", options->id, "the job, or with --lease the lease")->required();
  command->add_flag("--lease", options->lease, "the id is a lease's");
  command->add_flag("-f,--follow", options->follow, "go on until it ends");
  command->footer("Example:\n  fallow logs -f 12345");
  command->callback([options, &context] {
    context.run = [options, &context] { return logs(context, *options); };
  });
}

}  // namespace fallow::cli
