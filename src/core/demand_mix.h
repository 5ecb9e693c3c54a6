// What was leased lately: shapes of tasks and how popular each is. From it follows what of a
// node's free devices is a fragment: of no use to what is likely to come.
//
// FGD ("Beware of Fragmentation", USENIX ATC'23) measures a node by the devices that each typical
// task cannot use, weighed by the task's popularity, and places where that grows least. Here all of
// it is integers, and of nodes whose devices are free as a whole or not at all, which most are, it
// stands in a table by how many are free.
//
// Owner: Scoring, market thread only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"

namespace fallow::core {

class DemandMix {
 public:
  // Of one task: devices of one node, and the share of each.
  struct Shape {
    std::uint32_t gpus = 1;               // 1 to kGpusMax
    std::uint32_t share_thousandths = 0;  // 1 to 1,000
    bool operator==(const Shape&) const = default;
  };
  static constexpr std::size_t kShapesMax = 16;
  static constexpr std::uint32_t kGpusMax = 64;
  static constexpr std::uint32_t kTasksMax = 64;  // of one order that count

  // So many tasks were leased for the first time. Those of more devices than kGpusMax each do not
  // count, nor more than kTasksMax at once.
  void count(Shape shape, std::uint32_t tasks, Time now);

  // Is nothing known of what may come? Then nothing is a fragment.
  bool empty() const { return typical_.empty(); }
  // Thousandths of devices that are fragments, of devices with so much free each.
  std::int64_t fragments(std::span<const std::uint32_t> free_thousandths) const;
  // The same of `whole` free devices and `others` with `left_thousandths` free each, nothing else.
  std::int64_t fragments(std::uint32_t whole, std::uint32_t others,
                         std::uint32_t left_thousandths) const;
  // The same of `whole` alone, at most kGpusMax.
  std::int64_t fragments(std::uint32_t whole) const { return of_whole_[whole]; }
  // The part of the mix that surely fits where a task of this shape does, in ppm.
  std::int64_t within(Shape shape) const;

  template <class Archive, class Self>
  static void fields(Archive& archive, Self& x) {
    archive(x.hour_, x.size_, x.added_);
    for (auto& counted : x.counted_) {
      archive(counted.shape.gpus, counted.shape.share_thousandths, counted.weight,
              counted.typical_ppm);
    }
  }
  // After reading a snapshot: makes good what follows; false when it cannot be.
  bool restore();

 private:
  // The weight of what was asked for falls to 31/32 every hour: to a half in 22.
  static constexpr std::uint64_t kTaskWeight = std::uint64_t{1} << 20U;
  static constexpr std::uint64_t kKept = 31;
  static constexpr unsigned kKeptShift = 5;
  static constexpr std::uint64_t kWeightMax = std::uint64_t{1} << 56U;
  // The mix that counts is made anew when so much of the weight has come since it was.
  static constexpr std::uint64_t kRenewedBy = 8;  // an eighth

  struct Counted {
    Shape shape;
    std::uint64_t weight = 0;
    std::uint32_t typical_ppm = 0;  // in the mix that counts
  };
  struct Typical {
    Shape shape;
    std::int64_t ppm = 0;
  };
  void decay(Time now);
  void renew();
  void tabulate();
  std::uint64_t total() const;

  std::int64_t hour_ = 0;  // since the epoch; up to which weights have fallen
  std::uint8_t size_ = 0;
  std::uint64_t added_ = 0;  // weight, since the mix that counts was made
  std::array<Counted, kShapesMax> counted_{};
  // Derived: the mix that counts, and fragments of so many whole free devices.
  std::vector<Typical> typical_;
  std::array<std::int64_t, kGpusMax + 1> of_whole_{};
};

}  // namespace fallow::core
