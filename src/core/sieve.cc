#include "core/sieve.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"

namespace fallow::core {
namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

// Where a number column's values come from, and its unit in the field's scale.
struct NumberColumn {
  Field field;
  Column column;
  std::int64_t unit;
};
constexpr std::array<NumberColumn, 8> kNumberColumns = {
    {{Field::kReliability, Column::kReliability, 1},
     {Field::kCpuCores, Column::kCpu, 1},
     {Field::kCpuRam, Column::kMemory, 1},
     {Field::kDiskSpace, Column::kDisk, 1},
     {Field::kInetDown, Column::kDownload, 1'000},
     {Field::kInetUp, Column::kUpload, 1'000},
     {Field::kIsolation, Column::kIsolation, 1},
     {Field::kImages, Column::kImages, 1}}};

// Its codes are its numbers.
bool is_exact(Column column) { return column == Column::kIsolation || column == Column::kImages; }

// The numbers that a predicate may hold for; `whole` when it holds for all of them.
struct Range {
  std::int64_t low = kLowest;
  std::int64_t high = kHighest;
  bool whole = true;
};

Range range_of(const Predicate& predicate) {
  if (predicate.op == Operator::kAny) return {};
  if (predicate.numbers.empty()) return {.whole = false};
  const std::int64_t number = predicate.numbers.front();
  switch (predicate.op) {
    case Operator::kLess:
      if (number == kLowest) return {.low = kHighest, .high = kLowest};
      return {.high = number - 1};
    case Operator::kLessEqual:
      return {.high = number};
    case Operator::kEqual:
      return {.low = number, .high = number};
    case Operator::kGreaterEqual:
      return {.low = number};
    case Operator::kGreater:
      if (number == kHighest) return {.low = kHighest, .high = kLowest};
      return {.low = number + 1};
    case Operator::kIn: {
      const auto [low, high] =
          std::minmax_element(predicate.numbers.begin(), predicate.numbers.end());
      return {.low = *low, .high = *high, .whole = *low == *high};
    }
    default:
      return {.whole = false};
  }
}

// For every column, gate and direction its place in kBoundList.
constexpr auto kBoundPlaces = [] {
  std::array<std::array<std::array<std::uint8_t, 2>, kGates.size()>, kColumns> places{};
  for (std::size_t column = 0; column < kColumns; ++column) {
    for (std::size_t gate = 0; gate < kGates.size(); ++gate) {
      for (const bool turned : {false, true}) {
        places[column][gate][turned ? 1 : 0] =
            static_cast<std::uint8_t>(bound_of(static_cast<Column>(column), gate, turned));
      }
    }
  }
  return places;
}();

}  // namespace

Sieve::Sieve(const Matcher& matcher, Supply supply, const OfferStore& offers,
             const WordNumbers& regions)
    : gate_(kAnyOffer),
      supply_(supply),
      ranks_by_(static_cast<std::uint8_t>(
          matcher.weighs_lasting() ? index_of(lasting_column(matcher.span())) : kColumns)),
      gpus_(matcher.gpus()),
      share_(matcher.share()),
      offers_(offers),
      requirements_(matcher.demand().requirements),
      predicates_(matcher.demand().query.predicates()),
      words_(regions) {
  if (supply == Supply::kFree) gate_ = share_ == kWholeDevice ? gate_of(gpus_) : kAnyRoom;
  if (share_ > kWholeDevice) never_ = true;
  // What is most often wanting comes first: the rest is then not looked at.
  if (supply == Supply::kOffered) {
    at_least(Column::kDevices, gpus_);
  } else if (share_ == kWholeDevice) {
    at_least(Column::kWhole, gpus_);
  } else {
    at_least(Column::kRoom, share_);
    if (gpus_ > 1) at_least(Column::kDevices, gpus_);
    doubts_ = gpus_ > 1;  // which devices have room for a share is known for one of them only
  }
  for (std::size_t i = 0; i < predicates_.size(); ++i) add(predicates_[i], i, regions);
  add_requirements(matcher);
}

void Sieve::at_least(Column column, std::uint64_t value) {
  if (value == 0) return;
  const Code code = code_of(column, value);
  // Is the value the least with this code? Then the code says it all, but for the last, which
  // stands for everything beyond.
  const bool edge = code != kCodeMax && code_of(column, value - 1) < code;
  const auto below = static_cast<Code>(edge ? code - 1 : code);
  bound_tests_.push_back({static_cast<std::uint8_t>(index_of(column)), 0, code, below});
  if (code == 0) return;
  const std::uint8_t bound = kBoundPlaces[index_of(column)][gate_][0];
  if (bound < kBounds) zone_tests_.push_back({bound, code});
}

void Sieve::at_most(Column column, std::uint64_t value) {
  const Code code = code_of(column, value);
  const bool edge = code != kCodeMax && code_of(column, value + 1) > code;
  const auto turned = static_cast<Code>(kCodeMax - code);
  const auto below = static_cast<Code>(edge ? turned - 1 : turned);
  bound_tests_.push_back({static_cast<std::uint8_t>(index_of(column)), kCodeMax, turned, below});
  if (turned == 0) return;
  const std::uint8_t bound = kBoundPlaces[index_of(column)][gate_][1];
  if (bound < kBounds) zone_tests_.push_back({bound, turned});
}

void Sieve::within(Column column, std::uint64_t low, std::uint64_t high) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (low > kMost) never_ = true;
  range_tests_.push_back({column, static_cast<std::uint32_t>(std::min(low, kMost)),
                          static_cast<std::uint32_t>(std::min(high, kMost))});
}

void Sieve::add_requirements(const Matcher& matcher) {
  const v1::Requirements& wanted = requirements_;
  const bool free = supply_ == Supply::kFree;
  if (matcher.share() < kWholeDevice) at_most(Column::kShareMin, matcher.share());
  const auto need = [&](Column of_free, Column of_all, std::uint64_t amount) {
    if (amount == 0) return;
    const Column column = free ? of_free : of_all;
    at_least(column, amount);
    within(column, amount, std::numeric_limits<std::uint64_t>::max());
  };
  need(Column::kMemoryFree, Column::kMemory, wanted.memory_mb());
  need(Column::kCpuFree, Column::kCpu, wanted.cpu_thousandths());
  need(Column::kDiskFree, Column::kDisk, wanted.disk_mb());
  if (wanted.isolation_min() > 0) {
    at_least(Column::kIsolation, static_cast<std::uint64_t>(wanted.isolation_min()));
  }
  if (wanted.duration_us() > 0) {
    at_least(Column::kDuration, static_cast<std::uint64_t>(wanted.duration_us()));
    asks_duration_ = true;
  }
  if (wanted.network() != v1::NETWORK_NONE) doubts_ = asks_node_ = true;  // it has no column
}

void Sieve::add(const Predicate& predicate, std::size_t index, const WordNumbers& regions) {
  if (predicate.op == Operator::kAny || is_of_device(predicate.field)) return;
  if (predicate.field == Field::kRegion) {
    add_region(predicate, index, regions);
  } else if (predicate.field == Field::kLan || predicate.field == Field::kRack ||
             predicate.field == Field::kEgressPrice) {
    doubts_ = asks_node_ = true;  // few ask for them: they have no column
  } else {
    add_numbers(predicate, index);
  }
}

void Sieve::add_numbers(const Predicate& predicate, std::size_t index) {
  const Range range = range_of(predicate);
  number_tests_.push_back(
      {predicate.field, static_cast<std::uint8_t>(index), range.whole, range.low, range.high});
  if (predicate.field == Field::kPrice) {
    prices_ = true;  // the walk's own bound
    return;
  }
  if (range.high < range.low || range.high < 0) {
    never_ = true;
    return;
  }
  if (predicate.field == Field::kNode || predicate.field == Field::kProvider) {
    return add_ids(predicate);
  }
  if (!range.whole) doubts_ = true;
  const auto low = static_cast<std::uint64_t>(std::max<std::int64_t>(range.low, 0));
  const auto high = static_cast<std::uint64_t>(range.high);
  if (predicate.field == Field::kNumGpus) {
    // More devices than are admitted must not turn a node away.
    if (range.low > 0) at_least(Column::kDevices, low);
    if (range.high < kHighest) at_most(Column::kDevicesLeast, high);
    return;
  }
  const auto* const column =
      std::find_if(kNumberColumns.begin(), kNumberColumns.end(),
                   [&](const NumberColumn& known) { return known.field == predicate.field; });
  const auto unit = static_cast<std::uint64_t>(column->unit);
  const std::uint64_t least = low / unit + (low % unit == 0 ? 0 : 1);
  const std::uint64_t most = high / unit;
  if (range.low > 0) at_least(column->column, least);
  if (range.high < kHighest) at_most(column->column, most);
  const bool bounded = range.low > 0 || range.high < kHighest;
  if (bounded && !is_exact(column->column)) within(column->column, least, most);
}

// An id that has another code than all of a list is not on it.
void Sieve::add_ids(const Predicate& predicate) {
  const Column column = predicate.field == Field::kNode ? Column::kNode : Column::kProvider;
  SetTest test{static_cast<std::uint8_t>(index_of(column)), ~CodeSet(), CodeSet()};
  CodeSet listed;
  for (const std::int64_t id : predicate.numbers) {
    listed.add(code_of(column, static_cast<std::uint64_t>(id)));
  }
  if (predicate.op == Operator::kEqual || predicate.op == Operator::kIn) {
    test.may = listed;
  } else if (predicate.op == Operator::kNotEqual || predicate.op == Operator::kNotIn) {
    test.sure = ~listed;
  }
  set_tests_.push_back(test);
}

void Sieve::add_region(const Predicate& predicate, std::size_t index, const WordNumbers& regions) {
  RegionTest test{static_cast<std::uint8_t>(index), false, {}};
  test.listed = predicate.op == Operator::kEqual || predicate.op == Operator::kIn;
  // Whoever has a word without a number stands among the others.
  RegionMask mask = regions.overflowed() ? ~RegionMask{0} : 0;
  for (const std::string& word : predicate.words) {
    const std::uint16_t number = regions.find(word);
    if (number == WordNumbers::kOther) continue;
    const Code code = code_of(Column::kRegion, number);
    mask |= Block::region_mask_of(code);
    test.codes.add(code);
  }
  if (test.listed) regions_ &= mask;
  region_tests_.push_back(test);
  CodeSet others;
  others.add(kCodeMax);
  const CodeSet known = test.listed ? test.codes : ~test.codes;
  set_tests_.push_back(
      {static_cast<std::uint8_t>(index_of(Column::kRegion)), known | others, known & ~others});
}

LaneMask Sieve::sift(const Zone& zone) const {
  if (never_) return 0;
  return lane_search.sift_rows(zone.best.data(), zone_tests_.data(), zone_tests_.size(),
                               zone.all());
}

LaneMask Sieve::narrow(const Block& block, LaneMask lanes) const {
  const auto keep = [&](auto&& passes) {
    for (LaneMask left = lanes; left != 0; left &= left - 1) {
      if (!passes(first_lane(left))) lanes &= ~(left & (~left + 1));
    }
  };
  for (const RangeTest& test : range_tests_) {
    if (has_number_row(test.column)) {
      lanes = lane_search.keep_within(block.numbers[number_row_of(test.column)], test.low,
                                      test.high, lanes);
      continue;
    }
    keep([&](std::size_t lane) {
      const std::uint32_t number = block.number(test.column, lane);
      return test.low <= number && number <= test.high;
    });
  }
  if (const std::int64_t duration = requirements_.duration_us(); duration > 0) {
    keep([&](std::size_t lane) {
      const Duration duration_max = block.durations_max[lane];
      return !duration_max || duration_max.value >= duration;
    });
  }
  if (share_ < kWholeDevice) {
    keep([&](std::size_t lane) {
      const LaneOffer& offer = block.offers[lane];
      return offer.share_min <= share_ && (supply_ != Supply::kFree || offer.room >= share_);
    });
  }
  return lanes;
}

void Sieve::prefetch(const Block& block) const {
  prefetch_line(&block);
  // Few blocks have offers that are limited in time.
  const std::size_t bounds = bound_tests_.size() - (asks_duration_ ? 1 : 0);
  for (std::size_t i = 0; i < bounds; ++i) prefetch_line(&block.rows[bound_tests_[i].row]);
  for (const SetTest& test : set_tests_) prefetch_line(&block.rows[test.row]);
  if (ranks_by_ < kColumns) prefetch_line(&block.rows[ranks_by_]);
}

void Sieve::prefetch(const Zone& zone) const {
  prefetch_line(&zone);
  for (const RowTest& test : zone_tests_) prefetch_line(&zone.best[test.row]);
}

std::int64_t Sieve::number_of(const Block& block, std::size_t lane, Field field) const {
  switch (field) {
    case Field::kPrice:
      return block.offers[lane].device_hour.value;
    case Field::kNode:
      return static_cast<std::int64_t>(block.offers[lane].id.value);
    case Field::kProvider:
      return static_cast<std::int64_t>(offers_[block.offers[lane].slot].node->provider.value);
    case Field::kNumGpus:
      return block.row(Column::kDevices).at[lane];
    case Field::kIsolation:
      return block.row(Column::kIsolation).at[lane];
    case Field::kImages:
      return block.row(Column::kImages).at[lane];
    default:
      break;
  }
  for (const NumberColumn& known : kNumberColumns) {
    if (known.field == field) return known.unit * block.number(known.column, lane);
  }
  FALLOW_CHECK(false, "{} is not a number of an offer", name_of(field));
}

bool Sieve::holds(const NumberTest& test, std::int64_t number) const {
  if (number < test.low || number > test.high) return false;
  return test.whole || predicates_[test.predicate].holds(number);
}

bool Sieve::holds(const RegionTest& test, std::uint16_t region) const {
  const Code code = code_of(Column::kRegion, region);
  if (code == kCodeMax) return predicates_[test.predicate].holds(words_.word(region));
  return test.codes.has(code) == test.listed;
}

bool Sieve::accepts_price(Micros device_hour) const {
  if (!prices_) return true;
  return std::all_of(number_tests_.begin(), number_tests_.end(), [&](const NumberTest& test) {
    return test.field != Field::kPrice || holds(test, device_hour.value);
  });
}

Sieve::Verdict Sieve::judge(const Block& block, std::size_t lane) const {
  if ((block.plain & lane_bit(lane)) == 0) return Verdict::kAskNode;
  const LaneOffer& offer = block.offers[lane];
  if (share_ < offer.share_min) return Verdict::kNo;
  const Duration duration_max = block.durations_max[lane];
  if (duration_max && duration_max.value < requirements_.duration_us()) return Verdict::kNo;
  const std::uint32_t isolation = block.row(Column::kIsolation).at[lane];
  if (isolation < static_cast<std::uint32_t>(requirements_.isolation_min())) return Verdict::kNo;
  for (const RangeTest& test : range_tests_) {
    const std::uint32_t number = block.number(test.column, lane);
    if (number < test.low || number > test.high) return Verdict::kNo;
  }
  const bool free = supply_ == Supply::kFree;
  const bool whole = share_ == kWholeDevice;
  const Column devices = free && whole ? Column::kWhole : Column::kDevices;
  if (block.row(devices).at[lane] < gpus_) return Verdict::kNo;
  if (free && !whole && offer.room < share_) return Verdict::kNo;
  for (const NumberTest& test : number_tests_) {
    if (!holds(test, number_of(block, lane, test.field))) return Verdict::kNo;
  }
  for (const RegionTest& test : region_tests_) {
    if (!holds(test, block.offers[lane].region)) return Verdict::kNo;
  }
  return asks_node_ || (free && !whole && gpus_ > 1) ? Verdict::kAskNode : Verdict::kYes;
}

Sieve::Failures Sieve::failures(const Block& block, std::size_t lane) const {
  Failures failures;
  for (const NumberTest& test : number_tests_) {
    if (test.field == Field::kNumGpus || test.field == Field::kPrice) continue;
    const std::int64_t number = number_of(block, lane, test.field);
    if (holds(test, number)) continue;
    failures.add(test.predicate, distance_to(predicates_[test.predicate], number));
    if (failures.count == 2) return failures;
  }
  const std::uint16_t region = block.offers[lane].region;
  for (const RegionTest& test : region_tests_) {
    if (region == WordNumbers::kOther || holds(test, region)) continue;
    failures.add(test.predicate, 0);
    if (failures.count == 2) return failures;
  }
  return failures;
}

}  // namespace fallow::core
