// How changes are made and written. The scans stand in relaxation.cc and gang_relaxations.cc.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/money.h"
#include "core/relaxation.h"

namespace fallow::core {
namespace {

// "1.5": value / 10^decimals, rounded down, without trailing zeros.
std::string decimal(std::int64_t value, int decimals) {
  std::int64_t scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  std::string text = fmt::format("{}", value / scale);
  if (value % scale != 0) {
    text += fmt::format(".{:0{}}", value % scale, decimals);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

template <class Value>
Predicate widened_by(Predicate predicate, std::vector<Value> Predicate::*values,
                     const Value& value) {
  std::vector<Value>& listed = predicate.*values;
  switch (predicate.op) {
    case Operator::kLess:
    case Operator::kLessEqual:
      predicate.op = Operator::kLessEqual;
      listed = {value};
      break;
    case Operator::kGreaterEqual:
    case Operator::kGreater:
      predicate.op = Operator::kGreaterEqual;
      listed = {value};
      break;
    case Operator::kEqual:
    case Operator::kIn:
      predicate.op = Operator::kIn;
      listed.push_back(value);
      break;
    case Operator::kNotEqual:
    case Operator::kNotIn:
      std::erase(listed, value);
      predicate.op = listed.empty() ? Operator::kAny : Operator::kNotIn;
      break;
    case Operator::kAny:
      break;
  }
  return predicate;
}

std::string change_of(const Predicate& predicate, std::string_view value) {
  const std::string_view field = name_of(predicate.field);
  switch (predicate.op) {
    case Operator::kLess:
    case Operator::kLessEqual:
      return fmt::format("raise {} to {}", field, value);
    case Operator::kGreaterEqual:
    case Operator::kGreater:
      return fmt::format("lower {} to {}", field, value);
    case Operator::kNotEqual:
    case Operator::kNotIn:
      return fmt::format("allow {} {}", field, value);
    default:
      return fmt::format("accept {} {}", field, value);
  }
}

v1::Relaxation answer(std::string_view field, std::string change, Micros rate_hour) {
  v1::Relaxation relaxation;
  relaxation.set_field(std::string(field));
  relaxation.set_change(std::move(change));
  relaxation.set_task_hour_micros(rate_hour.value);
  return relaxation;
}

// Hours with six decimals: 10^-6 h are 3,600 us.
std::string hours_text(std::int64_t us) { return decimal(us / 3'600, 6); }

}  // namespace

Predicate widened(const Predicate& predicate, std::int64_t number) {
  return widened_by(predicate, &Predicate::numbers, number);
}

Predicate widened(const Predicate& predicate, std::string_view word) {
  return widened_by(predicate, &Predicate::words, canonical_word(word));
}

Demand widened(const Demand& demand, std::size_t at, std::int64_t number, std::string_view word) {
  std::vector<Predicate> predicates = demand.query.predicates();
  const Predicate& predicate = predicates[at];
  predicates[at] = is_word(predicate.field) ? widened(predicate, word) : widened(predicate, number);
  Demand copy = demand;
  copy.query = Query(std::move(predicates));
  return copy;
}

Demand without_predicate(const Demand& demand, std::size_t at) {
  std::vector<Predicate> predicates = demand.query.predicates();
  const bool of_device = is_of_device(predicates[at].field);
  for (std::size_t i = 0; i < predicates.size(); ++i) {
    if (i != at && !(of_device && predicates[i].field == Field::kNumGpus)) continue;
    predicates[i].op = Operator::kAny;
    predicates[i].numbers.clear();
    predicates[i].words.clear();
  }
  Demand copy = demand;
  copy.query = Query(std::move(predicates));
  return copy;
}

std::int64_t set_value(Demand& demand, Change change, std::int64_t value) {
  v1::Requirements& requirements = demand.requirements;
  const auto narrow = static_cast<std::uint32_t>(value);
  std::int64_t asked = value;
  switch (change) {
    case Change::kNodes:
      asked = nodes_of(requirements);
      requirements.set_nodes(narrow);
      break;
    case Change::kPrice:
      requirements.set_price_per_hour_micros_max(value);
      demand.rate_hour_max = Micros(0);
      break;
    case Change::kGpus:
      asked = gpus_of(requirements);
      requirements.set_gpus(narrow);
      break;
    case Change::kShare:
      asked = share_of(requirements);
      requirements.set_device_thousandths(narrow);
      break;
    case Change::kDuration:
      asked = requirements.duration_us();
      requirements.set_duration_us(value);
      break;
    case Change::kMemory:
      asked = requirements.memory_mb();
      requirements.set_memory_mb(narrow);
      break;
    case Change::kCpu:
      asked = requirements.cpu_thousandths();
      requirements.set_cpu_thousandths(narrow);
      break;
    case Change::kDisk:
      asked = requirements.disk_mb();
      requirements.set_disk_mb(narrow);
      break;
    case Change::kIsolation:
      asked = requirements.isolation_min();
      requirements.set_isolation_min(static_cast<v1::Isolation>(value));
      break;
    case Change::kNetwork:
      asked = requirements.network();
      requirements.set_network(static_cast<v1::Network>(value));
      break;
    case Change::kPredicate:
    case Change::kWait:
      FALLOW_CHECK(false, "change {} has no value", static_cast<int>(change));
  }
  return asked;
}

v1::Relaxation relaxation_of(Change change, const v1::Requirements& asked, std::int64_t number,
                             Micros rate_hour) {
  switch (change) {
    case Change::kNodes:
      return answer("nodes", fmt::format("lower nodes to {}", number), rate_hour);
    case Change::kPrice:
      return answer("max_price_per_hour",
                    fmt::format("raise max price to {}", format_money(Micros(number))), rate_hour);
    case Change::kGpus:
      return answer("gpus", fmt::format("lower gpus to {}", number), rate_hour);
    case Change::kShare:
      return answer("device_share",
                    fmt::format("{} device_share to {}",
                                number > std::int64_t{share_of(asked)} ? "raise" : "lower",
                                decimal(number, 3)),
                    rate_hour);
    case Change::kDuration:
      return answer("hours", fmt::format("lower hours to {}", hours_text(number)), rate_hour);
    case Change::kMemory:
      return answer("memory_gb", fmt::format("lower memory_gb to {}", decimal(number, 3)),
                    rate_hour);
    case Change::kCpu:
      return answer("cpu_cores", fmt::format("lower cpu_cores to {}", decimal(number, 3)),
                    rate_hour);
    case Change::kDisk:
      return answer("disk_gb", fmt::format("lower disk_gb to {}", decimal(number, 3)), rate_hour);
    case Change::kIsolation:
      return answer("isolation_min",
                    fmt::format("accept isolation {}", number_text(Field::kIsolation, number)),
                    rate_hour);
    case Change::kNetwork:
      return answer("network", "do without a network", rate_hour);
    case Change::kWait:
      return answer("",
                    number == 1 ? std::string("wait: 1 matching offer is busy")
                                : fmt::format("wait: {} matching offers are busy", number),
                    rate_hour);
    case Change::kPredicate:
      break;
  }
  FALLOW_CHECK(false, "change {} has no text of its own", static_cast<int>(change));
}

v1::Relaxation relaxation_of(const Predicate& predicate, std::int64_t number, Micros rate_hour) {
  return answer(name_of(predicate.field),
                change_of(predicate, number_text(predicate.field, number)), rate_hour);
}

v1::Relaxation relaxation_of(const Predicate& predicate, std::string_view word, Micros rate_hour) {
  // As a query writes it: nothing else would tell that there is none.
  const std::string_view shown = word.empty() ? "\"\"" : word;
  return answer(name_of(predicate.field), change_of(predicate, shown), rate_hour);
}

void order_relaxations(std::vector<v1::Relaxation>& relaxations) {
  std::stable_sort(relaxations.begin(), relaxations.end(),
                   [](const v1::Relaxation& a, const v1::Relaxation& b) {
                     return a.task_hour_micros() < b.task_hour_micros();
                   });
  if (relaxations.size() > kRelaxationsMax) relaxations.resize(kRelaxationsMax);
}

}  // namespace fallow::core
