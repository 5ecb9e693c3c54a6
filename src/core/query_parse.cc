// Query::parse. One pass, one character of look-ahead, no recursion: every byte is read at most
// twice, so a hostile query costs what its length says.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "core/query.h"

namespace fallow::core {
namespace {

struct Alias {
  std::string_view name;
  Field field;
};

// What other markets call a field. Not accepted, so that a query has one spelling; suggested.
constexpr std::array<Alias, 13> kAliases = {{
    {"dph", Field::kPrice},
    {"dph_total", Field::kPrice},
    {"gpu", Field::kGpuName},
    {"gpus", Field::kNumGpus},
    {"vram", Field::kGpuRam},
    {"gpu_total_ram", Field::kGpuRam},
    {"reliability2", Field::kReliability},
    {"geolocation", Field::kRegion},
    {"cpu_cores_effective", Field::kCpuCores},
    {"ram", Field::kCpuRam},
    {"disk", Field::kDiskSpace},
    {"machine_id", Field::kNode},
    {"host_id", Field::kProvider},
}};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}
bool is_printable(char c) { return c >= ' ' && c < 0x7f; }

// The user's own text for an error: short, and harmless on a terminal.
std::string shown(std::string_view text) {
  constexpr std::size_t kShownMax = 40;
  std::string result;
  for (const char c : text.substr(0, kShownMax)) result += is_printable(c) ? c : '?';
  if (text.size() > kShownMax) result += "...";
  return result;
}

// Insertions, deletions and replacements between two short words.
std::size_t distance_between(std::string_view a, std::string_view b) {
  constexpr std::size_t kMax = 32;
  if (a.size() > kMax || b.size() > kMax) return kMax;
  std::array<std::size_t, kMax + 1> row{};
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row[b.size()];
}

std::string unknown_field(std::string_view name) {
  const std::string word = canonical_word(name);
  for (const Alias& alias : kAliases) {
    if (alias.name == word) {
      return fmt::format("there is no field \"{}\"; did you mean {}?", shown(name),
                         name_of(alias.field));
    }
  }
  std::size_t nearest = std::max<std::size_t>(2, word.size() / 3) + 1;
  std::string_view suggestion;
  std::string all;
  for (std::size_t i = 0; i < kFields; ++i) {
    const std::string_view known = name_of(static_cast<Field>(i));
    if (!all.empty()) all += ", ";
    all += known;
    const std::size_t distance = distance_between(word, known);
    if (distance < nearest) {
      nearest = distance;
      suggestion = known;
    }
  }
  if (suggestion.empty()) {
    return fmt::format("there is no field \"{}\"; the fields are {}", shown(name), all);
  }
  return fmt::format("there is no field \"{}\"; did you mean {}?", shown(name), suggestion);
}

std::optional<std::int64_t> isolation_named(std::string_view word) {
  for (std::int64_t isolation = v1::BUBBLEWRAP; isolation <= v1::MICROVM; ++isolation) {
    if (same_word(number_text(Field::kIsolation, isolation), word)) return isolation;
  }
  return std::nullopt;
}

class Parser {
 public:
  Parser(std::string_view text, QueryError& error) : text_(text), error_(error) {}

  std::optional<std::vector<Predicate>> run() {
    std::vector<Predicate> predicates;
    for (skip_blanks(); !at_end(); skip_blanks()) {
      if (predicates.size() == kPredicatesMax) {
        fail(at_, fmt::format("at most {} conditions are accepted", kPredicatesMax));
        return std::nullopt;
      }
      Predicate predicate;
      if (!parse_predicate(predicate)) return std::nullopt;
      predicates.push_back(std::move(predicate));
    }
    return predicates;
  }

 private:
  struct Token {
    std::size_t start = 0;
    std::string_view text;
    bool quoted = false;
  };

  bool parse_predicate(Predicate& predicate) {
    predicate.column = static_cast<std::uint32_t>(at_ + 1);
    const std::size_t start = at_;
    const std::string_view name = take_while(is_name);
    if (name.empty()) {
      return fail(start, fmt::format("expected a field such as gpu_ram, not \"{}\"", next_shown()));
    }
    const std::optional<Field> field = field_named(name);
    if (!field) return fail(start, unknown_field(name));
    predicate.field = *field;
    skip_blanks();
    if (!parse_operator(predicate)) return false;
    skip_blanks();
    const bool list = predicate.op == Operator::kIn || predicate.op == Operator::kNotIn;
    return list ? parse_list(predicate) : parse_single(predicate);
  }

