// SetSurvival: what the history of nodes says of how long they last.
#include "core/authority.h"
#include "core/handlers.h"

namespace fallow::core {
namespace {

// None: it cannot be. No value at all: nothing is known.
std::optional<Survival> survival_of(const v1::NodeSurvival& told) {
  Survival survival;
  if (told.lasting_ppm().empty()) return survival;
  if (told.lasting_ppm_size() != static_cast<int>(survival.codes.size())) return std::nullopt;
  std::uint32_t before = kSurely;
  for (std::size_t i = 0; i < survival.codes.size(); ++i) {
    const std::uint32_t ppm = told.lasting_ppm(static_cast<int>(i));
    if (ppm > before) return std::nullopt;
    survival.codes[i] = survival_code(ppm);
    before = ppm;
  }
  return survival;
}

}  // namespace

void handle(Step& step, const v1::SetSurvival& command) {
  MarketState& state = step.state;
  if (!require_operator(step)) return;
  const auto nodes = static_cast<std::size_t>(command.nodes_size());
  if (nodes > state.limits.survivals_per_command_max) {
    return step.refuse(v1::LIMIT_REACHED, "nodes", "{} nodes at once: at most {} are accepted",
                       nodes, state.limits.survivals_per_command_max);
  }
  for (const v1::NodeSurvival& told : command.nodes()) {
    if (survival_of(told)) continue;
    return step.refuse(v1::VALUE_INVALID, "nodes.lasting_ppm",
                       "of node {} there must be {} likelihoods, none above 1,000,000 or the one "
                       "before, or none at all",
                       told.node(), kSurvivalSpans.size());
  }
  std::uint32_t count = 0;
  for (const v1::NodeSurvival& told : command.nodes()) {
    if (told.node() == 0) {
      state.scoring.survival = *survival_of(told);
      ++count;
      continue;
    }
    Node* const node = state.nodes.find(NodeId(told.node()));
    if (node == nullptr || node->removed) continue;  // it went meanwhile
    node->survival = *survival_of(told);
    state.book->update(*node);
    ++count;
  }
  step.tell().mutable_survival_set()->set_nodes(count);
}

}  // namespace fallow::core
