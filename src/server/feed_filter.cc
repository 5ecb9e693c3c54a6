#include "server/feed_filter.h"

namespace fallow::server {
namespace {

void add_provider(Concerned& concerned, const core::Machine& machine, std::uint64_t node) {
  if (const core::Node* found = machine.node(NodeId(node))) concerned.add(found->provider);
}

void add_parties(Concerned& concerned, const core::Machine& machine, std::uint64_t lease) {
  if (const core::Lease* found = machine.lease(LeaseId(lease))) {
    concerned.add(found->renter);
    concerned.add(found->provider);
  }
}

}  // namespace

Concerned concerned_by(const v1::Event& event, const core::Machine& machine) {
  Concerned concerned;
  switch (event.kind_case()) {
    case v1::Event::kAccountOpened:
      concerned.add(AccountId(event.account_opened().account()));
      break;
    case v1::Event::kKeyAdded:
      concerned.add(AccountId(event.key_added().account()));
      break;
    case v1::Event::kKeyRevoked:
      concerned.add(AccountId(event.key_revoked().account()));
      break;
    case v1::Event::kWebhookSet:
      concerned.add(AccountId(event.webhook_set().account()));
      break;
    case v1::Event::kWebhookRemoved:
      concerned.add(AccountId(event.webhook_removed().account()));
      break;
    case v1::Event::kWebhookStopped:
      concerned.add(AccountId(event.webhook_stopped().account()));
      break;
    case v1::Event::kMemberSet:
      concerned.add(AccountId(event.member_set().account()));
      concerned.add(AccountId(event.member_set().member()));
      break;
    case v1::Event::kTransferred:
      concerned.add(AccountId(event.transferred().from_account()));
      concerned.add(AccountId(event.transferred().to_account()));
      break;
    case v1::Event::kPayoutRequested:
      concerned.add(AccountId(event.payout_requested().account()));
      break;
    case v1::Event::kPayoutSettled:
      concerned.add(AccountId(event.payout_settled().account()));
      break;
    case v1::Event::kDepositReversed:
      concerned.add(AccountId(event.deposit_reversed().account()));
      break;
    case v1::Event::kBudgetSet:
      concerned.add(AccountId(event.budget_set().account()));
      break;
    case v1::Event::kJoinTokenCreated:
      concerned.add(AccountId(event.join_token_created().account()));
      break;
    case v1::Event::kNodeJoined:
      concerned.add(AccountId(event.node_joined().account()));
      break;
    case v1::Event::kNodeChanged:
      add_provider(concerned, machine, event.node_changed().node());
      break;
    case v1::Event::kProofStarted:
      add_provider(concerned, machine, event.proof_started().node());
      break;
    case v1::Event::kDeviceChecked:
      add_provider(concerned, machine, event.device_checked().node());
      break;
    case v1::Event::kNodeRemoved:
      add_provider(concerned, machine, event.node_removed().node());
      break;
    case v1::Event::kOfferChanged:
      add_provider(concerned, machine, event.offer_changed().node());
      break;
    case v1::Event::kOrderAccepted:
      concerned.add(AccountId(event.order_accepted().account()));
      break;
    case v1::Event::kTaskChanged:
      if (const core::Order* order = machine.order(OrderId(event.task_changed().order()))) {
        concerned.add(order->account);
      }
      break;
    case v1::Event::kOrderExtended:
      concerned.add(AccountId(event.order_extended().account()));
      break;
    case v1::Event::kOrderEnded:
      concerned.add(AccountId(event.order_ended().account()));
      break;
    case v1::Event::kLeasePlaced:
      concerned.add(AccountId(event.lease_placed().account()));
      add_provider(concerned, machine, event.lease_placed().node());
      break;
    case v1::Event::kLeaseExtended:
      concerned.add(AccountId(event.lease_extended().account()));
      add_provider(concerned, machine, event.lease_extended().node());
      break;
    case v1::Event::kLeaseChanged:
      add_parties(concerned, machine, event.lease_changed().lease());
      break;
    case v1::Event::kCheckpointTaken:
      add_parties(concerned, machine, event.checkpoint_taken().lease());
      break;
    case v1::Event::kMeterAccepted:
      add_parties(concerned, machine, event.meter_accepted().record().lease());
      break;
    case v1::Event::kLeaseCredited:
      add_parties(concerned, machine, event.lease_credited().lease());
      break;
    case v1::Event::kLeaseEnded:
      concerned.add(AccountId(event.lease_ended().account()));
      add_provider(concerned, machine, event.lease_ended().node());
      break;
    default:
      break;  // refusals, repeats and the market's own affairs are the operator's
  }
  return concerned;
}

}  // namespace fallow::server
