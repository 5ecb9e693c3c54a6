// Small numbers for words that many nodes share, such as regions: equal words have equal numbers.
//
// Owner: the book, market thread only. Numbers are reused once nobody holds the word any more.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fallow::core {

class WordNumbers {
 public:
  // More words than this at once share the number kOther, which says nothing.
  static constexpr std::uint16_t kWordsMax = 65'535;
  static constexpr std::uint16_t kOther = kWordsMax;

  // The number of a canonical word, held once more; give it back with release().
  std::uint16_t acquire(std::string_view word);
  void release(std::uint16_t number);
  // kOther: nobody holds the word, or it has no number of its own.
  std::uint16_t find(std::string_view word) const;
  // Were there ever more words than numbers? Then some may still have none.
  bool overflowed() const { return overflowed_; }
  // Have so many offers one word, and not the empty one? Where words lack numbers they may.
  bool any_held_by(std::size_t holders) const;
  // Of a number that is held; empty for kOther.
  const std::string& word(std::uint16_t number) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const {
      return std::hash<std::string_view>()(word);
    }
  };
  struct Word {
    std::string text;
    std::uint32_t holders = 0;
  };
  std::vector<Word> words_;          // by number, at most kWordsMax
  std::vector<std::uint16_t> free_;  // the last one freed is taken first
  bool overflowed_ = false;
  // Points only, never iterated.
  boost::unordered_flat_map<std::string, std::uint16_t, Hash, std::equal_to<>> numbers_;
};

}  // namespace fallow::core
