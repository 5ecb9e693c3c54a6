// Utf8Check: whether the text of an encoded message is UTF-8 throughout. What does not pass would
// be refused by every parser of the message, so it must not be stored. It reads the encoding
// (https://protobuf.dev/programming-guides/encoding/) and makes nothing, which takes a fraction of
// a parser's time.
//
// Immutable; any thread.
#pragma once

#include <google/protobuf/descriptor.h>

#include <map>
#include <string_view>
#include <vector>

namespace fallow::engine {

class Utf8Check {
 public:
  // For messages of this type; it and all that it holds are proto3.
  explicit Utf8Check(const google::protobuf::Descriptor& type);
  Utf8Check(const Utf8Check&) = delete;
  Utf8Check& operator=(const Utf8Check&) = delete;

  // `bytes` are a message as a serializer wrote it; of what none writes it may answer false.
  bool passes(std::string_view bytes) const;

 private:
  // Of a type what has to be known, by the numbers of its fields.
  struct Texts {
    struct Field {
      bool is_text = false;
      const Texts* message = nullptr;  // of its type; none if that holds no text at any depth
    };
    std::vector<Field> fields;
    bool holds_text = false;
  };
  Texts* texts_of(const google::protobuf::Descriptor& type);
  static bool passes(const Texts& texts, const char* at, const char* end);

  std::map<const google::protobuf::Descriptor*, Texts> all_;  // whose places stay
  const Texts* top_;
};

}  // namespace fallow::engine
