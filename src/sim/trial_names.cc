#include "sim/trial_names.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "sim/lab_commands.h"

namespace fallow::sim {
namespace {

using google::protobuf::FieldDescriptor;

constexpr std::uint64_t kNothing = std::numeric_limits<std::int64_t>::max();
constexpr std::array<std::string_view, 5> kNamingFields = {"account", "node", "order", "payout",
                                                           "proof"};

std::uint64_t ids_per_command() { return first_id_of(LogIndex(1)); }

bool is_name(const FieldDescriptor& field) {
  return field.type() == FieldDescriptor::TYPE_UINT64 && !field.is_repeated() &&
         std::find(kNamingFields.begin(), kNamingFields.end(), field.name()) != kNamingFields.end();
}

}  // namespace

std::uint64_t TrialNames::here(std::uint64_t id) const {
  const LogIndex index(id / ids_per_command());
  if (index <= base_) return id;
  const auto at = std::lower_bound(places_.begin(), places_.end(), std::pair(index, LogIndex()));
  if (at == places_.end() || at->first != index) return kNothing;
  return first_id_of(at->second) + id % ids_per_command();
}

std::uint64_t TrialNames::in_log(std::uint64_t id) const {
  const LogIndex index(id / ids_per_command());
  if (index <= base_) return id;
  const auto at =
      std::lower_bound(places_.begin(), places_.end(), index,
                       [](const auto& place, LogIndex of) { return place.second < of; });
  if (at == places_.end() || at->second != index) return kNothing;
  return first_id_of(at->first) + id % ids_per_command();
}

void TrialNames::rename(v1::Command& command) const {
  command.set_actor(here(command.actor()));
  if (command.has_set_survival()) {
    for (v1::NodeSurvival& node : *command.mutable_set_survival()->mutable_nodes()) {
      node.set_node(here(node.node()));
    }
    return;
  }
  const FieldDescriptor* const kind = command.GetReflection()->GetOneofFieldDescriptor(
      command, v1::Command::descriptor()->FindOneofByName("kind"));
  if (kind == nullptr) return;
  google::protobuf::Message& part = *command.GetReflection()->MutableMessage(&command, kind);
  for (int i = 0; i < part.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *part.GetDescriptor()->field(i);
    if (!is_name(field)) continue;
    const std::uint64_t name = part.GetReflection()->GetUInt64(part, &field);
    part.GetReflection()->SetUInt64(&part, &field, here(name));
  }
}

}  // namespace fallow::sim
