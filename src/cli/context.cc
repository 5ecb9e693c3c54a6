#include "cli/context.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cctype>

#include "base/check.h"
#include "cli/command.h"

namespace fallow::cli {
namespace {

void print_relaxations(const v1::Problem& problem) {
  for (const v1::RelaxationView& relaxation : problem.relaxations()) {
    std::fprintf(stderr, "  would match: %s", printable(relaxation.change()).c_str());
    if (!relaxation.task_price_per_hour().empty()) {
      std::fprintf(stderr, " (then %s per hour)", relaxation.task_price_per_hour().c_str());
    }
    std::fputc('\n', stderr);
  }
}

// UTF-8 counts as one column per code point: good enough for names of nodes and models.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

Result<client::Config> Context::config() const {
  FALLOW_ASSIGN(client::Config config, client::load_config());
  if (!url.empty()) config.url = url;
  if (!api_key.empty()) config.api_key = api_key;
  if (!certificate.empty()) config.certificate = certificate;
  if (!team.empty()) config.team = team;
  return config;
}

std::unique_ptr<client::Api> Context::connect() const {
  const auto settings = config();
  if (!settings) {
    report(*this, settings.error());
    return nullptr;
  }
  auto api = client::Api::make(*settings, *random);
  if (!api) {
    report(*this, api.error());
    return nullptr;
  }
  return std::move(*api);
}

int report(const Context& context, const client::ApiError& error) {
  using Kind = client::ApiError::Kind;
  if (context.json && error.kind == Kind::kRefused) {
    print_json(error.problem);
  } else {
    std::fprintf(stderr, "fallow: %s\n", printable_lines(error.message).c_str());
    if (error.problem.column() > 0) {
      std::fprintf(stderr, "  at column %u of the query\n", error.problem.column());
    } else if (!error.problem.field().empty()) {
      std::fprintf(stderr, "  field: %s\n", printable(error.problem.field()).c_str());
    }
    if (error.kind == Kind::kUnreachable) {
      std::fputs(
          "  is the market running? `fallow up` starts one here; --url or FALLOW_URL names "
          "another\n",
          stderr);
    }
    print_relaxations(error.problem);
    if (error.problem.has_next_quote()) {
      const v1::QuoteView& next = error.problem.next_quote();
      std::fprintf(stderr,
                   "  next best: %s per hour and task, %s in all; take it with --quote %s\n",
                   printable(next.task_price_per_hour()).c_str(), printable(next.total()).c_str(),
                   printable(next.id()).c_str());
    }
  }
  switch (error.kind) {
    case Kind::kRefused:
      return error.problem.status() == 400 ? kUsage : kRefused;
    case Kind::kUnreachable:
      return kUnreachable;
    case Kind::kLocal:
      return kUsage;
    case Kind::kCancelled:
      return kJobFailed;
  }
  return kJobFailed;
}

int report(const Context& context, const Error& error) {
  return report(context, client::local_error(error));
}

void print_json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  FALLOW_CHECK(status.ok(), "a message cannot be printed: {}", std::string(status.message()));
  std::printf("%s\n", text.c_str());
}

void print_json(const JsonText& document) {
  std::string text = document.text();
  std::erase(text, '\n');
  std::printf("%s\n", text.c_str());
}

Table::Table(std::vector<std::string> head) {
  for (std::string& name : head) {
    right_.push_back(name.starts_with('>'));
    if (right_.back()) name.erase(0, 1);
  }
  rows_.push_back(std::move(head));
}

void Table::add(std::vector<std::string> row) {
  FALLOW_CHECK(row.size() == right_.size(), "a row has {} cells, the head {}", row.size(),
               right_.size());
  for (std::string& cell : row) cell = printable(cell);
  rows_.push_back(std::move(row));
}

void Table::print(std::string_view nothing) const {
  if (rows_.size() == 1) {
    std::printf("%s\n", std::string(nothing).c_str());
    return;
  }
  std::vector<std::size_t> widths(right_.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - width_of(row[i]), ' ');
      if (i > 0) line += "  ";
      line += right_[i] ? blanks + row[i] : row[i] + blanks;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
}

std::string lower(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string upper(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string span_text(double seconds) {
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

}  // namespace fallow::cli
