// Fits of data whose parameters are known.
#include "server/survival_fit.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "base/env.h"

namespace fallow::server {
namespace {

class Source {
 public:
  explicit Source(std::uint64_t seed) : random_(seeded_random(seed)) {}
  double uniform() { return (static_cast<double>(random_->next_u64() >> 11U) + 0.5) * 0x1p-53; }
  double weibull(const Weibull& of) {
    return of.scale_hours * std::pow(-std::log(uniform()), 1 / of.shape);
  }
  // Of a node that fails `rate` times as often as its class.
  double gamma(double shape) {  // Marsaglia and Tsang, for shape of at least 1
    const double d = shape - 1.0 / 3;
    const double c = 1 / std::sqrt(9 * d);
    for (;;) {
      const double x = std::sqrt(-2 * std::log(uniform())) * std::cos(2 * M_PI * uniform());
      const double v = std::pow(1 + c * x, 3);
      if (v > 0 && std::log(uniform()) < x * x / 2 + d - d * v + d * std::log(v)) return d * v;
    }
  }

 private:
  std::unique_ptr<Random> random_;
};

// So many stretches, of which those longer than `cut_hours` are cut there.
std::vector<Stretch> stretches(const Weibull& of, std::size_t count, double cut_hours,
                               std::uint64_t seed) {
  Source source(seed);
  std::vector<Stretch> made;
  for (std::size_t i = 0; i < count; ++i) {
    const double hours = source.weibull(of);
    made.push_back({std::min(hours, cut_hours), hours <= cut_hours});
  }
  return made;
}

TEST(SurvivalFit, FindsTheParametersAgain) {
  for (const Weibull& truth :
       {Weibull{0.45, 8}, Weibull{0.7, 30}, Weibull{1, 5}, Weibull{2.5, 100}}) {
    const auto fit = fit_weibull(stretches(truth, 5'000, 1e9, 7));
    ASSERT_TRUE(fit);
    EXPECT_NEAR(fit->shape, truth.shape, 0.04 * truth.shape);
    EXPECT_NEAR(fit->scale_hours, truth.scale_hours, 0.08 * truth.scale_hours);
  }
}

// What was cut says that it would have lasted longer; counted as an ending it would pull the scale
// far down.
TEST(SurvivalFit, CountsWhatWasCutForWhatItIs) {
  const Weibull truth{0.6, 20};
  std::vector<Stretch> cut = stretches(truth, 5'000, 12, 3);
  const auto fit = fit_weibull(cut);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->shape, truth.shape, 0.05 * truth.shape);
  EXPECT_NEAR(fit->scale_hours, truth.scale_hours, 0.1 * truth.scale_hours);
  for (Stretch& stretch : cut) stretch.ended = true;
  EXPECT_LT(fit_weibull(cut)->scale_hours, 0.5 * truth.scale_hours);
}

TEST(SurvivalFit, SaysNothingOfTooLittle) {
  EXPECT_FALSE(fit_weibull({}));
  EXPECT_FALSE(fit_weibull(stretches({1, 5}, kEndedMin - 1, 1e9, 1)));
  EXPECT_FALSE(fit_weibull(stretches({1, 5'000}, 200, 0.001, 1))) << "all were cut";
  const std::vector<Stretch> alike(50, Stretch{3, true});
  const auto fit = fit_weibull(alike);
  ASSERT_TRUE(fit);
  EXPECT_TRUE(std::isfinite(fit->scale_hours)) << "no shape is steep enough for these";
}

TEST(NodeSurvival, AnUnknownNodeIsAsItsClass) {
  const Weibull of_class{0.6, 20};
  const NodeSurvival fresh(of_class, {}, 0);
  const double exact = std::exp(-std::pow(6 / of_class.scale_hours, of_class.shape));
  EXPECT_NEAR(fresh.lasting(6), exact, 0.07) << "less sure than if its own rate were known";
  EXPECT_DOUBLE_EQ(fresh.lasting(0), 1);
  EXPECT_GT(fresh.lasting(6), fresh.lasting(24));
  EXPECT_GT(NodeSurvival(of_class, {}, 48).lasting(6), fresh.lasting(6))
      << "below a shape of 1 who lasted lasts";
}

TEST(NodeSurvival, ANodesOwnRecordOutweighsItsClass) {
  const Weibull of_class{0.7, 20};
  const std::vector<Stretch> often(12, Stretch{1, true});
  const std::vector<Stretch> seldom(12, Stretch{300, true});
  EXPECT_LT(NodeSurvival(of_class, often, 1).lasting(6), 0.4) << "of its class 0.72";
  EXPECT_GT(NodeSurvival(of_class, seldom, 1).lasting(6), 0.85);
  const std::vector<Stretch> cut(12, Stretch{300, false});
  EXPECT_GT(NodeSurvival(of_class, cut, 1).lasting(6),
            NodeSurvival(of_class, seldom, 1).lasting(6));
}

// Nodes whose own rates differ, each judged by five stretches: of those that are said to last with
// a likelihood of about p, about p do.
TEST(NodeSurvival, IsRightAsOftenAsItSays) {
  constexpr double kShape = 0.6;
  constexpr double kScaleHours = 20;
  struct Judged {
    std::vector<Stretch> own;
    double next_hours;
  };
  Source source(11);
  std::vector<Stretch> all;
  std::vector<Judged> nodes;
  for (int i = 0; i < 20'000; ++i) {
    const double rate = source.gamma(4) / 4;  // how often it fails, of its class
    const Weibull truth{kShape, kScaleHours * std::pow(rate, -1 / kShape)};
    Judged node;
    for (int s = 0; s < 5; ++s) node.own.push_back({source.weibull(truth), true});
    node.next_hours = source.weibull(truth);
    all.insert(all.end(), node.own.begin(), node.own.end());
    nodes.push_back(std::move(node));
  }
  const auto of_class = fit_weibull(all);
  ASSERT_TRUE(of_class);
  std::array<double, 5> said{};
  std::array<double, 5> lasted{};
  std::array<double, 5> count{};
  int judged = 0;
  for (const Judged& node : nodes) {
    const double likely = NodeSurvival(*of_class, node.own, 0).lasting(6);
    const auto bin = std::min<std::size_t>(static_cast<std::size_t>(likely * 5), 4);
    said[bin] += likely;
    lasted[bin] += node.next_hours > 6 ? 1 : 0;
    count[bin] += 1;
  }
  for (std::size_t bin = 0; bin < said.size(); ++bin) {
    if (count[bin] < 300) continue;
    ++judged;
    EXPECT_NEAR(lasted[bin] / count[bin], said[bin] / count[bin], 0.06) << bin;
  }
  EXPECT_GE(judged, 3) << "nodes are too much alike to show anything";
}

}  // namespace
}  // namespace fallow::server