  bool parse_operator(Predicate& predicate) {
    struct Spelling {
      std::string_view text;
      Operator op;
    };
    // Longer spellings first.
    constexpr std::array<Spelling, 7> kSymbols = {{{"<=", Operator::kLessEqual},
                                                   {">=", Operator::kGreaterEqual},
                                                   {"==", Operator::kEqual},
                                                   {"!=", Operator::kNotEqual},
                                                   {"<", Operator::kLess},
                                                   {">", Operator::kGreater},
                                                   {"=", Operator::kEqual}}};
    const std::size_t start = at_;
    for (const Spelling& symbol : kSymbols) {
      if (text_.substr(at_, symbol.text.size()) != symbol.text) continue;
      at_ += symbol.text.size();
      if (symbol.op == Operator::kEqual && !at_end() && (peek() == '<' || peek() == '>')) {
        return fail(start, fmt::format("expected an operator; did you mean {}=?", peek()));
      }
      predicate.op = symbol.op;
      const bool ordered = symbol.op != Operator::kEqual && symbol.op != Operator::kNotEqual;
      if (ordered && is_word(predicate.field)) {
        return fail(start, fmt::format("{} is a word and has no order: use =, !=, in or notin",
                                       name_of(predicate.field)));
      }
      return true;
    }
    std::string keyword = canonical_word(take_while(is_name));
    if (keyword == "not") {
      skip_blanks();
      keyword += canonical_word(take_while(is_name));
    }
    if (keyword == "in" || keyword == "notin") {
      predicate.op = keyword == "in" ? Operator::kIn : Operator::kNotIn;
      return true;
    }
    at_ = start;
    return fail(start, fmt::format("expected one of < <= = != >= > in notin behind {}, not \"{}\"",
                                   name_of(predicate.field), next_shown()));
  }

  bool parse_single(Predicate& predicate) {
    if (!at_end() && peek() == '[') return fail(at_, "a list goes with in or notin");
    Token token;
    if (!take_token(predicate.field, token)) return false;
    if (is_any(token)) {
      if (predicate.op != Operator::kEqual) {
        return fail(token.start, fmt::format("any goes with =: {}=any", name_of(predicate.field)));
      }
      predicate.op = Operator::kAny;
      return true;
    }
    return add_value(predicate, token);
  }

  bool parse_list(Predicate& predicate) {
    const std::size_t start = at_;
    if (at_end() || peek() != '[') {
      Token token;
      if (predicate.op == Operator::kIn && !at_end() && is_bare(peek()) &&
          take_token(predicate.field, token) && is_any(token)) {
        predicate.op = Operator::kAny;
        return true;
      }
      return fail(start, fmt::format("expected a list such as {} in [{}]", name_of(predicate.field),
                                     example_of(predicate.field)));
    }
    ++at_;
    for (;;) {
      skip_blanks();
      if (!at_end() && peek() == ']' && predicate.numbers.empty() && predicate.words.empty()) {
        return fail(at_, "the list is empty; write at least one value");
      }
      if (predicate.numbers.size() + predicate.words.size() == kListValuesMax) {
        return fail(at_, fmt::format("a list has at most {} values", kListValuesMax));
      }
      Token token;
      if (!take_token(predicate.field, token)) return false;
      if (is_any(token)) {
        return fail(token.start, fmt::format("any stands alone: {}=any", name_of(predicate.field)));
      }
      if (!add_value(predicate, token)) return false;
      skip_blanks();
      if (!at_end() && peek() == ']') {
        ++at_;
        return true;
      }
      if (at_end() || peek() != ',') return fail(at_, "expected , or ] in the list");
      ++at_;
    }
  }

  // A quoted or bare word.
  bool take_token(Field field, Token& token) {
    token.start = at_;
    if (!at_end() && (peek() == '"' || peek() == '\'')) {
      const char quote = peek();
      const std::size_t close = text_.find(quote, at_ + 1);
      if (close == std::string_view::npos) return fail(token.start, "this quote is not closed");
      token.text = text_.substr(at_ + 1, close - at_ - 1);
      token.quoted = true;
      for (std::size_t i = 0; i < token.text.size(); ++i) {
        if (!is_printable(token.text[i])) {
          return fail(at_ + 1 + i, "only printable ASCII is accepted");
        }
      }
      at_ = close + 1;
      return true;
    }
    token.text = take_while(is_bare);
    if (!token.text.empty()) return true;
    if (at_end()) {
      return fail(at_, fmt::format("expected a value for {}, such as {}", name_of(field),
                                   example_of(field)));
    }
    return fail(at_, fmt::format("expected a value for {}, such as {}, not \"{}\"", name_of(field),
                                 example_of(field), next_shown()));
  }

  static bool is_any(const Token& token) { return !token.quoted && same_word("any", token.text); }

