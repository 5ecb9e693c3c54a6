#include "agent/owner_signs.h"

#include <ctime>
#include <memory>
#include <utility>

#include "agent/owner_gpu.h"
#include "agent/owner_input.h"
#include "agent/owner_logind.h"
#include "agent/owner_machine.h"
#include "agent/owner_programs.h"

namespace fallow::agent {
namespace {

constexpr Duration kDesktopEvery = seconds(2);
constexpr Duration kDesktopAgainAfter = seconds(60);
constexpr Duration kTerminalsEvery = seconds(2);
constexpr Duration kGpuEvery = seconds(1);
constexpr Duration kBatteryEvery = seconds(5);

Duration own_processor_time() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return Duration(std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000);
}

}  // namespace

OwnerSigns::OwnerSigns(const OwnerPolicy& policy, const OwnerMachine& machine) {
  if (!policy.programs.empty()) {
    const auto programs =
        std::make_shared<ProgramSigns>(machine.root, policy.programs, machine.agent, machine.mark);
    add({}, [programs](When now) { return programs->look(now.monotonic); });
  }
  if (policy.input) {
    const auto input = std::make_shared<InputSigns>(machine.root);
    add({}, [input](When now) { return input->look(now.monotonic); });
  }
  if (policy.terminals) {
    add(kTerminalsEvery, [root = machine.root](When now) { return terminal_sign(root, now.wall); });
  }
  if (policy.battery) {
    add(kBatteryEvery, [root = machine.root](When /*now*/) { return battery_sign(root); });
  }
  if (policy.desktop) add_desktop();
  if (policy.gpu_memory_mb > 0 || policy.gpu_percent > 0) add_gpu(policy, machine);
  if (policy.processor_cores > 0) add_processor(policy, machine);
}

void OwnerSigns::add_desktop() {
  auto opened = DesktopSigns::open();
  if (opened) {
    if (const auto sessions = (*opened)->sessions(); !sessions) {
      opened = tl::unexpected(sessions.error());
    }
  }
  if (!opened) {
    faults_.push_back("desktops are no sign so far: " + opened.error().message);
  }
  // A bus that is not there is looked for anew: it may start later than the agent, or again.
  struct Desktop {
    std::unique_ptr<DesktopSigns> signs;
    Time again_at{};
  };
  const auto desktop = std::make_shared<Desktop>();
  if (opened) desktop->signs = std::move(*opened);
  add(kDesktopEvery, [desktop](When now) -> std::optional<std::string> {
    if (!desktop->signs) {
      if (now.monotonic < desktop->again_at) return std::nullopt;
      if (auto again = DesktopSigns::open()) desktop->signs = std::move(*again);
    }
    if (desktop->signs) {
      if (const auto sessions = desktop->signs->sessions()) return desktop_sign(*sessions);
    }
    desktop->signs.reset();
    desktop->again_at = now.monotonic + kDesktopAgainAfter;
    return std::nullopt;
  });
}

void OwnerSigns::add_gpu(const OwnerPolicy& policy, const OwnerMachine& machine) {
  const auto gpu = std::make_shared<GpuSigns>(
      Nvml(), GpuSigns::Thresholds{policy.gpu_memory_mb, policy.gpu_percent}, machine.root,
      machine.agent, machine.mark);
  if (!gpu->has_devices()) {
    faults_.emplace_back(
        "use of a GPU by others is no sign: NVIDIA's management library (libnvidia-ml) finds none");
    return;
  }
  add(kGpuEvery, [gpu](When /*now*/) { return gpu->look(); });
}

void OwnerSigns::add_processor(const OwnerPolicy& policy, const OwnerMachine& machine) {
  if (machine.groups.empty() || !processor_time_of(machine.groups)) {
    faults_.emplace_back(
        "processor time of others is no sign: without control groups (version 2) that of leases is "
        "not known; `fallow agent doctor` says how to get them");
    return;
  }
  const auto processor =
      std::make_shared<ProcessorSigns>(machine.root, machine.groups, policy.processor_cores);
  add(ProcessorSigns::kSpan,
      [processor](When now) { return processor->look(own_processor_time(), now.monotonic); });
}

std::optional<std::string> OwnerSigns::look(When now) {
  std::optional<std::string> first;
  for (Sign& sign : signs_) {
    if (now.monotonic >= sign.due) {
      sign.seen = sign.look(now);
      sign.due = now.monotonic + sign.every;
    }
    if (!first) first = sign.seen;
  }
  return first;
}

}  // namespace fallow::agent
