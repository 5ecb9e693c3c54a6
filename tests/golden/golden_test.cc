// The bytes of every command, kept for ever. Each kind has <kind>.txt, the command as text, and
// <kind>.hex, its bytes as they were first stored: never change either. A new kind needs both; a
// kind that gained fields needs <kind>-2.txt and so on, with every field set. FALLOW_REWRITE=1
// writes the .hex files that are missing.
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/digest.h"
#include "fallow/v1/commands.pb.h"

namespace fallow {
namespace {

const std::filesystem::path kFolder = FALLOW_GOLDEN;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// The hex digits of a file, blanks and line ends apart.
std::string hex_of(const std::filesystem::path& path) {
  std::string digits = read(path);
  std::erase_if(digits, [](char c) { return c == '\n' || c == ' '; });
  return digits;
}

std::string as_hex(const std::string& bytes) {
  return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string wrapped(const std::string& hex) {
  constexpr std::size_t kColumns = 64;
  std::string text;
  for (std::size_t at = 0; at < hex.size(); at += kColumns) {
    text += hex.substr(at, kColumns) + "\n";
  }
  return text;
}

std::vector<std::string> kinds() {
  std::vector<std::string> names;
  const auto* const oneof = v1::Command::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < oneof->field_count(); ++i) names.push_back(oneof->field(i)->name());
  return names;
}

// "set_offer-2" is the second generation of "set_offer".
std::string kind_of(const std::string& name) { return name.substr(0, name.find('-')); }
std::string generation(const std::string& kind, int number) {
  return number == 1 ? kind : kind + "-" + std::to_string(number);
}
bool is_there(const std::string& name) {
  return std::filesystem::exists(kFolder / (name + ".txt"));
}

// Every generation of every kind, oldest first; at least one of each.
std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const std::string& kind : kinds()) {
    int number = 1;
    do all.push_back(generation(kind, number));
    while (is_there(generation(kind, ++number)));
  }
  return all;
}

bool is_newest(const std::string& name) {
  const std::string kind = kind_of(name);
  const int number = name == kind ? 1 : std::stoi(name.substr(kind.size() + 1));
  return !is_there(generation(kind, number + 1));
}

// Whether every field of the message and of those within it is set: bytes of an empty message
// would keep nothing.
void expect_all_set(const google::protobuf::Message& message, const std::string& path) {
  const auto* const descriptor = message.GetDescriptor();
  const auto* const reflection = message.GetReflection();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* const field = descriptor->field(i);
    if (field->containing_oneof() != nullptr) {
      if (reflection->HasField(message, field)) {
        expect_all_set(reflection->GetMessage(message, field), path + "." + field->name());
      }
      continue;
    }
    if (field->is_repeated()) {
      EXPECT_GT(reflection->FieldSize(message, field), 0) << path << "." << field->name();
      for (int at = 0; at < reflection->FieldSize(message, field); ++at) {
        if (field->message_type() == nullptr) break;
        expect_all_set(reflection->GetRepeatedMessage(message, field, at),
                       path + "." + field->name());
      }
      continue;
    }
    EXPECT_TRUE(reflection->HasField(message, field)) << path << "." << field->name();
    if (field->message_type() != nullptr) {
      expect_all_set(reflection->GetMessage(message, field), path + "." + field->name());
    }
  }
}

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, BytesStay) {
  const std::filesystem::path text_path = kFolder / (GetParam() + ".txt");
  const std::filesystem::path hex_path = kFolder / (GetParam() + ".hex");
  ASSERT_TRUE(std::filesystem::exists(text_path)) << "a command needs its golden text";
  v1::Command command;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(read(text_path), &command));
  const auto* const kind =
      v1::Command::descriptor()->FindFieldByNumber(static_cast<int>(command.kind_case()));
  ASSERT_NE(kind, nullptr);
  EXPECT_EQ(kind->name(), kind_of(GetParam()));
  if (is_newest(GetParam())) expect_all_set(command, GetParam());
  const std::string hex = as_hex(command.SerializeAsString());
  if (!std::filesystem::exists(hex_path) && std::getenv("FALLOW_REWRITE") != nullptr) {
    std::ofstream(hex_path, std::ios::binary) << wrapped(hex);
  }
  ASSERT_TRUE(std::filesystem::exists(hex_path)) << "a command needs its golden bytes";
  EXPECT_EQ(hex_of(hex_path), hex) << "the bytes of stored commands would change";

  const Result<std::string> bytes = from_hex(hex_of(hex_path));
  ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
  v1::Command parsed;
  ASSERT_TRUE(parsed.ParseFromString(*bytes));
  EXPECT_EQ(parsed.DebugString(), command.DebugString());
  EXPECT_EQ(as_hex(parsed.SerializeAsString()), hex);
}

INSTANTIATE_TEST_SUITE_P(Commands, GoldenTest, testing::ValuesIn(names()), [](const auto& name) {
  std::string word = name.param;
  std::replace(word.begin(), word.end(), '-', '_');
  return word;
});

TEST(GoldenFolder, HoldsNothingElse) {
  const std::vector<std::string> all = names();
  const std::set<std::string> known(all.begin(), all.end());
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".hex" && extension != ".txt") continue;
    if (entry.path().filename() == "CMakeLists.txt") continue;
    EXPECT_TRUE(known.contains(entry.path().stem().string()))
        << entry.path().filename() << " is of no command: bytes are kept for ever";
  }
}

}  // namespace
}  // namespace fallow
