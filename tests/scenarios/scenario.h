// Runs a scenario: a text of commands, each followed by what the market is expected to tell.
//
// One thread, one file, one machine. Things have names instead of ids: accounts, nodes, orders and
// quotes those that the text gives them, leases L1, L2 ... and payouts P1, P2 ... in their order.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/machine.h"

namespace fallow::scenario {

// The words of one line: `submit`, then bare words, then name=value options.
struct Line {
  Time at;
  std::string verb;
  std::vector<std::string> words;
  std::map<std::string, std::string> options;

  std::string option(const std::string& name, const std::string& otherwise = "") const;
  bool has(const std::string& word) const;
};

class Scenario {
 public:
  // Carries a line out. The answer is what is printed under it, or why it cannot be understood.
  Result<std::string> run(const Line& line);

  const core::Machine& machine() const { return machine_; }

 private:
  // Applies a command, checks what must always hold, and prints its events.
  std::string apply(Time at, std::uint64_t actor, v1::Command command);
  // The same many times; prints how often each kind of answer came.
  std::string apply_many(Time at, std::uint64_t actor, const v1::Command& command, int times);

  Result<v1::Command> command_of(const Line& line);
  Result<v1::Command> submit_of(const Line& line);
  Result<v1::Command> observe_of(const Line& line);
  // scenario_people.cc: keys, webhooks and members; nothing when the line is about none of them.
  Result<std::optional<v1::Command>> people_of(const Line& line);
  std::string people_text() const;
  std::string text_of_people(const v1::Event& event) const;
  Result<v1::Command> proved_of(const Line& line, std::uint64_t id);
  Result<v1::Command> policy_of(const Line& line);
  static Result<v1::WorkloadClass> workload_of(const std::string& word);
  Result<v1::Requirements> requirements_of(const Line& line);
  Result<std::string> run_node(const Line& line);
  Result<std::string> run_quote(const Line& line);
  std::string run_ticks(Time until);
  std::uint64_t default_actor(const Line& line) const;

  // scenario_print.cc
  std::string text_of(const v1::Event& event);
  std::string text_of(const v1::Refused& refused) const;
  std::string ledger_text() const;
  std::string book_text() const;
  std::string waits_text(const core::Order& order) const;
  std::string orders_text() const;
  std::string leases_text() const;

  void bind(const std::string& name, std::uint64_t id);
  Result<std::uint64_t> id_of(const std::string& name) const;
  std::string name_of(std::uint64_t id) const;

  core::Machine machine_;
  std::map<std::string, std::uint64_t> ids_;
  std::map<std::uint64_t, std::string> names_;
  std::map<std::string, v1::BoundQuote> quotes_;
  std::uint64_t leases_ = 0;
  std::uint64_t payouts_ = 0;
  std::uint64_t deposits_ = 0;
  std::uint64_t secrets_ = 0;
};

// Takes a line apart: `@12.5s submit alice as job tasks=3 query="gpu_ram>=24"`.
Result<Line> parse_line(std::string_view text);
// "12.5s", "15m", "1h", "2d", "-1s": microseconds.
Result<Duration> parse_span(std::string_view text);
// "1h", "12.5s": the largest unit that fits.
std::string span_text(Duration span);

}  // namespace fallow::scenario
