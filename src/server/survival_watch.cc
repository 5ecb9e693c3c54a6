#include "server/survival_watch.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "core/query.h"

namespace fallow::server {
namespace {

constexpr std::size_t kNodesPerPage = 1'000;
constexpr std::int32_t kChangePpm = 20'000;

using Lasting = std::array<std::uint32_t, core::kSurvivalSpans.size()>;  // ppm

double hours_of(Duration time) {
  return static_cast<double>(time.value) / static_cast<double>(kHour.value);
}

Lasting lasting_of(const NodeSurvival& survival) {
  Lasting lasting{};
  for (std::size_t i = 0; i < lasting.size(); ++i) {
    const double likely = survival.lasting(hours_of(core::kSurvivalSpans[i]));
    lasting[i] = static_cast<std::uint32_t>(std::floor(std::clamp(likely, 0.0, 1.0) * 1e6));
    if (i > 0) lasting[i] = std::min(lasting[i], lasting[i - 1]);
  }
  return lasting;
}

bool has_changed(const Lasting& now, const core::Survival& told) {
  if (!told.is_known()) return true;
  for (std::size_t i = 0; i < now.size(); ++i) {
    const auto before = static_cast<std::int32_t>(core::survival_ppm(told.codes[i]));
    if (std::abs(static_cast<std::int32_t>(now[i]) - before) > kChangePpm) return true;
  }
  return false;
}

void add(v1::SetSurvival& command, NodeId node, const Lasting& lasting) {
  v1::NodeSurvival& told = *command.add_nodes();
  told.set_node(node.value);
  for (const std::uint32_t ppm : lasting) told.add_lasting_ppm(ppm);
}

// A node as the market has it, for the time until `now`.
NodeRecord record_of(const core::Node& node, Time now) {
  NodeRecord record;
  record.node = node.id;
  if (!node.devices.empty()) record.model = core::canonical_word(node.devices[0].facts.model());
  record.told = node.survival;
  for (std::size_t i = 0; i < node.uptime.size(); ++i) {
    const core::Uptime::Stretch stretch = node.uptime[i];
    record.stretches.push_back({hours_of(seconds(stretch.seconds)), !stretch.cut});
  }
  if (const std::optional<Time> since = node.uptime.since()) {
    record.up_hours = hours_of(std::max(now - *since, Duration(0)));
  }
  return record;
}

}  // namespace

void SurvivalFits::add(const NodeRecord& node) {
  std::vector<Stretch>& of_class = classes_[node.model];
  const auto keep = [&](const Stretch& stretch) {
    if (of_class.size() < kStretchesMax) of_class.push_back(stretch);
    if (all_.size() < kStretchesMax) all_.push_back(stretch);
  };
  for (const Stretch& stretch : node.stretches) keep(stretch);
  if (node.up_hours > 0) keep({node.up_hours, false});
}

void SurvivalFits::fit() {
  of_all_ = fit_weibull(all_);
  for (const auto& [model, stretches] : classes_) {
    if (const auto fit = fit_weibull(stretches)) fits_.emplace(model, *fit);
  }
  classes_.clear();
  all_.clear();
}

std::optional<Weibull> SurvivalFits::of(const std::string& model) const {
  const auto found = fits_.find(model);
  return found == fits_.end() ? of_all_ : found->second;
}

v1::SetSurvival survival_of(const SurvivalFits& fits, const std::vector<NodeRecord>& nodes) {
  v1::SetSurvival command;
  for (const NodeRecord& node : nodes) {
    const std::optional<Weibull> of_class = fits.of(node.model);
    if (!of_class) continue;
    // Of one that cannot be leased now nothing is asked before it is back, and then it is fresh.
    const Lasting lasting = lasting_of(NodeSurvival(*of_class, node.stretches, node.up_hours));
    if (has_changed(lasting, node.told)) add(command, node.node, lasting);
  }
  return command;
}

v1::SetSurvival survival_of_unknown(const SurvivalFits& fits, const core::Survival& told) {
  v1::SetSurvival command;
  if (!fits.of_all()) return command;
  const Lasting lasting = lasting_of(NodeSurvival(*fits.of_all(), {}, 0));
  if (has_changed(lasting, told)) add(command, NodeId(0), lasting);
  return command;
}

SurvivalWatch::SurvivalWatch(engine::Engine& engine, const Clock& clock, Duration interval)
    : engine_(engine), clock_(clock), interval_(interval), thread_([this] { loop(); }) {}

SurvivalWatch::~SurvivalWatch() {
  stop();
  thread_.join();
}

void SurvivalWatch::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  stopping_.notify_all();
}

void SurvivalWatch::loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_.wait_for(lock, std::chrono::microseconds(interval_.value),
                             [this] { return stopped_; })) {
    lock.unlock();
    (void)run_once();
    lock.lock();
  }
}

Result<SurvivalWatch::Page> SurvivalWatch::read_page(NodeId after) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      return fail(ErrorCode::kClosed, "how long nodes last was not fitted: the server stops");
    }
  }
  auto promise = std::make_shared<std::promise<Page>>();
  std::future<Page> answer = promise->get_future();
  FALLOW_TRY(engine_.read([promise, after, now = clock_.now()](const core::Machine& machine) {
    Page page;
    page.told = machine.book().scoring().survival;
    machine.visit_nodes(after, [&](const core::Node& node) {
      if (!node.removed) page.nodes.push_back(record_of(node, std::max(now, machine.now())));
      return page.nodes.size() < kNodesPerPage;
    });
    promise->set_value(std::move(page));
  }));
  return answer.get();
}

Status SurvivalWatch::tell(v1::SetSurvival&& told) {
  if (told.nodes().empty()) return {};
  v1::Command command;
  *command.mutable_set_survival() = std::move(told);
  if (auto answer = engine_.execute(command); !answer) return tl::unexpected(answer.error());
  return {};
}

// Twice over all nodes: what they went through, then what follows for each.
Status SurvivalWatch::run_once() {
  SurvivalFits fits;
  NodeId after;
  for (bool more = true; more;) {
    FALLOW_ASSIGN(const Page page, read_page(after));
    for (const NodeRecord& node : page.nodes) fits.add(node);
    more = page.nodes.size() == kNodesPerPage;
    if (more) after = page.nodes.back().node;
  }
  fits.fit();
  if (!fits.of_all()) return {};
  after = NodeId(0);
  for (bool more = true; more;) {
    FALLOW_ASSIGN(const Page page, read_page(after));
    if (after.value == 0) FALLOW_TRY(tell(survival_of_unknown(fits, page.told)));
    FALLOW_TRY(tell(survival_of(fits, page.nodes)));
    more = page.nodes.size() == kNodesPerPage;
    if (more) after = page.nodes.back().node;
  }
  return {};
}

}  // namespace fallow::server
