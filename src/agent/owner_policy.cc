#include "agent/owner_policy.h"

#include <toml++/toml.h>

#include <set>

#include "base/file.h"
#include "base/number.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kPolicyBytesMax = 64 * 1024;
constexpr std::size_t kProgramsMax = 256;
constexpr std::int64_t kSpanUsMax = hours(24).value;

constexpr std::string_view kDefaultText =
    R"(# When this machine is its owner's, and what happens to leased work then.
# Every line may be left out; this is what holds without it.

# true: lease as ever, only write down when the owner would have had the machine.
# `fallow agent owner-report` tells the week.
dry_run = false

# Signs of the owner count at once. The machine is leased again when nothing was seen for so long.
away_after = "10m"

[return]
# From the first sign of the owner on. What runs is suspended at once; a sign that
# was none costs nobody work until then:
ask_after = "300ms"
# Until here it may save its work. Then it is killed.
kill_after = "4s"

[signs]
# A desktop (X11 or Wayland) that has told systemd's logind that it is in use.
desktop = true
# Keyboards and mice, USB and built in: that they did something, not what.
input = true
# Something was typed into a terminal, here or over the network.
terminals = true
# A laptop that has lost its mains.
battery = true
# A program of one of these names runs; * stands for anything.
programs = ["*.exe", "wineserver", "gamescope*", "retroarch"]

[gpu]
# One process of another than a renter holds so much of a GPU's memory, or uses so much of its
# time (NVIDIA). 0: do not look.
memory_mb = 1000
percent = 20

[processor]
# Others than renters keep so many cores busy, over ten seconds. 0: do not look.
cores = 0.0

[schedule]
# The hours in which the machine may be leased at all; none: always. Days are those on which
# the hours begin: lend = ["mon-fri 19:00-07:00", "sat,sun 00:00-24:00"]
lend = []
# "": the machine's own, or for example "Europe/Berlin".
zone = ""
)";

// "500ms", "30s", "10m", "2h"
std::optional<Duration> span_of(std::string_view text) {
  const std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
  const auto number = parse_number<std::int64_t>(digits);
  const std::string_view unit = text.substr(digits.size());
  std::int64_t unit_us = 0;
  if (unit == "ms") unit_us = milliseconds(1).value;
  if (unit == "s") unit_us = seconds(1).value;
  if (unit == "m") unit_us = minutes(1).value;
  if (unit == "h") unit_us = hours(1).value;
  if (!number || unit_us == 0 || *number > kSpanUsMax / unit_us) return std::nullopt;
  return Duration(*number * unit_us);
}

std::string span_words(Duration span) {
  const std::int64_t ms = span.value / 1000;
  if (ms % 60'000 == 0 && ms > 0) return fmt::format("{} min", ms / 60'000);
  if (ms % 1000 == 0) return fmt::format("{} s", ms / 1000);
  return fmt::format("{} ms", ms);
}

// One file that is read; the first fault counts.
class PolicyReader {
 public:
  explicit PolicyReader(std::string_view name) : name_(name) {}

  // The table of that name, or null; its keys must all be among `known`.
  const toml::table* table(const toml::table& parent, std::string_view key) {
    const toml::node* node = parent.get(key);
    if (node == nullptr) return nullptr;
    if (!node->is_table()) fault(*node, fmt::format("{} is a table: write [{}]", key, key));
    return node->as_table();
  }
  void known(const toml::table& table, const std::set<std::string_view>& keys) {
    for (const auto& [key, node] : table) {
      if (keys.contains(key.str())) continue;
      std::string list;
      for (const std::string_view one : keys) list += (list.empty() ? "" : ", ") + std::string(one);
      fault(node, fmt::format("\"{}\" is no setting here; known are {}", key.str(), list));
    }
  }
  void take(const toml::table& table, std::string_view key, bool& value) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    if (const auto* given = node->as_boolean()) {
      value = given->get();
    } else {
      fault(*node, fmt::format("{} is true or false", key));
    }
  }
  void take(const toml::table& table, std::string_view key, Duration& value) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const auto* given = node->as_string();
    const auto span = given == nullptr ? std::nullopt : span_of(given->get());
    if (span) {
      value = *span;
    } else {
      fault(*node,
            fmt::format("{} is a time up to a day: \"500ms\", \"30s\", \"10m\" or \"2h\"", key));
    }
  }
  template <class Number>
  void take(const toml::table& table, std::string_view key, Number& value, double most) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const auto given = node->is_number() ? node->value<double>() : std::nullopt;
    const bool whole = std::is_floating_point_v<Number> || node->is_integer();
    if (given && whole && *given >= 0 && *given <= most) {
      value = static_cast<Number>(*given);
    } else {
      fault(*node, fmt::format("{} is a number from 0 to {}", key, most));
    }
  }
  void take(const toml::table& table, std::string_view key, std::string& value) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    if (const auto* given = node->as_string()) {
      value = given->get();
    } else {
      fault(*node, fmt::format("{} is a text in quotes", key));
    }
  }
  void take(const toml::table& table, std::string_view key, std::vector<std::string>& value) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const auto* given = node->as_array();
    if (given == nullptr || given->size() > kProgramsMax) {
      fault(*node,
            fmt::format("{} is a list of at most {} texts: [\"one\", \"two\"]", key, kProgramsMax));
      return;
    }
    value.clear();
    for (const toml::node& one : *given) {
      if (const auto* text = one.as_string(); text != nullptr && !text->get().empty()) {
        value.push_back(text->get());
      } else {
        fault(one, fmt::format("{} holds texts in quotes, none of them empty", key));
      }
    }
  }
  void fault(const toml::node& node, std::string_view what) {
    if (!fault_.empty()) return;
    fault_ = fmt::format("{}, line {}: {}", name_, node.source().begin.line, what);
  }
  const std::string& first_fault() const { return fault_; }

 private:
  const std::string name_;
  std::string fault_;
};

}  // namespace

