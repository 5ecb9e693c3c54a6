#include "server/webhook_interests.h"

#include "base/check.h"
#include "server/feed_filter.h"
#include "server/webhook_message.h"

namespace fallow::server {

void WebhookInterests::set(const core::Webhook& webhook) {
  remove(webhook.id);
  if (webhook.stopped_at.us != 0) return;
  Interest interest;
  interest.id = webhook.id;
  interest.account = webhook.everyone ? AccountId() : webhook.account;
  const auto* const oneof = v1::Event::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < oneof->field_count(); ++i) {
    const int kind = oneof->field(i)->number();
    FALLOW_CHECK(kind > 0 && static_cast<std::size_t>(kind) < kKindsMax, "event kind {}", kind);
    if (wants(webhook, static_cast<v1::Event::KindCase>(kind))) {
      interest.kinds.set(static_cast<std::size_t>(kind));
    }
  }
  places_.emplace(webhook.id, interest.account);
  any_ |= interest.kinds;
  interests_[interest.account].push_back(interest);
}

void WebhookInterests::remove(core::WebhookId webhook) {
  const auto place = places_.find(webhook);
  if (place == places_.end()) return;
  const auto found = interests_.find(place->second);
  std::erase_if(found->second, [&](const Interest& each) { return each.id == webhook; });
  if (found->second.empty()) interests_.erase(found);
  places_.erase(place);
  count_kinds();
}

void WebhookInterests::count_kinds() {
  any_.reset();
  for (const auto& [unused, interests] : interests_) {
    for (const Interest& interest : interests) any_ |= interest.kinds;
  }
}

void WebhookInterests::visit(const v1::Event& event, const core::Machine& machine,
                             const std::function<void(core::WebhookId)>& each) const {
  const auto kind = static_cast<std::size_t>(event.kind_case());
  if (kind >= kKindsMax || !any_.test(kind)) return;
  const auto tell = [&](AccountId account) {
    const auto found = interests_.find(account);
    if (found == interests_.end()) return;
    for (const Interest& interest : found->second) {
      if (interest.kinds.test(kind)) each(interest.id);
    }
  };
  tell(AccountId());
  for (const AccountId account : concerned_by(event, machine)) tell(account);
}

}  // namespace fallow::server
