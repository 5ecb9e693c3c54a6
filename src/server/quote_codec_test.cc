#include "server/quote_codec.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "server/pages.h"

namespace fallow::server {
namespace {

v1::BoundQuote sample() {
  v1::BoundQuote quote;
  quote.set_issued_at_us(1);
  quote.set_expires_at_us(2);
  quote.set_total_micros(3);
  quote.set_tasks(4);
  quote.mutable_requirements()->set_query("gpu_ram>=24");
  return quote;
}

TEST(QuoteCodec, GivesBackWhatItGaveOut) {
  const QuoteCodec codec(std::string(32, 'k'));
  const auto quote = codec.quote_of(codec.id_of(sample()));
  ASSERT_TRUE(quote);
  EXPECT_EQ(quote->SerializeAsString(), sample().SerializeAsString());
}

TEST(QuoteCodec, RefusesEveryAlteredByte) {
  const QuoteCodec codec(std::string(32, 'k'));
  const std::string id = codec.id_of(sample());
  const std::string raw = *from_base64url(id.substr(3));
  for (std::size_t i = 0; i < raw.size(); ++i) {
    std::string altered = raw;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(codec.quote_of("q1." + to_base64url(altered))) << i;
  }
  for (std::size_t size = 0; size < raw.size(); ++size) {
    EXPECT_FALSE(codec.quote_of("q1." + to_base64url(raw.substr(0, size)))) << size;
  }
  EXPECT_FALSE(codec.quote_of("q1." + to_base64url(raw + "x")));
  EXPECT_FALSE(codec.quote_of(""));
  EXPECT_FALSE(codec.quote_of("q2." + id.substr(3)));
  EXPECT_FALSE(QuoteCodec(std::string(32, 'l')).quote_of(id));
}

TEST(Pages, TokensFitOnlyTheirOwnList) {
  const std::string token = page_token("orders", 7);
  EXPECT_EQ(page_position("orders", token).value_or(0), 7U);
  EXPECT_EQ(page_position("orders", "").value_or(1), 0U);
  EXPECT_FALSE(page_position("leases", token));
  EXPECT_FALSE(page_position("orders", "7"));
  EXPECT_FALSE(page_position("orders", to_base64url("orders:")));
  EXPECT_FALSE(page_position("orders", to_base64url("orders:-1")));
  EXPECT_FALSE(page_position("orders", to_base64url("orders:99999999999999999999")));
  EXPECT_EQ(page_size_of(0).value_or(0), kPageSizeDefault);
  EXPECT_FALSE(page_size_of(1'001));
}

}  // namespace
}  // namespace fallow::server