std::string_view default_owner_policy() { return kDefaultText; }

Result<OwnerPolicy> parse_owner_policy(std::string_view text, std::string_view name) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::kInvalid, "{}, line {}: {}", name, error.source().begin.line,
                error.description());
  }
  OwnerPolicy policy;
  PolicyReader reader(name);
  reader.known(root, {"dry_run", "away_after", "return", "signs", "gpu", "processor", "schedule"});
  reader.take(root, "dry_run", policy.dry_run);
  reader.take(root, "away_after", policy.away_after);
  if (const auto* table = reader.table(root, "return")) {
    reader.known(*table, {"ask_after", "kill_after"});
    reader.take(*table, "ask_after", policy.ask_after);
    reader.take(*table, "kill_after", policy.kill_after);
    if (policy.kill_after < policy.ask_after) {
      reader.fault(*table, "kill_after is not before ask_after");
    }
  }
  if (const auto* table = reader.table(root, "signs")) {
    reader.known(*table, {"desktop", "input", "terminals", "battery", "programs"});
    reader.take(*table, "desktop", policy.desktop);
    reader.take(*table, "input", policy.input);
    reader.take(*table, "terminals", policy.terminals);
    reader.take(*table, "battery", policy.battery);
    reader.take(*table, "programs", policy.programs);
  }
  if (const auto* table = reader.table(root, "gpu")) {
    reader.known(*table, {"memory_mb", "percent"});
    reader.take(*table, "memory_mb", policy.gpu_memory_mb, 1e7);
    reader.take(*table, "percent", policy.gpu_percent, 100);
  }
  if (const auto* table = reader.table(root, "processor")) {
    reader.known(*table, {"cores"});
    reader.take(*table, "cores", policy.processor_cores, 4096);
  }
  if (const auto* table = reader.table(root, "schedule")) {
    reader.known(*table, {"lend", "zone"});
    std::vector<std::string> windows;
    reader.take(*table, "lend", windows);
    reader.take(*table, "zone", policy.zone);
    auto schedule = OwnerSchedule::parse(windows);
    if (schedule) {
      policy.schedule = std::move(*schedule);
    } else {
      reader.fault(*table->get("lend"), schedule.error().message);
    }
    if (const auto zone = zone_named(policy.zone); !zone) {
      reader.fault(*table->get("zone"), zone.error().message);
    }
  }
  if (!reader.first_fault().empty()) return fail(ErrorCode::kInvalid, "{}", reader.first_fault());
  return policy;
}

Result<OwnerPolicy> load_owner_policy(const std::string& path) {
  FALLOW_ASSIGN(const std::string text, read_file(path, kPolicyBytesMax));
  return parse_owner_policy(text, path);
}

std::string describe(const OwnerPolicy& policy) {
  std::string signs;
  const auto add = [&signs](bool used, std::string_view what) {
    if (used) signs += (signs.empty() ? "" : ", ") + std::string(what);
  };
  add(policy.desktop, "a desktop in use");
  add(policy.input, "keyboard and mouse");
  add(policy.terminals, "terminals");
  add(policy.battery, "no mains");
  for (const std::string& program : policy.programs) add(true, "program " + program);
  add(policy.gpu_memory_mb > 0,
      fmt::format("another's {} MB of a GPU's memory", policy.gpu_memory_mb));
  add(policy.gpu_percent > 0, fmt::format("another's {} % of a GPU", policy.gpu_percent));
  add(policy.processor_cores > 0,
      fmt::format("others' {} processor cores", policy.processor_cores));
  return fmt::format(
      "{}Signs of the owner: {}.\nWhat runs is then suspended at once, asked to end after {} and "
      "killed after {}.\nThe machine is leased again when nothing was seen for {}{}.\n",
      policy.dry_run ? "Only written down, not done:\n" : "", signs.empty() ? "none" : signs,
      span_words(policy.ask_after), span_words(policy.kill_after), span_words(policy.away_after),
      policy.schedule.is_always() ? "" : ", within the hours of the schedule");
}

}  // namespace fallow::agent
