#include "sim/soft_fill.h"

#include <algorithm>

#include "base/check.h"
#include "sim/exact_math.h"

namespace fallow::sim {
namespace {

constexpr std::size_t kFillLevels = SoftFill::kLevels;

}  // namespace

SoftFill::SoftFill(std::size_t length, std::size_t stages, std::vector<Entry> entries)
    : length_(length), plane_((length + 1) * kFillLevels), entries_(std::move(entries)) {
  FALLOW_CHECK(std::is_sorted(entries_.begin(), entries_.end(),
                              [](const Entry& a, const Entry& b) { return a.stage < b.stage; }),
               "entries out of order");
  last_entry_.assign(stages + 1, 0);
  for (const Entry& entry : entries_) {
    FALLOW_CHECK(entry.stage > 0 && entry.stage <= stages && entry.size > 0, "stage {} size {}",
                 entry.stage, entry.size);
    for (std::size_t stage = entry.stage; stage <= stages; ++stage) ++last_entry_[stage];
  }
  scale_logs_.resize(kFillLevels);
  factors_.resize(entries_.size() * kFillLevels);
  sums_.resize((entries_.size() + 1) * plane_);
  worths_.resize((stages + 1) * plane_);
  worth_known_.resize((stages + 1) * (length + 1));
  bins_.resize((stages + 1) * plane_);
  slopes_.resize(plane_);
}

void SoftFill::build(std::span<const double> entry_logs, std::span<const double> cell_logs,
                     double grain) {
  FALLOW_CHECK(entry_logs.size() == factors_.size() && cell_logs.size() == kFillLevels,
               "{} and {} logs", entry_logs.size(), cell_logs.size());
  grain_ = grain;
  std::fill(worth_known_.begin(), worth_known_.end(), false);
  // Scaling every cell by a worth between an empty one's and the densest entry's keeps all sums
  // within a double's range.
  for (std::size_t k = 0; k < kFillLevels; ++k) {
    double most = cell_logs[k];
    for (std::size_t e = 0; e < entries_.size(); ++e) {
      most =
          std::max(most, entry_logs[e * kFillLevels + k] / static_cast<double>(entries_[e].size));
    }
    const double scale = (cell_logs[k] + most) / 2;
    scale_logs_[k] = scale;
    const double empty = exact_exp(cell_logs[k] - scale);
    sums_[k] = 1;
    for (std::size_t cell = 1; cell <= length_; ++cell) {
      sums_[cell * kFillLevels + k] = sums_[(cell - 1) * kFillLevels + k] * empty;
    }
    for (std::size_t e = 0; e < entries_.size(); ++e) {
      const double log = entry_logs[e * kFillLevels + k];
      factors_[e * kFillLevels + k] =
          log <= kNoItem ? 0 : exact_exp(log - scale * static_cast<double>(entries_[e].size));
    }
  }
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const double* before = &sums_[e * plane_];
    double* after = &sums_[(e + 1) * plane_];
    const double* factor = &factors_[e * kFillLevels];
    const std::size_t jump = entries_[e].size * kFillLevels;
    std::copy_n(before, std::min(jump, plane_), after);
    for (std::size_t at = jump; at < plane_; at += kFillLevels) {
      for (std::size_t k = 0; k < kFillLevels; ++k) {
        after[at + k] = before[at + k] + factor[k] * after[at + k - jump];
      }
    }
  }
}

void SoftFill::find_worth(std::size_t stage, std::size_t cells) {
  const double* sums = sums_of(stage) + cells * kFillLevels;
  double* worths = &worths_[stage * plane_ + cells * kFillLevels];
  for (std::size_t k = 0; k < kFillLevels; ++k) {
    worths[k] = grain_ * (exact_log(sums[k]) + scale_logs_[k] * static_cast<double>(cells));
  }
  worth_known_[stage * (length_ + 1) + cells] = true;
}

void SoftFill::count_items(std::vector<double>& counts) {
  counts.assign(factors_.size(), 0);
  std::fill(slopes_.begin(), slopes_.end(), 0.0);
  const auto join = [&](std::size_t stage) {
    const double* sums = sums_of(stage);
    const double* bins = &bins_[stage * plane_];
    for (std::size_t at = 0; at < plane_; ++at) {
      if (bins[at] > 0) slopes_[at] += bins[at] / sums[at];
    }
  };
  // Backwards through the recurrence of build().
  std::size_t stage = last_entry_.size();
  for (std::size_t joined = entries_.size(); joined > 0; --joined) {
    while (stage > 0 && last_entry_[stage - 1] == joined) join(--stage);
    const std::size_t e = joined - 1;
    const double* sums = &sums_[joined * plane_];
    const double* factor = &factors_[e * kFillLevels];
    const std::size_t jump = entries_[e].size * kFillLevels;
    double* count = &counts[e * kFillLevels];
    for (std::size_t at = plane_; at > jump;) {
      at -= kFillLevels;
      for (std::size_t k = 0; k < kFillLevels; ++k) {
        const double slope = slopes_[at + k] * factor[k];
        slopes_[at + k - jump] += slope;
        count[k] += slope * sums[at + k - jump];
      }
    }
  }
  std::fill(bins_.begin(), bins_.end(), 0.0);
}

}  // namespace fallow::sim
