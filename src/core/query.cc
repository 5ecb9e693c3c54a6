#include "core/query.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <utility>

#include "base/check.h"

namespace fallow::core {
namespace {

enum class Of : std::uint8_t { kDevice, kOffer };
enum class Kind : std::uint8_t { kWord, kNumber };

struct FieldFacts {
  std::string_view name;
  Kind kind;
  Of of;
  int decimals;
};

// In the order of Field.
constexpr std::array<FieldFacts, kFields> kFieldFacts = {{
    {"gpu_name", Kind::kWord, Of::kDevice, 0},     {"num_gpus", Kind::kNumber, Of::kOffer, 0},
    {"gpu_ram", Kind::kNumber, Of::kDevice, 3},    {"price", Kind::kNumber, Of::kOffer, 6},
    {"reliability", Kind::kNumber, Of::kOffer, 6}, {"region", Kind::kWord, Of::kOffer, 0},
    {"cpu_cores", Kind::kNumber, Of::kOffer, 3},   {"cpu_ram", Kind::kNumber, Of::kOffer, 3},
    {"disk_space", Kind::kNumber, Of::kOffer, 3},  {"inet_down", Kind::kNumber, Of::kOffer, 3},
    {"inet_up", Kind::kNumber, Of::kOffer, 3},     {"isolation", Kind::kNumber, Of::kOffer, 0},
    {"device_kind", Kind::kWord, Of::kDevice, 0},  {"node", Kind::kNumber, Of::kOffer, 0},
    {"provider", Kind::kNumber, Of::kOffer, 0},    {"lan", Kind::kWord, Of::kOffer, 0},
    {"verified", Kind::kWord, Of::kDevice, 0},     {"images", Kind::kNumber, Of::kOffer, 0},
    {"rack", Kind::kWord, Of::kOffer, 0},          {"egress_price", Kind::kNumber, Of::kOffer, 6},
}};

const FieldFacts& facts_of(Field field) { return kFieldFacts[static_cast<std::size_t>(field)]; }

char canonical_char(char c) {
  if (c == ' ') return '_';
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view symbol_of(Operator op) {
  switch (op) {
    case Operator::kLess:
      return "<";
    case Operator::kLessEqual:
      return "<=";
    case Operator::kEqual:
      return "=";
    case Operator::kNotEqual:
      return "!=";
    case Operator::kGreaterEqual:
      return ">=";
    case Operator::kGreater:
      return ">";
    case Operator::kIn:
      return " in ";
    case Operator::kNotIn:
      return " notin ";
    case Operator::kAny:
      return "=any";
  }
  FALLOW_CHECK(false, "operator {} has no symbol", static_cast<int>(op));
}

std::string word_text(const std::string& word) {
  const bool bare =
      !word.empty() && word != "any" && std::all_of(word.begin(), word.end(), is_bare);
  if (bare) return word;
  const char quote = word.find('"') == std::string::npos ? '"' : '\'';
  return quote + word + quote;
}

}  // namespace

bool Predicate::holds(std::int64_t number) const {
  const auto listed = [&] {
    return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
  };
  switch (op) {
    case Operator::kLess:
      return number < numbers.front();
    case Operator::kLessEqual:
      return number <= numbers.front();
    case Operator::kEqual:
      return number == numbers.front();
    case Operator::kNotEqual:
      return number != numbers.front();
    case Operator::kGreaterEqual:
      return number >= numbers.front();
    case Operator::kGreater:
      return number > numbers.front();
    case Operator::kIn:
      return listed();
    case Operator::kNotIn:
      return !listed();
    case Operator::kAny:
      return true;
  }
  FALLOW_CHECK(false, "operator {} is unknown", static_cast<int>(op));
}

bool Predicate::holds(std::string_view word) const {
  const bool listed = std::any_of(words.begin(), words.end(), [&](const std::string& wanted) {
    return same_word(wanted, word);
  });
  switch (op) {
    case Operator::kEqual:
    case Operator::kIn:
      return listed;
    case Operator::kNotEqual:
    case Operator::kNotIn:
      return !listed;
    case Operator::kAny:
      return true;
    default:
      FALLOW_CHECK(false, "operator {} is not for words", static_cast<int>(op));
  }
}

bool Predicate::holds(const v1::Device& device) const {
  return is_word(field) ? holds(word_of(device, field)) : holds(number_of(device, field));
}

bool operator==(const Predicate& a, const Predicate& b) {
  return a.field == b.field && a.op == b.op && a.numbers == b.numbers && a.words == b.words;
}

std::int64_t distance_to(const Predicate& predicate, std::int64_t number) {
  if (predicate.op == Operator::kNotEqual || predicate.op == Operator::kNotIn) return 0;
  std::int64_t nearest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t listed : predicate.numbers) {
    nearest = std::min(nearest, std::abs(listed - number));
  }
  return nearest;
}

Query::Query(std::vector<Predicate> predicates) : predicates_(std::move(predicates)) {
  FALLOW_CHECK(predicates_.size() <= kPredicatesMax, "{} predicates", predicates_.size());
  bool names_kind = false;
  bool names_model = false;
  bool names_verified = false;
  for (const Predicate& predicate : predicates_) {
    if (predicate.field == Field::kDeviceKind) names_kind = true;
    if (predicate.field == Field::kGpuName) names_model = true;
    if (predicate.field == Field::kVerified) names_verified = true;
    if (is_of_device(predicate.field)) names_devices_ = true;
  }
  // A processor's proof shows neither its model nor its memory: who wants those proven, and does
  // not ask for a processor in so many words, must not get one that bears a card's name.
  admits_cpu_ = names_kind || (names_model && !names_verified);
}

bool Query::matches(const Node& node) const {
  if (!admits(node, node.offer.device_hour, node.offer.egress_gb)) return false;
  std::uint32_t admitted = 0;
  for (const NodeDevice& device : node.devices) admitted += admits(device.facts) ? 1 : 0;
  return admitted > 0 && admits_count(admitted);
}

bool Query::admits(const v1::Device& device) const {
  if (!admits_cpu_ && device.kind() != v1::GPU) return false;
  if (!names_devices_) return true;
  return std::all_of(predicates_.begin(), predicates_.end(), [&](const Predicate& predicate) {
    return !is_of_device(predicate.field) || predicate.holds(device);
  });
}

bool Query::admits(const Node& node, Micros device_hour, Micros egress_gb) const {
  return std::all_of(predicates_.begin(), predicates_.end(), [&](const Predicate& predicate) {
    if (is_of_device(predicate.field) || predicate.field == Field::kNumGpus) return true;
    return is_word(predicate.field)
               ? predicate.holds(word_of(node, predicate.field))
               : predicate.holds(number_of(node, predicate.field, device_hour, egress_gb));
  });
}

const Predicate* Query::names_models() const {
  const auto found = std::find_if(predicates_.begin(), predicates_.end(), [](const Predicate& of) {
    return of.field == Field::kGpuName && (of.op == Operator::kEqual || of.op == Operator::kIn);
  });
  return found == predicates_.end() ? nullptr : &*found;
}

bool Query::demands_images() const {
  return std::any_of(predicates_.begin(), predicates_.end(), [](const Predicate& of) {
    return of.field == Field::kImages && !of.holds(0);
  });
}

bool Query::admits_count(std::uint32_t admitted_devices) const {
  return std::all_of(predicates_.begin(), predicates_.end(), [&](const Predicate& predicate) {
    return predicate.field != Field::kNumGpus ||
           predicate.holds(static_cast<std::int64_t>(admitted_devices));
  });
}

std::string Query::text() const {
  std::string text;
  for (const Predicate& predicate : predicates_) {
    if (!text.empty()) text += ' ';
    text += text_of(predicate);
  }
  return text;
}

std::string text_of(const Predicate& predicate) {
  std::string text(name_of(predicate.field));
  text += symbol_of(predicate.op);
  if (predicate.op == Operator::kAny) return text;
  const bool list = predicate.op == Operator::kIn || predicate.op == Operator::kNotIn;
  if (list) text += '[';
  bool first = true;
  const auto separate = [&] {
    if (!std::exchange(first, false)) text += ',';
  };
  for (const std::int64_t number : predicate.numbers) {
    separate();
    text += number_text(predicate.field, number);
  }
  for (const std::string& word : predicate.words) {
    separate();
    text += word_text(word);
  }
  if (list) text += ']';
  return text;
}

bool is_bare(char c) {
  return c > ' ' && c < 0x7f && std::string_view(",[]\"'<>=!").find(c) == std::string_view::npos;
}

std::string canonical_word(std::string_view word) {
  std::string canonical(word);
  std::transform(canonical.begin(), canonical.end(), canonical.begin(), canonical_char);
  return canonical;
}

bool same_word(std::string_view canonical, std::string_view word) {
  return canonical.size() == word.size() &&
         std::equal(canonical.begin(), canonical.end(), word.begin(),
                    [](char a, char b) { return a == canonical_char(b); });
}

std::string_view name_of(Field field) { return facts_of(field).name; }

std::optional<Field> field_named(std::string_view name) {
  for (std::size_t i = 0; i < kFields; ++i) {
    if (same_word(kFieldFacts[i].name, name)) return static_cast<Field>(i);
  }
  return std::nullopt;
}

bool is_word(Field field) { return facts_of(field).kind == Kind::kWord; }
bool is_of_device(Field field) { return facts_of(field).of == Of::kDevice; }
int decimals_of(Field field) { return facts_of(field).decimals; }

std::string number_text(Field field, std::int64_t number) {
  if (field == Field::kIsolation) {
    switch (number) {
      case v1::BUBBLEWRAP:
        return "bubblewrap";
      case v1::RUNC:
        return "runc";
      case v1::GVISOR:
        return "gvisor";
      case v1::MICROVM:
        return "microvm";
      default:
        return "none";
    }
  }
  if (field == Field::kImages) return number != 0 ? "true" : "false";
  const int decimals = decimals_of(field);
  std::int64_t scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  std::string text = fmt::format("{}", number / scale);
  if (number % scale != 0) {
    text += fmt::format(".{:0{}}", number % scale, decimals);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

std::int64_t number_of(const Node& node, Field field, Micros device_hour, Micros egress_gb) {
  switch (field) {
    case Field::kPrice:
      return device_hour.value;
    case Field::kEgressPrice:
      return egress_gb.value;
    case Field::kReliability:
      return reliability_ppm(node);
    case Field::kCpuCores:
      return node.facts.cpu_thousandths();
    // Megabytes are thousandths of a gigabyte.
    case Field::kCpuRam:
      return node.facts.memory_mb();
    case Field::kDiskSpace:
      return node.facts.disk_mb();
    case Field::kInetDown:
      return std::int64_t{node.facts.download_mbps()} * 1'000;
    case Field::kInetUp:
      return std::int64_t{node.facts.upload_mbps()} * 1'000;
    case Field::kIsolation:
      return node.facts.isolation();
    case Field::kImages:
      return node.facts.images() ? 1 : 0;
    case Field::kNode:
      return static_cast<std::int64_t>(node.id.value);
    case Field::kProvider:
      return static_cast<std::int64_t>(node.provider.value);
    default:
      FALLOW_CHECK(false, "{} is not a number of a node", name_of(field));
  }
}

std::int64_t number_of(const v1::Device& device, Field field) {
  FALLOW_CHECK(field == Field::kGpuRam, "{} is not a number of a device", name_of(field));
  return device.memory_mb();
}

std::string_view word_of(const Node& node, Field field) {
  if (field == Field::kLan) return node.facts.lan();
  if (field == Field::kRack) return node.facts.rack();
  FALLOW_CHECK(field == Field::kRegion, "{} is not a word of a node", name_of(field));
  return node.facts.region();
}

std::string_view word_of(const v1::Device& device, Field field) {
  if (field == Field::kGpuName) return device.model();
  if (field == Field::kVerified) return is_verified(device) ? "true" : "false";
  FALLOW_CHECK(field == Field::kDeviceKind, "{} is not a word of a device", name_of(field));
  switch (device.kind()) {
    case v1::GPU:
      return "gpu";
    case v1::CPU:
      return "cpu";
    default:
      return "unknown";
  }
}

}  // namespace fallow::core
