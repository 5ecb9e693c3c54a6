#include "core/block_words.h"

#include <algorithm>

#include "base/check.h"

namespace fallow::core {

std::uint16_t WordNumbers::acquire(std::string_view word) {
  if (const auto known = numbers_.find(word); known != numbers_.end()) {
    ++words_[known->second].holders;
    return known->second;
  }
  std::uint16_t number = kOther;
  if (!free_.empty()) {
    number = free_.back();
    free_.pop_back();
  } else if (words_.size() < kWordsMax) {
    number = static_cast<std::uint16_t>(words_.size());
    words_.emplace_back();
  } else {
    overflowed_ = true;
    return kOther;
  }
  words_[number] = {std::string(word), 1};
  numbers_.emplace(words_[number].text, number);
  return number;
}

void WordNumbers::release(std::uint16_t number) {
  if (number == kOther) return;
  Word& word = words_[number];
  FALLOW_CHECK(word.holders > 0, "word {} is given back once too often", number);
  if (--word.holders > 0) return;
  numbers_.erase(word.text);
  word.text.clear();
  free_.push_back(number);
}

std::uint16_t WordNumbers::find(std::string_view word) const {
  const auto known = numbers_.find(word);
  return known == numbers_.end() ? kOther : known->second;
}

bool WordNumbers::any_held_by(std::size_t holders) const {
  return overflowed_ || std::any_of(words_.begin(), words_.end(), [&](const Word& word) {
           return !word.text.empty() && word.holders >= holders;
         });
}

const std::string& WordNumbers::word(std::uint16_t number) const {
  static const std::string kNone;
  return number == kOther ? kNone : words_[number].text;
}

}  // namespace fallow::core
