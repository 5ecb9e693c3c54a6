#include "agent/prove_choice.h"

#include <gtest/gtest.h>

namespace fallow::agent {
namespace {

using ProvePlaces = std::vector<std::optional<std::size_t>>;

TEST(ProveChoice, ACardProvesForItselfInWhateverOrderItIsListed) {
  const std::vector<ProveCandidate> listed = {{"nvidia", "0000:81:00.0"},
                                              {"nvidia", "0000:01:00.0"},
                                              {"gpu", "0000:0a:00.0"},
                                              {"gpu", "0000:03:00.0"},
                                              {"cpu", ""}};
  EXPECT_EQ(choose_provers({"nvidia@0000:01:00.0", "nvidia@0000:81:00.0", "gpu@0000:03:00.0",
                            "gpu@0000:0a:00.0", "cpu"},
                           listed),
            (ProvePlaces{1, 0, 3, 2, 4}));
}

TEST(ProveChoice, NobodyProvesForACardThatIsNotListed) {
  EXPECT_EQ(choose_provers({"nvidia@0000:01:00.0", "gpu@0000:01:00.0"},
                           {{"nvidia", "0000:81:00.0"}, {"gpu", "0000:03:00.0"}}),
            (ProvePlaces{std::nullopt, std::nullopt}));
  EXPECT_EQ(choose_provers({"nvidia", "cpu", "any"}, {}),
            (ProvePlaces{std::nullopt, std::nullopt, std::nullopt}));
}

TEST(ProveChoice, WithoutAddressesTheOrderCounts) {
  EXPECT_EQ(choose_provers({"nvidia", "nvidia", "nvidia"}, {{"nvidia", ""}, {"nvidia", ""}}),
            (ProvePlaces{0, 1, std::nullopt}));
  // Either side may not know it; what was found by its address is no other's.
  EXPECT_EQ(
      choose_provers({"nvidia", "nvidia@0000:01:00.0", "nvidia@0000:02:00.0"},
                     {{"nvidia", "0000:01:00.0"}, {"nvidia", "0000:03:00.0"}, {"nvidia", ""}}),
      (ProvePlaces{1, 0, 2}));
}

TEST(ProveChoice, DeclaredOnesGetWhatThereIs) {
  EXPECT_EQ(choose_provers({"any", "any", "any"}, {{"cpu", ""}, {"gpu", ""}}),
            (ProvePlaces{0, 1, 0}));
}

}  // namespace
}  // namespace fallow::agent
