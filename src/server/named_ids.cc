#include "server/named_ids.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <array>
#include <cstddef>
#include <vector>

namespace fallow::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;

constexpr std::size_t kIdNames = 3;
constexpr std::array<const char*, kIdNames> kNamesOfIds = {"node", "order", "lease"};

// Where the kinds of an envelope (Command, Event) hold their ids. Looked up once: every event of
// the log is asked.
class IdFields {
 public:
  explicit IdFields(const Descriptor& envelope) : kind_(envelope.FindOneofByName("kind")) {
    for (int i = 0; i < kind_->field_count(); ++i) {
      const FieldDescriptor& field = *kind_->field(i);
      const auto number = static_cast<std::size_t>(field.number());
      if (by_kind_.size() <= number) by_kind_.resize(number + 1);
      by_kind_[number] = fields_of(*field.message_type());
    }
  }

  NamedIds read(const Message& envelope) const {
    const auto* const reflection = envelope.GetReflection();
    const FieldDescriptor* const field = reflection->GetOneofFieldDescriptor(envelope, kind_);
    if (field == nullptr) return {};
    const Fields& fields = by_kind_[static_cast<std::size_t>(field->number())];
    const Message& kind = reflection->GetMessage(envelope, field);
    std::array<std::uint64_t, kIdNames> ids{};
    for (std::size_t i = 0; i < kIdNames; ++i) {
      if (fields.own[i] != nullptr) ids[i] = kind.GetReflection()->GetUInt64(kind, fields.own[i]);
    }
    if (fields.record != nullptr) {
      const Message& record = kind.GetReflection()->GetMessage(kind, fields.record);
      ids[2] = record.GetReflection()->GetUInt64(record, fields.record_lease);
    }
    return {ids[0], ids[1], ids[2]};
  }

 private:
  struct Fields {
    std::array<const FieldDescriptor*, kIdNames> own{};
    const FieldDescriptor* record = nullptr;
    const FieldDescriptor* record_lease = nullptr;
  };

  static const FieldDescriptor* id_field(const Descriptor& message, const char* name) {
    const FieldDescriptor* const field = message.FindFieldByName(name);
    const bool is_id = field != nullptr && !field->is_repeated() &&
                       field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
    return is_id ? field : nullptr;
  }
  static Fields fields_of(const Descriptor& message) {
    Fields fields;
    for (std::size_t i = 0; i < kIdNames; ++i) fields.own[i] = id_field(message, kNamesOfIds[i]);
    const FieldDescriptor* const record = message.FindFieldByName("record");
    if (record == nullptr || record->message_type() == nullptr || record->is_repeated()) {
      return fields;
    }
    fields.record_lease = id_field(*record->message_type(), "lease");
    if (fields.record_lease != nullptr) fields.record = record;
    return fields;
  }

  const OneofDescriptor* const kind_;
  std::vector<Fields> by_kind_;  // by the field's number
};

std::optional<int> number_of_kind(const Descriptor& envelope, std::string_view name) {
  const FieldDescriptor* const field = envelope.FindFieldByName(std::string(name));
  if (field == nullptr || field->containing_oneof() == nullptr) return std::nullopt;
  return field->number();
}

}  // namespace

NamedIds named_ids(const v1::Command& command) {
  static const IdFields fields(*v1::Command::descriptor());
  return fields.read(command);
}

NamedIds named_ids(const v1::Event& event) {
  static const IdFields fields(*v1::Event::descriptor());
  return fields.read(event);
}

std::string command_kind_name(int kind) {
  const FieldDescriptor* const field = v1::Command::descriptor()->FindFieldByNumber(kind);
  return field == nullptr || field->containing_oneof() == nullptr ? "unknown" : field->name();
}

std::optional<int> command_kind_number(std::string_view name) {
  return number_of_kind(*v1::Command::descriptor(), name);
}

std::optional<int> event_kind_number(std::string_view name) {
  return number_of_kind(*v1::Event::descriptor(), name);
}

}  // namespace fallow::server
