// SetSpeed: what was measured of a model.
#include "core/authority.h"
#include "core/checks.h"
#include "core/handlers.h"

namespace fallow::core {

void handle(Step& step, const v1::SetSpeed& command) {
  MarketState& state = step.state;
  SpeedTable& speeds = state.scoring.speeds;
  if (!require_operator(step)) return;
  if (auto why = check_name("model", command.model(), state.limits)) {
    return step.refuse(std::move(*why));
  }
  if (!v1::WorkloadClass_IsValid(command.workload_class()) ||
      command.workload_class() == v1::WORKLOAD_CLASS_UNSPECIFIED) {
    return step.refuse(v1::VALUE_INVALID, "workload_class",
                       "the classes of workload are general, fp32, fp16 and bandwidth");
  }
  if (command.speed_thousandths() > kSpeedMax) {
    return step.refuse(v1::VALUE_INVALID, "speed_thousandths",
                       "a speed of {} thousandths of an RTX 3090's is not accepted: at most {}",
                       command.speed_thousandths(), kSpeedMax);
  }
  const bool is_new = speeds.set_of(command.model()) == Speeds();
  if (is_new && command.speed_thousandths() > 0 && speeds.size() >= state.limits.speeds_max) {
    return step.refuse(v1::LIMIT_REACHED, "model",
                       "the market has speeds of its most models, {}: put some back to the "
                       "vendor's figure first",
                       state.limits.speeds_max);
  }
  speeds.set(command.model(), command.workload_class(), command.speed_thousandths());
  state.book->speeds_changed();
  v1::SpeedSet& told = *step.tell().mutable_speed_set();
  told.set_model(command.model());
  told.set_workload_class(command.workload_class());
  told.set_speed_thousandths(
      static_cast<std::uint32_t>(speeds.of_model(command.model())[command.workload_class()]));
}

}  // namespace fallow::core