  bool add_value(Predicate& predicate, const Token& token) {
    if (predicate.field == Field::kIsolation) {
      const std::optional<std::int64_t> isolation = isolation_named(token.text);
      if (!isolation) {
        return fail(token.start, fmt::format("\"{}\" is no isolation; it is one of bubblewrap, "
                                             "runc, gvisor, microvm",
                                             shown(token.text)));
      }
      predicate.numbers.push_back(*isolation);
      return true;
    }
    if (predicate.field == Field::kImages) {
      const bool truth = same_word("true", token.text);
      if (!truth && !same_word("false", token.text)) {
        return fail(token.start,
                    fmt::format("images is true or false, not \"{}\"", shown(token.text)));
      }
      predicate.numbers.push_back(truth ? 1 : 0);
      return true;
    }
    if (!is_word(predicate.field)) return add_number(predicate, token);
    std::string word = canonical_word(token.text);
    if (predicate.field == Field::kDeviceKind && word != "gpu" && word != "cpu") {
      return fail(token.start, fmt::format("\"{}\" is no device kind; it is one of gpu, cpu",
                                           shown(token.text)));
    }
    if (predicate.field == Field::kVerified && word != "true" && word != "false") {
      return fail(token.start,
                  fmt::format("verified is true or false, not \"{}\"", shown(token.text)));
    }
    predicate.words.push_back(std::move(word));
    return true;
  }

  bool add_number(Predicate& predicate, const Token& token) {
    const auto refuse = [&] {
      return fail(token.start, fmt::format("{} takes a plain number such as {}, not \"{}\"",
                                           name_of(predicate.field), example_of(predicate.field),
                                           shown(token.text)));
    };
    if (token.quoted) return refuse();
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    std::int64_t number = 0;
    const auto append = [&](char digit) {
      const std::int64_t units = digit - '0';
      if (number > (kMax - units) / 10) return false;
      number = number * 10 + units;
      return true;
    };
    const auto too_large = [&] {
      return fail(token.start, fmt::format("the number \"{}\" is too large", shown(token.text)));
    };
    std::size_t i = 0;
    for (; i < token.text.size() && is_digit(token.text[i]); ++i) {
      if (!append(token.text[i])) return too_large();
    }
    if (i == 0) return refuse();
    const int decimals = decimals_of(predicate.field);
    int seen = 0;
    if (i < token.text.size()) {
      if (token.text[i] != '.' || i + 1 == token.text.size()) return refuse();
      for (++i; i < token.text.size(); ++i) {
        const char digit = token.text[i];
        if (!is_digit(digit)) return refuse();
        if (seen < decimals) {
          if (!append(digit)) return too_large();
          ++seen;
        } else if (digit != '0') {
          return fail(token.start + i,
                      decimals == 0 ? fmt::format("{} is a whole number", name_of(predicate.field))
                                    : fmt::format("{} has at most {} decimals",
                                                  name_of(predicate.field), decimals));
        }
      }
    }
    for (; seen < decimals; ++seen) {
      if (!append('0')) return too_large();
    }
    predicate.numbers.push_back(number);
    return true;
  }

  static std::string_view example_of(Field field) {
    switch (field) {
      case Field::kGpuName:
        return "RTX_4090";
      case Field::kRegion:
        return "eu";
      case Field::kLan:
        return "hall-2";
      case Field::kRack:
        return "rack-7";
      case Field::kIsolation:
        return "gvisor";
      case Field::kDeviceKind:
        return "gpu";
      case Field::kVerified:
      case Field::kImages:
        return "true";
      case Field::kPrice:
        return "0.40";
      case Field::kReliability:
        return "0.95";
      case Field::kNumGpus:
        return "2";
      default:
        return "24";
    }
  }

  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  void skip_blanks() { take_while(is_blank); }
  template <class Accept>
  std::string_view take_while(Accept accept) {
    const std::size_t start = at_;
    while (!at_end() && accept(peek())) ++at_;
    return text_.substr(start, at_ - start);
  }
  // What stands at the place of an error: a word, or one character.
  std::string next_shown() const {
    if (at_end()) return "the end";
    std::size_t end = at_;
    while (end < text_.size() && is_bare(text_[end])) ++end;
    return shown(text_.substr(at_, std::max<std::size_t>(1, end - at_)));
  }
  bool fail(std::size_t at, std::string message) {
    error_.column = static_cast<std::uint32_t>(at + 1);
    error_.message = std::move(message);
    return false;
  }

  std::string_view text_;
  QueryError& error_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<Query> Query::parse(std::string_view text, QueryError& error, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    error.column = static_cast<std::uint32_t>(bytes_max + 1);
    error.message = fmt::format("the query is longer than {} bytes", bytes_max);
    return std::nullopt;
  }
  std::optional<std::vector<Predicate>> predicates = Parser(text, error).run();
  if (!predicates) return std::nullopt;
  return Query(*std::move(predicates));
}

}  // namespace fallow::core
