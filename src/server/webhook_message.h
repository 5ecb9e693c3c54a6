// What is sent to a webhook: which events it wants, and one of them as a message.
//
// Free functions and values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "core/webhook.h"
#include "fallow/v1/views.pb.h"

namespace fallow::server {

// The place of an event in the log: of its command, and among all events of that.
struct EventPlace {
  LogIndex index;
  std::uint32_t ordinal = 0;
  auto operator<=>(const EventPlace&) const = default;
};

// "order_ended", as Event's fields are named.
std::string kind_of(const v1::Event& event);
bool is_event_kind(std::string_view kind);
// Every kind but meter_accepted when it names none: those come every few seconds.
bool wants(const core::Webhook& webhook, v1::Event::KindCase kind);

// "msg_4096_77_0": the same in every attempt, so that receivers know a repetition.
std::string message_id(core::WebhookId webhook, EventPlace place);
std::optional<EventPlace> place_of_message(core::WebhookId webhook, std::string_view id);

// {"type": kind, "timestamp": when it happened, "data": as GET /v1/events has it}
std::string message_body(const v1::FeedEvent& event);

}  // namespace fallow::server
