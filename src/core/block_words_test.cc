#include "core/block_words.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace fallow::core {
namespace {

TEST(WordNumbers, EqualWordsShareANumberUntilNobodyHoldsThem) {
  WordNumbers numbers;
  const std::uint16_t eu = numbers.acquire("eu");
  EXPECT_EQ(numbers.acquire("eu"), eu);
  EXPECT_NE(numbers.acquire("us"), eu);
  EXPECT_EQ(numbers.find("eu"), eu);
  EXPECT_EQ(numbers.word(eu), "eu");
  numbers.release(eu);
  EXPECT_EQ(numbers.find("eu"), eu);
  numbers.release(eu);
  EXPECT_EQ(numbers.find("eu"), WordNumbers::kOther);
  EXPECT_EQ(numbers.acquire("ap"), eu) << "numbers are used again";
  EXPECT_EQ(numbers.find("nowhere"), WordNumbers::kOther);
}

TEST(WordNumbers, WordsBeyondTheLastNumberShareOne) {
  WordNumbers numbers;
  std::set<std::uint16_t> given;
  for (int i = 0; i < WordNumbers::kWordsMax; ++i) {
    given.insert(numbers.acquire("region" + std::to_string(i)));
  }
  EXPECT_EQ(given.size(), WordNumbers::kWordsMax);
  EXPECT_FALSE(numbers.overflowed());
  EXPECT_EQ(numbers.acquire("one more"), WordNumbers::kOther);
  EXPECT_TRUE(numbers.overflowed());
  EXPECT_EQ(numbers.find("one more"), WordNumbers::kOther);
  EXPECT_EQ(numbers.word(WordNumbers::kOther), "");
  numbers.release(WordNumbers::kOther);
  numbers.release(numbers.find("region7"));
  EXPECT_NE(numbers.acquire("another"), WordNumbers::kOther);
}

}  // namespace
}  // namespace fallow::core
