#include "core/sieve.h"

#include <algorithm>
#include <utility>

namespace fallow::core {
namespace {

constexpr std::size_t kRegionColumn = Sieve::kColumns - 1;

// FNV-1a of the canonical word. Two words may share a hash: then the node is looked at closely.
std::uint32_t hash_of(std::string_view word) {
  std::uint32_t hash = 2'166'136'261U;
  for (const char c : canonical_word(word)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619U;
  }
  return hash;
}

struct Column {
  Field field;
  std::int64_t scale;
};
// In the order of Sieve::columns. Megabits are kept as they are: as thousandths they would not fit.
constexpr std::array<Column, kRegionColumn> kNumbers = {{{Field::kReliability, 1},
                                                         {Field::kCpuCores, 1},
                                                         {Field::kCpuRam, 1},
                                                         {Field::kDiskSpace, 1},
                                                         {Field::kInetDown, 1'000},
                                                         {Field::kInetUp, 1'000},
                                                         {Field::kIsolation, 1}}};

}  // namespace

Sieve sieve_of(const Node& node) {
  Sieve sieve;
  for (std::size_t i = 0; i < kNumbers.size(); ++i) {
    const std::int64_t number = number_of(node, kNumbers[i].field, Micros(0));
    sieve.columns[i] = static_cast<std::uint32_t>(number / kNumbers[i].scale);
  }
  sieve.columns[kRegionColumn] = hash_of(node.facts.region());
  return sieve;
}

Screen::Screen(const Query& query) : predicates_(query.predicates()) {
  for (std::size_t i = 0; i < predicates_.size(); ++i) {
    const Predicate& predicate = predicates_[i];
    Condition condition;
    condition.predicate = i;
    if (predicate.field == Field::kRegion) {
      // A shared hash must not turn a node away, so only what has to be equal is sieved.
      if (predicate.op != Operator::kEqual && predicate.op != Operator::kIn) continue;
      condition.column = kRegionColumn;
      for (const std::string& word : predicate.words) condition.hashes.push_back(hash_of(word));
    } else {
      const auto column = std::find_if(kNumbers.begin(), kNumbers.end(), [&](const Column& known) {
        return known.field == predicate.field;
      });
      if (column == kNumbers.end()) continue;
      condition.column = static_cast<std::size_t>(column - kNumbers.begin());
      condition.scale = column->scale;
    }
    conditions_.push_back(std::move(condition));
  }
}

bool Screen::holds(const Condition& condition, const Sieve& sieve) const {
  const std::uint32_t value = sieve.columns[condition.column];
  if (condition.column == kRegionColumn) {
    return std::find(condition.hashes.begin(), condition.hashes.end(), value) !=
           condition.hashes.end();
  }
  return predicates_[condition.predicate].holds(std::int64_t{value} * condition.scale);
}

bool Screen::passes(const Sieve& sieve) const {
  return std::all_of(conditions_.begin(), conditions_.end(),
                     [&](const Condition& condition) { return holds(condition, sieve); });
}

Screen::Failures Screen::failures(const Sieve& sieve) const {
  Failures failures;
  for (const Condition& condition : conditions_) {
    if (holds(condition, sieve)) continue;
    const std::int64_t value = sieve.columns[condition.column];
    const std::int64_t distance =
        condition.column == kRegionColumn
            ? 0
            : distance_to(predicates_[condition.predicate], value * condition.scale);
    failures.add(condition.predicate, distance);
    if (failures.count == 2) break;
  }
  return failures;
}

}  // namespace fallow::core
