#include "server/webhook_message.h"

#include <algorithm>

#include "base/number.h"
#include "server/json.h"

namespace fallow::server {

std::string kind_of(const v1::Event& event) {
  const auto* const field =
      v1::Event::descriptor()->FindFieldByNumber(static_cast<int>(event.kind_case()));
  return field == nullptr ? "unknown" : field->name();
}

bool is_event_kind(std::string_view kind) {
  return v1::Event::descriptor()->FindFieldByName(std::string(kind)) != nullptr;
}

bool wants(const core::Webhook& webhook, v1::Event::KindCase kind) {
  if (webhook.kinds.empty()) return kind != v1::Event::kMeterAccepted;
  return std::any_of(webhook.kinds.begin(), webhook.kinds.end(), [kind](const std::string& name) {
    const auto* const field = v1::Event::descriptor()->FindFieldByName(name);
    return field != nullptr && field->number() == static_cast<int>(kind);
  });
}

std::string message_id(core::WebhookId webhook, EventPlace place) {
  return fmt::format("msg_{}_{}_{}", webhook.value, place.index.value, place.ordinal);
}

std::optional<EventPlace> place_of_message(core::WebhookId webhook, std::string_view id) {
  const std::string begin = fmt::format("msg_{}_", webhook.value);
  if (!id.starts_with(begin)) return std::nullopt;
  id.remove_prefix(begin.size());
  const std::size_t mark = id.find('_');
  if (mark == std::string_view::npos) return std::nullopt;
  const auto index = parse_number<std::uint64_t>(id.substr(0, mark));
  const auto ordinal = parse_number<std::uint32_t>(id.substr(mark + 1));
  if (!index || !ordinal || *index == 0) return std::nullopt;
  return EventPlace{LogIndex(*index), *ordinal};
}

std::string message_body(const v1::FeedEvent& event) {
  return fmt::format(R"({{"type":"{}","timestamp":{},"data":{}}})", kind_of(event.event()),
                     write_json(event.at()), write_json(event));
}

}  // namespace fallow::server
