// Which webhooks want an event: asked of every event on the market thread, so it costs next to
// nothing when nobody wants its kind.
//
// Owner: Webhooks; market thread only.
#pragma once

#include <bitset>
#include <cstddef>
#include <functional>
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/events.pb.h"

namespace fallow::server {

class WebhookInterests {
 public:
  // In the place of what it wanted before; nothing when it is stopped.
  void set(const core::Webhook& webhook);
  void remove(core::WebhookId webhook);

  // Calls `each` of every webhook that wants the event. `machine` stands after it.
  void visit(const v1::Event& event, const core::Machine& machine,
             const std::function<void(core::WebhookId)>& each) const;

 private:
  static constexpr std::size_t kKindsMax = 512;  // field numbers of Event
  using Kinds = std::bitset<kKindsMax>;
  struct Interest {
    core::WebhookId id;
    AccountId account;  // 0: of everyone
    Kinds kinds;
  };
  void count_kinds();

  // By account; at most the market's webhooks together.
  std::unordered_map<AccountId, std::vector<Interest>, NamedHash> interests_;
  std::unordered_map<core::WebhookId, AccountId, NamedHash> places_;  // in interests_
  Kinds any_;                                                         // that some webhook wants
};

}  // namespace fallow::server
