#include "engine/utf8_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "fallow/v1/commands.pb.h"

namespace fallow::engine {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Path = std::vector<const FieldDescriptor*>;

// Every way from a command to a text, through no type twice.
void each_text(const Descriptor& type, Path& path, std::vector<const Descriptor*>& types,
               const std::function<void(const Path&)>& look) {
  if (std::find(types.begin(), types.end(), &type) != types.end()) return;
  types.push_back(&type);
  for (int i = 0; i < type.field_count(); ++i) {
    path.push_back(type.field(i));
    if (type.field(i)->type() == FieldDescriptor::TYPE_STRING) look(path);
    if (type.field(i)->message_type() != nullptr) {
      each_text(*type.field(i)->message_type(), path, types, look);
    }
    path.pop_back();
  }
  types.pop_back();
}

// A command that holds nothing but this text at the end of the path.
v1::Command with(const Path& path, const std::string& text) {
  v1::Command command;
  Message* at = &command;
  for (const FieldDescriptor* field : path) {
    const google::protobuf::Reflection& reflection = *at->GetReflection();
    if (field->message_type() != nullptr) {
      at = field->is_repeated() ? reflection.AddMessage(at, field)
                                : reflection.MutableMessage(at, field);
    } else if (field->is_repeated()) {
      reflection.AddString(at, field, text);
    } else {
      reflection.SetString(at, field, text);
    }
  }
  return command;
}

struct Utf8CheckTest : testing::Test {
  ~Utf8CheckTest() override { google::protobuf::SetLogHandler(former_); }

  const Utf8Check check{*v1::Command::descriptor()};

 private:
  // Protobuf would tell of each.
  google::protobuf::LogHandler* const former_ = google::protobuf::SetLogHandler(nullptr);
};

TEST_F(Utf8CheckTest, SaysOfEachTextOfEachCommandWhatTheParserSays) {
  Path path;
  std::vector<const Descriptor*> types;
  std::size_t texts = 0;
  each_text(*v1::Command::descriptor(), path, types, [&](const Path& at) {
    ++texts;
    for (const std::string text :
         {"plain", "Z\xc3\xbcrich \xf0\x9f\x8c\xbe", "\xff", "cut \xe2\x82", "\xc0\x80",
          "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
      const std::string bytes = with(at, text).SerializeAsString();
      ASSERT_EQ(check.passes(bytes), v1::Command().ParseFromString(bytes))
          << at.back()->full_name() << ": " << text;
    }
  });
  EXPECT_GT(texts, 40U);
}

TEST_F(Utf8CheckTest, BytesMayBeAnything) {
  v1::Command command;
  v1::MeterRecord& meter = *command.mutable_observe()->add_workloads()->add_meters();
  meter.set_signature("\xff\xfe");
  meter.set_running_us(INT64_MAX);  // numbers of many bytes are passed over
  EXPECT_TRUE(check.passes(command.SerializeAsString()));
}

TEST_F(Utf8CheckTest, WhatEndsEarlyDoesNotPass) {
  v1::Command command;
  command.set_actor(1'000'000'000'000);
  command.mutable_submit_order()->set_name("a name");
  const std::string bytes = command.SerializeAsString();
  ASSERT_TRUE(check.passes(bytes));
  std::size_t refused = 0;
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    // In memory of its own, where a sanitizer sees a byte too many.
    const std::string cut(bytes, 0, size);
    const bool passes = check.passes(std::string(cut));
    EXPECT_EQ(passes, v1::Command().ParseFromString(cut)) << size;
    if (!passes) ++refused;
  }
  EXPECT_GT(refused, 5U);
}

}  // namespace
}  // namespace fallow::engine
