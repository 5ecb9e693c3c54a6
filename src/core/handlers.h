// What each command does. One function a command, in the file of its noun; machine.cc calls them.
//
// Each either refuses (one Refused event, nothing changed), repeats (one Repeated event, nothing
// changed) or carries the command out and tells what happened.
#pragma once

#include "core/step.h"
#include "fallow/v1/commands.pb.h"

namespace fallow::core {

// founding.cc
void handle(Step& step, const v1::Found& command);
void handle(Step& step, const v1::SetPolicy& command);
// speeds.cc
void handle(Step& step, const v1::SetSpeed& command);
// survivals.cc
void handle(Step& step, const v1::SetSurvival& command);
// forecasts.cc
void handle(Step& step, const v1::SetForecast& command);
// accounts.cc
void handle(Step& step, const v1::OpenAccount& command);
void handle(Step& step, const v1::SetBudget& command);
void handle(Step& step, const v1::SetProject& command);
// keys.cc
void handle(Step& step, const v1::AddKey& command);
void handle(Step& step, const v1::RevokeKey& command);
void handle(Step& step, const v1::CreateJoinToken& command);
// webhooks.cc
void handle(Step& step, const v1::SetWebhook& command);
void handle(Step& step, const v1::RemoveWebhook& command);
void handle(Step& step, const v1::StopWebhook& command);
// members.cc
void handle(Step& step, const v1::SetMember& command);
void handle(Step& step, const v1::JoinTeam& command);
// wallets.cc
void handle(Step& step, const v1::Deposit& command);
void handle(Step& step, const v1::Withdraw& command);
void handle(Step& step, const v1::SettlePayout& command);
// reversals.cc
void handle(Step& step, const v1::ReverseDeposit& command);
// nodes.cc
void handle(Step& step, const v1::JoinNode& command);
void handle(Step& step, const v1::ReportNode& command);
void handle(Step& step, const v1::SetNodeLink& command);
void handle(Step& step, const v1::RemoveNode& command);
// proofs.cc
void handle(Step& step, const v1::StartProof& command);
void handle(Step& step, const v1::FinishProof& command);
// offers.cc
void handle(Step& step, const v1::SetOffer& command);
void handle(Step& step, const v1::WithdrawOffer& command);
// orders.cc
void handle(Step& step, const v1::SubmitOrder& command);
void handle(Step& step, const v1::StopOrder& command);
void handle(Step& step, const v1::StopLease& command);
// extension.cc
void handle(Step& step, const v1::ExtendOrder& command);
// observe.cc
void handle(Step& step, const v1::Observe& command);
// deadlines.cc
void handle(Step& step, const v1::Tick& command);
void handle(Step& step, const v1::Resume& command);

}  // namespace fallow::core
