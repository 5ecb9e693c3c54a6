// The market's state as people and scripts read it: core's structs to the schema's views.
//
// Free functions on the market thread: they read what a visit or completion was handed. Money
// becomes decimal strings, moments timestamps; a moment of 0 is left out.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/views.pb.h"

namespace fallow::server {

// Tasks of one order that its view lists, the first ones; the counts are of all.
constexpr std::size_t kTasksShownMax = 10'000;

google::protobuf::Timestamp timestamp_of(Time time);

v1::OfferView offer_view(const core::Node& node);
// Price, time and what was understood; without id, parts and offers.
v1::QuoteView quote_view(const v1::BoundQuote& quote);
v1::NodeView node_view(const core::Node& node, const core::Machine& machine);
v1::TaskView task_view(const core::Task& task, std::uint32_t index, const core::Machine& machine);
// With its tasks and what they wait for, or without for lists.
v1::OrderView order_view(const core::Order& order, const core::Machine& machine, bool with_tasks);
// What its waiting tasks wait for, if any do. About one match.
void put_waits_for(v1::OrderView& view, const core::Order& order, const core::Machine& machine);
v1::ExtensionView extension_view(const core::Order& order, const core::Extension& extension,
                                 Duration more);
// Of an order with a deadline each lease has its own.
v1::Tier tier_of(const core::Lease& lease, const core::Order& order);
v1::LeaseView lease_view(const core::Lease& lease, const core::Machine& machine);
v1::WalletView wallet_view(AccountId account, const core::Machine& machine);
v1::PayoutView payout_view(const core::Payout& payout);
v1::KeyView key_view(const core::ApiKey& key);
v1::AccountView account_view(const core::Account& account);
// Without the member's name as long as it is only invited: an account that has not agreed to be
// known to the team is a number.
v1::MemberView member_view(AccountId account, AccountId member, const core::Membership& membership,
                           const core::Machine& machine);
// As the market has it: how sending goes is not the market's to know.
v1::WebhookView webhook_view(const core::Webhook& webhook);
// The counts and digest are those of the moment; the log's chain is the caller's to add. The digest
// takes a walk over the whole state, so a market of more than kDigestedMax things leaves it out:
// `fallow audit` computes it beside the running server.
constexpr std::size_t kDigestedMax = 2'000;
v1::MarketView market_view(const core::Machine& machine, Time now);

// First 16 hex digits of the secret's hash: how a key is named once its secret is hidden.
std::string key_id(const Digest& secret_hash);

}  // namespace fallow::server
