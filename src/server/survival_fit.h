// How long nodes last, from the stretches for which they could be leased: a Weibull distribution
// for a class of nodes, and of each node how far it differs.
//
// Pure functions and values; any thread. Real arithmetic: what comes of it enters the market as a
// command (SetSurvival), never directly.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace fallow::server {

// A stretch of time for which a node could be leased.
struct Stretch {
  double hours = 0;    // above 0
  bool ended = false;  // by itself; else it would have lasted longer, nobody knows how much
};

// P(a stretch lasts longer than t) = exp(-(t / scale_hours) ^ shape). Below a shape of 1 a node
// that has been up for long is likely to stay up for longer.
struct Weibull {
  double shape = 1;
  double scale_hours = 1;
};
constexpr std::size_t kEndedMin = 30;  // fewer endings say too little of a class

// The likeliest for these stretches, whether ended or cut. None with fewer than kEndedMin endings.
std::optional<Weibull> fit_weibull(std::span<const Stretch> stretches);

// What is known of one node: that it is of its class, and its own stretches. The class's shape
// holds for all its nodes; how often a node fails is its own, and the class counts as much as
// kClassWeight endings of the node would.
class NodeSurvival {
 public:
  // `own`: its stretches, the one it is in (not ended) apart.
  NodeSurvival(const Weibull& of_class, std::span<const Stretch> own, double up_hours);

  // How likely it is to last `hours` more, having been up for up_hours.
  double lasting(double hours) const;

 private:
  double shape_;
  double up_hours_;
  double endings_;   // of class and node
  double exposure_;  // in hours to the power of the shape
};
constexpr double kClassWeight = 4;

}  // namespace fallow::server
