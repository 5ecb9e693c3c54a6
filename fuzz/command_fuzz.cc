// Commands as bytes: any that parse apply to a living market without breaking what must always
// hold, and the market that took them comes back from its snapshot with the same digest.
//
// Input: a seed for the market (1 byte), then commands, each as a step of time in seconds (1 byte),
// its length (2 bytes) and its bytes. Small numbers in fields that name a thing stand for things of
// that kind that exist, or no mutation would ever find one.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/machine.h"
#include "core/test_market.h"

namespace {

using namespace fallow;

constexpr std::size_t kCommandsOfMarket = 60;
constexpr std::size_t kCommandsMax = 16;
constexpr std::uint64_t kSmall = 64;

std::vector<std::uint64_t> things(const core::Machine& machine, std::string_view field) {
  std::vector<std::uint64_t> ids;
  const auto take = [&](const auto& thing) {
    ids.push_back(thing.id.value);
    return ids.size() < kSmall;
  };
  if (field == "account" || field == "actor") machine.visit_accounts(AccountId(), take);
  if (field == "node") machine.visit_nodes(NodeId(), take);
  if (field == "order") machine.visit_orders_newest(OrderId(), take);
  if (field == "lease") machine.visit_leases_newest(LeaseId(), take);
  return ids;
}

void name_things(const core::Machine& machine, google::protobuf::Message& message) {
  using Field = google::protobuf::FieldDescriptor;
  const auto* const reflection = message.GetReflection();
  std::vector<const Field*> fields;
  reflection->ListFields(message, &fields);
  for (const Field* field : fields) {
    if (field->cpp_type() == Field::CPPTYPE_MESSAGE && !field->is_map()) {
      if (!field->is_repeated()) {
        name_things(machine, *reflection->MutableMessage(&message, field));
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        name_things(machine, *reflection->MutableRepeatedMessage(&message, field, i));
      }
    } else if (field->cpp_type() == Field::CPPTYPE_UINT64 && !field->is_repeated()) {
      const std::uint64_t value = reflection->GetUInt64(message, field);
      const std::vector<std::uint64_t> ids = things(machine, field->name());
      if (value < kSmall && !ids.empty()) {
        reflection->SetUInt64(&message, field, ids[value % ids.size()]);
      }
    }
  }
}

void apply(core::Machine& machine, Time now, const v1::Command& command) {
  core::Events events;
  machine.apply(machine.last_index() + LogIndex(1), now, command, events);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  core::Machine machine;
  core::RandomCommands random(data[0]);
  apply(machine, random.next_time(machine), core::test_found());
  for (std::size_t i = 0; i < kCommandsOfMarket; ++i) {
    apply(machine, random.next_time(machine), random.next(machine));
  }

  std::string_view left(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (std::size_t i = 0; i < kCommandsMax && left.size() >= 3; ++i) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(left[at]); };
    const Time now = machine.now() + seconds(byte(0));
    const std::size_t length = std::min<std::size_t>(byte(1) + 256U * byte(2), left.size() - 3);
    v1::Command command;
    if (command.ParseFromArray(left.data() + 3, static_cast<int>(length))) {
      name_things(machine, command);
      apply(machine, now, command);
      machine.check_invariants();
    }
    left.remove_prefix(3 + length);
  }

  std::string snapshot;
  machine.snapshot([&](std::string_view part) { snapshot += part; });
  core::Machine copy;
  std::size_t at = 0;
  const Status restored = copy.restore([&](char* into, std::size_t bytes) -> Result<std::size_t> {
    const std::size_t given = snapshot.copy(into, bytes, at);
    at += given;
    return given;
  });
  if (!restored || copy.digest() != machine.digest()) __builtin_trap();
  return 0;
}
