#include "server/json_writer.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>

#include "base/env.h"
#include "fallow/v1/services.pb.h"
#include "fallow/v1/statement.pb.h"

namespace fallow::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string ours(const Message& message, JsonWriter::Fields fields) {
  JsonWriter writer(fields);
  writer.write(message);
  return writer.text();
}

std::string protobufs(const Message& message, JsonWriter::Fields fields) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = fields == JsonWriter::Fields::kAll;
  std::string text;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(message, &text, options).ok());
  return text;
}

// The same values, numbers by what they are worth.
bool same(const boost::json::value& one, const boost::json::value& other) {
  if (one.is_number() && other.is_number()) {
    return one.to_number<double>() == other.to_number<double>();
  }
  if (one.is_array() && other.is_array()) {
    const auto& a = one.get_array();
    const auto& b = other.get_array();
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
  }
  if (one.is_object() && other.is_object()) {
    const auto& a = one.get_object();
    const auto& b = other.get_object();
    if (a.size() != b.size()) return false;
    return std::all_of(a.begin(), a.end(), [&](const auto& field) {
      const auto* found = b.if_contains(field.key());
      return found != nullptr && same(field.value(), *found);
    });
  }
  return one == other;
}

void expect_same(const Message& message) {
  for (const auto fields : {JsonWriter::Fields::kAll, JsonWriter::Fields::kSet}) {
    const std::string text = ours(message, fields);
    const std::string wanted = protobufs(message, fields);
    ASSERT_TRUE(same(boost::json::parse(text), boost::json::parse(wanted)))
        << message.GetTypeName() << "\n"
        << text << "\n"
        << wanted;
  }
}

constexpr std::string_view kTexts[] = {"",
                                       "a name",
                                       "\"quoted\\\"",
                                       "</script>",
                                       "line\nbreak\ttab\r\b\f",
                                       "\x01\x1f\x7f",
                                       "Z\xc3\xbcrich \xf0\x9f\x8c\xbe",
                                       "\xc2\x80\xc2\x9f",
                                       "\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6",
                                       "\xe2\x82\xac\xe2\x80\x93",
                                       std::string_view("zero\0inside", 11)};
constexpr double kDoubles[] = {
    0, -0.0, 1, 0.1, 1.0 / 3, -2.5e-300, 1e22, 123'456'789'012.5, 1e16, INFINITY, -INFINITY, NAN};

// Fills a random part of all fields.
void fill(Message& message, Random& random, int depth) {
  const Descriptor& type = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  if (type.well_known_type() != Descriptor::WELLKNOWNTYPE_UNSPECIFIED) {
    const bool whole = random.below(2) == 0;
    reflection.SetInt64(&message, type.FindFieldByName("seconds"),
                        static_cast<std::int64_t>(random.below(4'000'000'000)));
    reflection.SetInt32(&message, type.FindFieldByName("nanos"),
                        whole ? 0 : static_cast<std::int32_t>(random.below(1'000'000) * 1'000));
    return;
  }
  for (int n = 0; n < type.field_count(); ++n) {
    const FieldDescriptor& field = *type.field(n);
    if (random.below(3) == 0) continue;
    const std::uint64_t bits = random.below(2) == 0 ? random.below(100) : random.below(UINT64_MAX);
    const std::uint64_t count = field.is_repeated() ? random.below(3) : 1;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto set = [&](auto one, auto many, auto value) {
        field.is_repeated() ? (reflection.*many)(&message, &field, value)
                            : (reflection.*one)(&message, &field, value);
      };
      switch (field.cpp_type()) {
        case FieldDescriptor::CPPTYPE_INT32:
          set(&Reflection::SetInt32, &Reflection::AddInt32, static_cast<std::int32_t>(bits));
          break;
        case FieldDescriptor::CPPTYPE_UINT32:
          set(&Reflection::SetUInt32, &Reflection::AddUInt32, static_cast<std::uint32_t>(bits));
          break;
        case FieldDescriptor::CPPTYPE_INT64:
          set(&Reflection::SetInt64, &Reflection::AddInt64, static_cast<std::int64_t>(bits));
          break;
        case FieldDescriptor::CPPTYPE_UINT64:
          set(&Reflection::SetUInt64, &Reflection::AddUInt64, bits);
          break;
        case FieldDescriptor::CPPTYPE_DOUBLE:
          set(&Reflection::SetDouble, &Reflection::AddDouble,
              kDoubles[random.below(std::size(kDoubles))]);
          break;
        case FieldDescriptor::CPPTYPE_FLOAT:
          set(&Reflection::SetFloat, &Reflection::AddFloat, 0.5F);
          break;
        case FieldDescriptor::CPPTYPE_BOOL:
          set(&Reflection::SetBool, &Reflection::AddBool, bits % 2 == 0);
          break;
        case FieldDescriptor::CPPTYPE_ENUM:
          set(&Reflection::SetEnumValue, &Reflection::AddEnumValue, static_cast<int>(bits % 300));
          break;
        case FieldDescriptor::CPPTYPE_STRING: {
          const std::string text(kTexts[random.below(std::size(kTexts))]);
          field.is_repeated() ? reflection.AddString(&message, &field, text)
                              : reflection.SetString(&message, &field, text);
          break;
        }
        case FieldDescriptor::CPPTYPE_MESSAGE:
          if (depth == 0) break;
          fill(field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                   : *reflection.MutableMessage(&message, &field),
               random, depth - 1);
          break;
      }
    }
  }
}

TEST(JsonWriter, SaysOfEveryMessageOfTheSchemaWhatProtobufsWriterSays) {
  const auto random = seeded_random(17);
  auto& factory = *google::protobuf::MessageFactory::generated_factory();
  int types = 0;
  for (const auto* file :
       {v1::WalletView::descriptor()->file(), v1::CreateOrderRequest::descriptor()->file(),
        v1::MeterRecord::descriptor()->file(), v1::LeaseEnded::descriptor()->file(),
        v1::StatementBalance::descriptor()->file()}) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      ++types;
      const Message& prototype = *factory.GetPrototype(file->message_type(i));
      expect_same(prototype);
      for (int round = 0; round < 8; ++round) {
        const std::unique_ptr<Message> message(prototype.New());
        fill(*message, *random, 4);
        expect_same(*message);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(types, 100);
}

TEST(JsonWriter, EscapesWhatCouldEndAScriptOrTurnAText) {
  v1::Problem problem;
  problem.set_detail("</script>\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xae");
  EXPECT_EQ(ours(problem, JsonWriter::Fields::kSet),
            R"({"detail":"\u003c/script\u003e\u007f\u0085\u2028\u202e"})");
}

}  // namespace
}  // namespace fallow::server
