#include "scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/money.h"

namespace fallow::scenario {
namespace {

// Scenarios begin on a 1 March, so that months can be crossed: @31d is 1 April.
constexpr Time kStart{1'709'251'200'000'000};
constexpr int kTicksMax = 10'000;

struct Unit {
  const char* name;
  std::int64_t us;
};
constexpr Unit kUnits[] = {{"d", 86'400'000'000}, {"h", 3'600'000'000}, {"m", 60'000'000},
                           {"s", 1'000'000},      {"ms", 1'000},        {"us", 1}};

// Splits at blanks; a part in double quotes keeps its blanks and loses the quotes.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  std::string part;
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
    } else if (std::isspace(static_cast<unsigned char>(c)) != 0 && !quoted) {
      if (!part.empty()) parts.push_back(std::exchange(part, ""));
    } else {
      part += c;
    }
  }
  if (!part.empty()) parts.push_back(part);
  return parts;
}

bool is_option_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::islower(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
}

}  // namespace

std::string Line::option(const std::string& name, const std::string& otherwise) const {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : found->second;
}

bool Line::has(const std::string& word) const {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Result<Duration> parse_span(std::string_view text) {
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest.front() == '-';
  if (negative) rest.remove_prefix(1);
  const std::size_t digits = rest.find_first_not_of("0123456789.");
  if (digits == 0 || digits == std::string_view::npos) {
    return fail(ErrorCode::kInvalid, "'{}' is no span of time: write 12.5s, 15m, 1h", text);
  }
  for (const Unit& unit : kUnits) {
    if (rest.substr(digits) != unit.name) continue;
    FALLOW_ASSIGN(const Micros parts, parse_money(rest.substr(0, digits)));
    const std::int64_t us = parts.value / 1'000 * unit.us / 1'000;
    return Duration(negative ? -us : us);
  }
  return fail(ErrorCode::kInvalid, "'{}' has no unit of d, h, m, s, ms, us", text);
}

std::string span_text(Duration span) {
  for (const Unit& unit : kUnits) {
    if (span.value != 0 && span.value % unit.us == 0) {
      return fmt::format("{}{}", span.value / unit.us, unit.name);
    }
  }
  return "0s";
}

Result<Line> parse_line(std::string_view text) {
  std::vector<std::string> parts = split(text);
  if (parts.size() < 2 || parts[0].front() != '@') {
    return fail(ErrorCode::kInvalid, "a line is written like: @12.5s verb words options");
  }
  Line line;
  FALLOW_ASSIGN(const Duration at, parse_span(std::string_view(parts[0]).substr(1)));
  line.at = kStart + at;
  line.verb = parts[1];
  for (std::size_t i = 2; i < parts.size(); ++i) {
    const std::size_t equals = parts[i].find('=');
    if (equals != std::string::npos &&
        is_option_name(std::string_view(parts[i]).substr(0, equals))) {
      line.options[parts[i].substr(0, equals)] = parts[i].substr(equals + 1);
    } else {
      line.words.push_back(parts[i]);
    }
  }
  return line;
}

void Scenario::bind(const std::string& name, std::uint64_t id) {
  ids_[name] = id;
  names_[id] = name;
}

Result<std::uint64_t> Scenario::id_of(const std::string& name) const {
  if (name == "market") return 0;
  const auto found = ids_.find(name);
  if (found != ids_.end()) return found->second;
  if (name.starts_with("#")) return std::stoull(name.substr(1));  // an id that nothing has
  return fail(ErrorCode::kNotFound, "nothing is named '{}' here", name);
}

std::string Scenario::name_of(std::uint64_t id) const {
  if (id == 0) return "market";
  const auto found = names_.find(id);
  return found == names_.end() ? fmt::format("#{}", id) : found->second;
}

std::string Scenario::apply(Time at, std::uint64_t actor, v1::Command command) {
  command.set_actor(actor);
  core::Events events;
  machine_.apply(LogIndex(machine_.last_index().value + 1), at, command, events);
  machine_.check_invariants();
  std::string text;
  for (const v1::Event& event : events) text += "  " + text_of(event) + "\n";
  return text;
}

std::string Scenario::apply_many(Time at, std::uint64_t actor, const v1::Command& command,
                                 int times) {
  std::map<std::string, int> counts;
  for (int i = 0; i < times; ++i) {
    core::Events events;
    v1::Command one = command;
    one.set_actor(actor);
    machine_.apply(LogIndex(machine_.last_index().value + 1), at, one, events);
    machine_.check_invariants();
    for (const v1::Event& event : events) {
      (void)text_of(event);  // names what it made
      ++counts[event.kind_case() == v1::Event::kRefused
                   ? "refused " + v1::Refusal_Name(event.refused().code())
                   : event.GetDescriptor()
                         ->FindFieldByNumber(static_cast<int>(event.kind_case()))
                         ->name()];
    }
  }
  std::string text;
  for (const auto& [kind, count] : counts) text += fmt::format("  {} x {}\n", count, kind);
  return text;
}

std::string Scenario::run_ticks(Time until) {
  std::string text;
  for (int i = 0; i < kTicksMax; ++i) {
    const std::optional<Time> next = machine_.next_deadline();
    if (!next || *next > until) return text;
    const Time at = std::max(*next, machine_.now());
    v1::Command tick;
    tick.mutable_tick();
    const std::string told = apply(at, 0, tick);
    if (!told.empty()) text += fmt::format("  at {}\n", span_text(at - kStart)) + told;
  }
  return text + "  and so on without end\n";
}

Result<std::string> Scenario::run_quote(const Line& line) {
  FALLOW_ASSIGN(const v1::Requirements requirements, requirements_of(line));
  const auto tasks =
      static_cast<std::uint32_t>(std::stoul(line.option("tasks", line.option("nodes", "1"))));
  const auto estimate = machine_.estimate(requirements, tasks, line.at);
  if (!estimate) {
    v1::Refused refused;
    refused.set_code(estimate.error().code);
    refused.set_message(estimate.error().message);
    refused.set_field(estimate.error().field);
    refused.set_column(estimate.error().column);
    for (const v1::Relaxation& relaxation : estimate.error().relaxations) {
      *refused.add_relaxations() = relaxation;
    }
    return "  " + text_of(refused) + "\n";
  }
  const v1::BoundQuote& quote = estimate->quote;
  if (!line.words.empty()) quotes_[line.words.back()] = quote;
  std::string text = fmt::format(
      "  quote {}/h a task{}, {} in all, {} at once, until {}\n",
      format_money(Micros(quote.task_hour_micros())),
      quote.egress_gb_micros() == 0
          ? ""
          : fmt::format(" and {}/GB sent", format_money(Micros(quote.egress_gb_micros()))),
      format_money(Micros(quote.total_micros())), estimate->tasks_at_once,
      span_text(Time{quote.expires_at_us()} - kStart));
  for (const core::Placement& placement : estimate->offers) {
    text += fmt::format("    {} at {}/h\n", name_of(placement.node->id.value),
                        format_money(placement.rate_hour));
  }
  return text;
}

Result<std::string> Scenario::run(const Line& line) {
  if (line.verb == "ledger") return ledger_text();
  if (line.verb == "book") return book_text();
  if (line.verb == "orders") return orders_text();
  if (line.verb == "leases") return leases_text();
  if (line.verb == "people") return people_text();
  if (line.verb == "ticks") return run_ticks(line.at);
  if (line.verb == "quote") return run_quote(line);
  if (line.verb == "node") return run_node(line);
  FALLOW_ASSIGN(const v1::Command command, command_of(line));
  std::uint64_t actor = default_actor(line);
  if (line.options.contains("actor")) {
    FALLOW_ASSIGN(actor, id_of(line.option("actor")));
  }
  if (line.options.contains("times")) {
    return apply_many(line.at, actor, command, std::stoi(line.option("times")));
  }
  const LogIndex next(machine_.last_index().value + 1);
  // What the command will make is named before it is told.
  const std::string name = line.options.contains("name") ? line.option("name") : "";
  if (!name.empty()) bind(name, next.value * 4'096);
  return apply(line.at, actor, command);
}

}  // namespace fallow::scenario
