#include "core/sieve.h"

#include <algorithm>
#include <array>
#include <limits>

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
constexpr std::array<NumberColumn, 7> kNumberColumns = {
    {{Field::kReliability, Column::kReliability, 1},
     {Field::kCpuCores, Column::kCpu, 1},
     {Field::kCpuRam, Column::kMemory, 1},
     {Field::kDiskSpace, Column::kDisk, 1},
     {Field::kInetDown, Column::kDownload, 1'000},
     {Field::kInetUp, Column::kUpload, 1'000},
     {Field::kIsolation, Column::kIsolation, 1}}};

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

Sieve::Sieve(const Matcher& matcher, Supply supply, const WordNumbers& regions)
    : requirements_(matcher.demand().requirements),
      predicates_(matcher.demand().query.predicates()),
      words_(regions),
      supply_(supply),
      gate_(kAnyOffer),
      gpus_(matcher.gpus()),
      share_(matcher.share()) {
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
  }
  for (std::size_t i = 0; i < predicates_.size(); ++i) add(predicates_[i], i, regions);
  add_requirements(matcher);
}

void Sieve::at_least(Column column, std::uint64_t value) {
  const Code code = code_of(column, value);
  if (code == 0) return;
  low_tests_.push_back({static_cast<std::uint8_t>(index_of(column)), code});
  const std::uint8_t bound = kBoundPlaces[index_of(column)][gate_][0];
  if (bound < kBounds) zone_tests_.push_back({bound, code});
}

void Sieve::at_most(Column column, std::uint64_t value) {
  const Code code = code_of(column, value);
  if (code == kCodeMax) return;
  high_tests_.push_back({static_cast<std::uint8_t>(index_of(column)), code});
  const std::uint8_t bound = kBoundPlaces[index_of(column)][gate_][1];
  if (bound < kBounds) zone_tests_.push_back({bound, static_cast<Code>(kCodeMax - code)});
}

void Sieve::add_requirements(const Matcher& matcher) {
  const v1::Requirements& wanted = requirements_;
  const bool free = supply_ == Supply::kFree;
  if (matcher.share() < kWholeDevice) at_most(Column::kShareMin, matcher.share());
  if (wanted.memory_mb() > 0) {
    at_least(free ? Column::kMemoryFree : Column::kMemory, wanted.memory_mb());
  }
  if (wanted.cpu_thousandths() > 0) {
    at_least(free ? Column::kCpuFree : Column::kCpu, wanted.cpu_thousandths());
  }
  if (wanted.disk_mb() > 0) at_least(free ? Column::kDiskFree : Column::kDisk, wanted.disk_mb());
  if (wanted.duration_us() > 0) {
    at_least(Column::kDuration, static_cast<std::uint64_t>(wanted.duration_us()));
  }
  if (wanted.isolation_min() > 0) {
    at_least(Column::kIsolation, static_cast<std::uint64_t>(wanted.isolation_min()));
  }
}

void Sieve::add(const Predicate& predicate, std::size_t index, const WordNumbers& regions) {
  if (predicate.op == Operator::kAny || is_of_device(predicate.field)) return;
  if (predicate.field == Field::kRegion) {
    add_region(predicate, index, regions);
  } else {
    add_numbers(predicate, index);
  }
}

void Sieve::add_numbers(const Predicate& predicate, std::size_t index) {
  const Range range = range_of(predicate);
  number_tests_.push_back(
      {predicate.field, static_cast<std::uint8_t>(index), range.whole, range.low, range.high});
  if (predicate.field == Field::kPrice) return;  // the walk's own bound
  if (range.high < range.low || range.high < 0) {
    never_ = true;
    return;
  }
  const auto low = static_cast<std::uint64_t>(std::max<std::int64_t>(range.low, 0));
  const auto high = static_cast<std::uint64_t>(range.high);
  if (predicate.field == Field::kNumGpus) {
    // More devices than are admitted must not turn a node away.
    if (range.low > 0) at_least(Column::kDevices, low);
    if (range.high < kHighest) at_most(Column::kDevicesLeast, high);
    return;
  }
  if (predicate.field == Field::kNode || predicate.field == Field::kProvider) {
    const Column column = predicate.field == Field::kNode ? Column::kNode : Column::kProvider;
    if (predicate.op != Operator::kEqual && predicate.op != Operator::kIn) return;
    IdTest test{column, {}};
    for (const std::int64_t id : predicate.numbers) {
      test.codes.add(code_of(column, static_cast<std::uint64_t>(id)));
    }
    id_tests_.push_back(test);
    return;
  }
  const auto* const column =
      std::find_if(kNumberColumns.begin(), kNumberColumns.end(),
                   [&](const NumberColumn& known) { return known.field == predicate.field; });
  const auto unit = static_cast<std::uint64_t>(column->unit);
  if (range.low > 0) at_least(column->column, low / unit + (low % unit == 0 ? 0 : 1));
  if (range.high < kHighest) at_most(column->column, high / unit);
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
}

LaneMask Sieve::sift(const Zone& zone) const {
  if (never_) return 0;
  return sift_rows(zone.best.data(), zone_tests_.data(), zone_tests_.size(), zone.all());
}

LaneMask Sieve::sift(const Block& block) const {
  LaneMask left = sift_rows(block.rows.data(), low_tests_.data(), low_tests_.size(), block.used);
  if (left == 0) return 0;
  for (const RowTest& test : high_tests_) left &= lanes_at_most(block.rows[test.row], test.code);
  for (const IdTest& test : id_tests_) {
    const LaneRow& row = block.row(test.column);
    for (LaneMask at = left; at != 0; at &= at - 1) {
      if (!test.codes.has(row.at[first_lane(at)])) left &= ~(at & (~at + 1));
    }
  }
  if (region_tests_.empty()) return left;
  const LaneRow& regions = block.row(Column::kRegion);
  for (LaneMask at = left; at != 0; at &= at - 1) {
    const std::size_t lane = first_lane(at);
    for (const RegionTest& test : region_tests_) {
      if (!test.may_hold(regions.at[lane])) left &= ~lane_bit(lane);
    }
  }
  return left;
}

void Sieve::prefetch(const Block& block) const {
  __builtin_prefetch(&block);
  for (const RowTest& test : low_tests_) __builtin_prefetch(&block.rows[test.row]);
  for (const RowTest& test : high_tests_) __builtin_prefetch(&block.rows[test.row]);
  for (const IdTest& test : id_tests_) __builtin_prefetch(&block.row(test.column));
  if (!region_tests_.empty()) __builtin_prefetch(&block.row(Column::kRegion));
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

Sieve::Verdict Sieve::judge(const BlockOffer& offer) const {
  if (!offer.plain) return Verdict::kAskNode;
  const v1::Requirements& wanted = requirements_;
  if (share_ < offer.share_min) return Verdict::kNo;
  if (offer.duration_max && offer.duration_max.value < wanted.duration_us()) return Verdict::kNo;
  if (offer.isolation < wanted.isolation_min()) return Verdict::kNo;
  const bool free = supply_ == Supply::kFree;
  if ((free ? offer.load.memory_mb_free : offer.memory_mb) < wanted.memory_mb())
    return Verdict::kNo;
  if ((free ? offer.load.cpu_thousandths_free : offer.cpu_thousandths) < wanted.cpu_thousandths()) {
    return Verdict::kNo;
  }
  if ((free ? offer.load.disk_mb_free : offer.disk_mb) < wanted.disk_mb()) return Verdict::kNo;
  const bool whole = share_ == kWholeDevice;
  if ((free && whole ? offer.load.whole : offer.devices) < gpus_) return Verdict::kNo;
  if (free && !whole && offer.load.room < share_) return Verdict::kNo;
  for (const NumberTest& test : number_tests_) {
    const std::int64_t number =
        test.field == Field::kNumGpus ? offer.devices : number_of(offer, test.field);
    if (!holds(test, number)) return Verdict::kNo;
  }
  for (const RegionTest& test : region_tests_) {
    if (!holds(test, offer.region)) return Verdict::kNo;
  }
  // Which devices have room for a share is known for one of them only.
  return free && !whole && gpus_ > 1 ? Verdict::kAskNode : Verdict::kYes;
}

Sieve::Failures Sieve::failures(const BlockOffer& offer) const {
  Failures failures;
  for (const NumberTest& test : number_tests_) {
    if (test.field == Field::kNumGpus || test.field == Field::kPrice) continue;
    const std::int64_t number = number_of(offer, test.field);
    if (holds(test, number)) continue;
    failures.add(test.predicate, distance_to(predicates_[test.predicate], number));
    if (failures.count == 2) return failures;
  }
  for (const RegionTest& test : region_tests_) {
    if (offer.region == WordNumbers::kOther || holds(test, offer.region)) continue;
    failures.add(test.predicate, 0);
    if (failures.count == 2) return failures;
  }
  return failures;
}

}  // namespace fallow::core
