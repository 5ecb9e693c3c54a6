// What a bin is worth when it is filled with items of given sizes and worths, smoothed: the
// logarithm of the sum of e^worth over every multiset of items that fits (a knapsack's partition
// function). The hard knapsack counts the best filling only; this one counts all, each by how good
// it is, so that it changes smoothly with the worths and has a gradient.
//
// Items join in stages: asked at a stage, the bin takes the items of that stage and before. Several
// levels of worths are held side by side, as whoever asks compares them. A value; one thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace fallow::sim {

class SoftFill {
 public:
  static constexpr std::size_t kLevels = 24;
  using Row = std::span<const double, kLevels>;

  // The items of one size that join at one stage count as one entry.
  struct Entry {
    std::size_t stage = 0;  // from 1; at stage 0 the bin takes nothing
    std::size_t size = 0;   // cells, 1 to `length`
  };
  // Bins of 0 to `length` cells; entries by ascending stage, each at most `stages`.
  SoftFill(std::size_t length, std::size_t stages, std::vector<Entry> entries);

  std::size_t length() const { return length_; }
  std::span<const Entry> entries() const { return entries_; }

  // entry_logs[e * kLevels + k]: the logarithm of the summed e^worth of the entry's items at level
  // k; kNoItem: it has none. cell_logs[k]: the worth of a cell that stays empty. worth() comes in
  // units of `grain`.
  static constexpr double kNoItem = -1e300;
  void build(std::span<const double> entry_logs, std::span<const double> cell_logs, double grain);

  // The bin's worth by level; cells <= length(). Valid until the next build.
  Row worth(std::size_t stage, std::size_t cells) {
    const std::size_t row = stage * (length_ + 1) + cells;
    if (!worth_known_[row]) find_worth(stage, cells);
    return Row(&worths_[row * kLevels], kLevels);
  }

  // Bins to be filled: `count` of `cells` at the stage and level.
  void add_bins(std::size_t stage, std::size_t cells, std::size_t level, double count) {
    bins_[(stage * (length_ + 1) + cells) * kLevels + level] += count;
  }
  // The gradient: how many items of each entry the bins added since the last call hold on average,
  // as counts[e * kLevels + k]. Forgets the bins.
  void count_items(std::vector<double>& counts);

 private:
  void find_worth(std::size_t stage, std::size_t cells);
  const double* sums_of(std::size_t stage) const { return &sums_[last_entry_[stage] * plane_]; }

  std::size_t length_;
  std::size_t plane_;  // doubles in a table of one stage
  std::vector<Entry> entries_;
  std::vector<std::size_t> last_entry_;  // by stage: how many entries have joined
  double grain_ = 1;
  std::vector<double> scale_logs_;  // by level: what one cell is scaled down by
  std::vector<double> factors_;     // [entry][level], scaled
  std::vector<double> sums_;        // [entries joined][cell][level], scaled
  std::vector<double> worths_;      // [stage][cell][level]
  std::vector<bool> worth_known_;   // [stage][cell]
  std::vector<double> bins_;        // [stage][cell][level]
  std::vector<double> slopes_;      // [cell][level], of count_items
};

}  // namespace fallow::sim
