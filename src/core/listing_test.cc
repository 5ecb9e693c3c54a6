#include "core/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace fallow::core {
namespace {

using testing::HasSubstr;

TEST(Order, ReadsFieldsAndDirections) {
  QueryError error;
  const auto order = parse_order("price,reliability-", error);
  ASSERT_TRUE(order);
  ASSERT_EQ(order->size(), 2U);
  EXPECT_EQ((*order)[0].field, Field::kPrice);
  EXPECT_FALSE((*order)[0].descending);
  EXPECT_EQ((*order)[1].field, Field::kReliability);
  EXPECT_TRUE((*order)[1].descending);
  EXPECT_TRUE(parse_order("", error)->empty());
}

TEST(Order, PointsAtMistakes) {
  const auto column_of = [](std::string_view text) {
    QueryError error;
    EXPECT_FALSE(parse_order(text, error)) << text;
    EXPECT_FALSE(error.message.empty());
    return error.column;
  };
  EXPECT_EQ(column_of("score-"), 1U);
  EXPECT_EQ(column_of("price,"), 7U);
  EXPECT_EQ(column_of("price;region"), 6U);
  EXPECT_EQ(column_of(","), 1U);
  EXPECT_EQ(column_of("price--"), 7U);
  EXPECT_EQ(column_of("price,price,price,price,price"), 25U);
}

TEST(Cursor, SurvivesItsText) {
  ListCursor cursor;
  cursor.values = {{-5, ""}, {0, "r\xff,. x"}, {9'223'372'036'854'775'807, ""}};
  cursor.node = NodeId(18'446'744'073'709'551'615U);
  const std::string text = text_of(cursor);
  EXPECT_EQ(text, "n-5.w72ff2c2e2078.n9223372036854775807.18446744073709551615");
  EXPECT_EQ(cursor_of_text(text), cursor);
}

TEST(Cursor, RefusesEveryOtherText) {
  for (const char* text : {"", ".", "n1", "n1.", "1.2", "n.1", "n1.x", "w1.2", "wzz.2", "w+f.2",
                           "n1.-2", "n1.2 ", "n99999999999999999999.1", "n1.n1.n1.n1.n1.n1.1"}) {
    EXPECT_FALSE(cursor_of_text(text)) << text;
  }
  EXPECT_FALSE(cursor_of_text(std::string(kCursorBytesMax + 1, '1')));
}

}  // namespace
}  // namespace fallow::core
