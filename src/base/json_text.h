// JsonText: writes indented JSON, in the order in which it is told. Texts are UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fallow {

// A value of one thread. Inside an object a key comes before each value.
class JsonText {
 public:
  JsonText& open_object() { return open('{'); }
  JsonText& close_object() { return close('}'); }
  JsonText& open_array() { return open('['); }
  JsonText& close_array() { return close(']'); }
  JsonText& key(std::string_view name) {
    separate();
    put_string(name);
    text_ += ": ";
    after_key_ = true;
    return *this;
  }
  JsonText& value(std::string_view text) {
    separate();
    put_string(text);
    return *this;
  }
  JsonText& value(const char* text) { return value(std::string_view(text)); }
  JsonText& value(bool truth) { return raw(truth ? "true" : "false"); }
  JsonText& value(int number) { return raw(std::to_string(number)); }
  JsonText& value(std::uint32_t number) { return raw(std::to_string(number)); }
  JsonText& value(std::uint64_t number) { return raw(std::to_string(number)); }

  const std::string& text() const { return text_; }

 private:
  JsonText& raw(std::string_view token) {
    separate();
    text_ += token;
    return *this;
  }
  JsonText& open(char bracket) {
    separate();
    text_ += bracket;
    ++depth_;
    empty_ = true;
    return *this;
  }
  JsonText& close(char bracket) {
    --depth_;
    if (!empty_) new_line();
    text_ += bracket;
    empty_ = false;
    return *this;
  }
  void separate() {
    if (after_key_) {
      after_key_ = false;
      empty_ = false;
      return;
    }
    if (depth_ == 0) return;
    if (!empty_) text_ += ',';
    empty_ = false;
    new_line();
  }
  void new_line() {
    text_ += '\n';
    text_.append(depth_ * 2, ' ');
  }
  void put_string(std::string_view text) {
    text_ += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') text_ += '\\';
      if (c == '\n') {
        text_ += "\\n";
      } else if (static_cast<unsigned char>(c) < 0x20) {
        constexpr std::string_view kHex = "0123456789abcdef";
        text_ += "\\u00";
        text_ += kHex[static_cast<unsigned char>(c) >> 4];
        text_ += kHex[static_cast<unsigned char>(c) & 15];
      } else {
        text_ += c;
      }
    }
    text_ += '"';
  }

  std::string text_;
  std::size_t depth_ = 0;
  bool empty_ = true;  // nothing stands in the innermost bracket yet
  bool after_key_ = false;
};

}  // namespace fallow
