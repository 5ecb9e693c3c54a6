// Fragmentation as "Beware of Fragmentation" (USENIX ATC'23, section 4) measures it: what of a
// node's free devices the typical pods cannot use, weighed by how popular each is.
//
// Built once per list; reading is safe from every thread.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/place_types.h"

namespace fallow::sim {

struct TypicalClass {
  std::uint32_t pod_class = 0;
  double share = 0;  // of the typical pods; all sum to 1
};

// The most popular classes that together make up at least 95 % of the pods, CPU-only ones too;
// the more popular first, then the larger.
std::vector<TypicalClass> typical_classes(const PodList& list);

class Fragmentation {
 public:
  explicit Fragmentation(const PodList& list);

  // Device thousandths of the node that count as fragments: for each typical class all that is
  // free when it does not fit or asks for CPU only, else what is left on devices too full for it.
  double of(const NodeState& node) const;

 private:
  struct Target {
    PodClass pod_class;
    double share;
  };
  std::vector<Target> targets_;
};

}  // namespace fallow::sim
