#include "tunnel/request.h"

#include <gtest/gtest.h>

namespace fallow::tunnel {
namespace {

TEST(Request, ComesBackAsItWas) {
  ExecRequest exec;
  exec.command = {"sh", "-c", std::string("echo \0 x", 8)};
  exec.environment = {{"A", "1"}, {"B", ""}};
  exec.has_terminal = true;
  exec.size = {50, 132};
  Request back;
  ASSERT_TRUE(decode_request(encode_request(exec), back));
  const auto& got = std::get<ExecRequest>(back);
  EXPECT_EQ(got.command, exec.command);
  EXPECT_EQ(got.environment, exec.environment);
  EXPECT_TRUE(got.has_terminal);
  EXPECT_EQ(got.size.rows, 50U);
  EXPECT_EQ(got.size.columns, 132U);
  ASSERT_TRUE(decode_request(encode_request(ForwardRequest{8888}), back));
  EXPECT_EQ(std::get<ForwardRequest>(back).port, 8888U);
  ASSERT_TRUE(decode_request(encode_request(ReadFilesRequest{"a/b"}), back));
  EXPECT_EQ(std::get<ReadFilesRequest>(back).path, "a/b");
  ASSERT_TRUE(decode_request(encode_request(WriteFilesRequest{"/out"}), back));
  EXPECT_EQ(std::get<WriteFilesRequest>(back).path, "/out");
}

TEST(Request, NotesComeBackAsTheyWere) {
  EntryNote entry;
  entry.is_folder = true;
  entry.mode = 0755;
  entry.bytes = std::uint64_t{5} << 33;
  entry.path = "a";
  entry.name = "n";
  Note back;
  ASSERT_TRUE(decode_note(encode_note(entry), back));
  EXPECT_EQ(std::get<EntryNote>(back).bytes, entry.bytes);
  EXPECT_EQ(std::get<EntryNote>(back).name, "n");
  ASSERT_TRUE(decode_note(encode_note(ExitNote{137, "why"}), back));
  EXPECT_EQ(std::get<ExitNote>(back).code, 137U);
  ASSERT_TRUE(decode_note(encode_note(SignalNote{15}), back));
  ASSERT_TRUE(decode_note(encode_note(WindowSize{1, 2}), back));
  EXPECT_EQ(std::get<WindowSize>(back).columns, 2U);
}

TEST(Request, WhatIsCutOrTooLongIsNone) {
  ExecRequest exec;
  exec.command = {"true"};
  const std::string whole = encode_request(exec);
  Request back;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_request(std::string_view(whole).substr(0, size), back)) << size;
  }
  EXPECT_FALSE(decode_request(whole + "x", back));
  EXPECT_FALSE(decode_request("z", back));
  // A count that promises more than there can be is not believed.
  EXPECT_FALSE(decode_request(std::string("x\xFF\xFF\xFF\xFF", 5), back));
}

}  // namespace
}  // namespace fallow::tunnel
