#include "base/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace fallow {
namespace {

// Threat 25: CR, LF and escape sequences in names.
TEST(Printable, NoCharacterIsLeftThatATerminalObeys) {
  EXPECT_EQ(printable("night\r\n12 done"), "night??12 done");
  EXPECT_EQ(printable("\x1B[2J\x1B]0;title\x07"), "?[2J?]0;title?");
  EXPECT_EQ(printable("a\tb\x7F\b"), "a?b??");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a?b");
  // U+009B is what ESC [ is in ASCII, U+0085 a line end.
  EXPECT_EQ(printable("\u009B2J \u0085."), "?2J ?.");
}

TEST(Printable, EveryByteOfAsciiAlone) {
  for (int c = 0; c < 0x80; ++c) {
    const std::string text(1, static_cast<char>(c));
    const bool control = c < 0x20 || c == 0x7F;
    EXPECT_EQ(printable(text), control ? "?" : text) << c;
    EXPECT_EQ(printable_lines(text), control && c != '\t' && c != '\n' ? "?" : text) << c;
  }
}

TEST(Printable, OtherCharactersStay) {
  for (const char* text :
       {"", "caf\xC3\xA9", "\xC2\xA0", "\xE2\x82\xAC 2", "\xF0\x9F\x90\x84", "\xC2"}) {
    EXPECT_EQ(printable(text), text);
    EXPECT_EQ(printable_lines(text), text);
  }
}

TEST(Printable, LinesStayWhereTheyAreMeant) {
  EXPECT_EQ(printable_lines("one\n\ttwo\r\x1B[31m"), "one\n\ttwo??[31m");
}

}  // namespace
}  // namespace fallow
