// For tests only: random commands about webhooks and members, sensible and hostile.
//
// Owner: one test, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/env.h"
#include "core/machine.h"

namespace fallow::core {

inline void fill_team(Random& random, const Machine& machine, std::uint64_t account,
                      std::uint64_t other, v1::Command& command) {
  const auto chance = [&](std::uint64_t in) { return random.below(in) == 0; };
  if (chance(3)) {
    v1::SetMember& member = *command.mutable_set_member();
    member.set_account(account);
    member.set_member(other);
    member.set_role(static_cast<v1::Role>(random.below(6)));
    member.set_invite(chance(2));
    return;
  }
  if (chance(6)) {
    command.mutable_join_team()->set_account(chance(2) ? account : other);
    return;
  }
  std::vector<std::uint64_t> webhooks{0, random.below(100'000)};
  machine.visit_webhooks([&](const Webhook& webhook) {
    webhooks.push_back(webhook.id.value);
    return webhooks.size() < 16;
  });
  const std::uint64_t webhook = webhooks[random.below(webhooks.size())];
  if (chance(3)) {
    command.mutable_remove_webhook()->set_webhook(webhook);
  } else if (chance(3)) {
    command.mutable_stop_webhook()->set_webhook(webhook);
    command.mutable_stop_webhook()->set_reason(std::string(random.below(1'000), 'x'));
  } else {
    v1::SetWebhook& set = *command.mutable_set_webhook();
    set.set_account(account);
    set.set_webhook(webhook);
    set.set_url(chance(20) ? "" : std::string(chance(20) ? 5'000 : 30, 'u'));
    for (std::uint64_t kinds = random.below(3); kinds > 0; --kinds) set.add_kinds("order_ended");
    set.set_everyone(chance(4));
    set.set_new_secret(chance(2));
  }
}

}  // namespace fallow::core
