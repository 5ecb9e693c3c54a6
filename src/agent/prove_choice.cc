#include "agent/prove_choice.h"

#include <algorithm>

namespace fallow::agent {
namespace {

// "gpu@0000:03:00.0"
struct ProveWord {
  std::string_view kind;
  std::string_view pci;
};
ProveWord parse_prove_word(std::string_view word) {
  const std::size_t at = word.find('@');
  if (at == std::string_view::npos) return {word, {}};
  return {word.substr(0, at), word.substr(at + 1)};
}

}  // namespace

std::vector<std::optional<std::size_t>> choose_provers(
    const std::vector<std::string_view>& words, const std::vector<ProveCandidate>& candidates) {
  std::vector<std::optional<std::size_t>> chosen(words.size());
  std::vector<bool> is_taken(candidates.size(), false);
  const auto take = [&](std::size_t place, const auto& fits) {
    for (std::size_t i = 0; i < candidates.size() && !chosen[place]; ++i) {
      if (is_taken[i] || !fits(candidates[i])) continue;
      chosen[place] = i;
      is_taken[i] = true;
    }
  };
  for (std::size_t place = 0; place < words.size(); ++place) {
    const ProveWord word = parse_prove_word(words[place]);
    if (word.pci.empty()) continue;
    take(place,
         [&](const ProveCandidate& one) { return one.kind == word.kind && one.pci == word.pci; });
  }
  for (std::size_t place = 0; place < words.size(); ++place) {
    const ProveWord word = parse_prove_word(words[place]);
    if (word.kind == "any") {
      if (!candidates.empty()) chosen[place] = place % candidates.size();
    } else if (word.kind == "cpu") {
      const auto found = std::find_if(candidates.begin(), candidates.end(),
                                      [](const ProveCandidate& one) { return one.kind == "cpu"; });
      if (found != candidates.end()) {
        chosen[place] = static_cast<std::size_t>(found - candidates.begin());
      }
    } else {
      // Of those that know their address none is another's: only where the word has none.
      take(place, [&](const ProveCandidate& one) {
        return one.kind == word.kind && (word.pci.empty() || one.pci.empty());
      });
    }
  }
  return chosen;
}

}  // namespace fallow::agent
