// HttpParser: bytes in, one HTTP/1.1 message after another out. No I/O, so it can be fuzzed.
//
// A value of one connection, on its thread. It is stricter than its library where leniency lets two
// parties disagree about where a message ends: both lengths at once, folded fields, bare line
// feeds, repeated lengths and unknown transfer codings are refused.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/http.h"

namespace fallow::net {

struct HttpLimits {
  std::size_t head_bytes_max = 16 * 1024;   // beyond it: 431
  std::size_t target_bytes_max = 8 * 1024;  // beyond it: 414
  std::size_t field_count_max = 100;        // beyond it: 431
};

// Why a message was refused and what a server answers to it.
struct HttpFailure {
  int status = 400;
  std::string message;
};

class HttpParser {
 public:
  enum class Role { kServer, kClient };  // a server parses requests, a client responses
  enum class State {
    kHead,    // feed more: the head is not complete
    kBody,    // the head can be taken; body bytes come
    kDone,    // the message is complete
    kFailed,  // see failure(); only destruction is left
  };

  HttpParser(Role role, HttpLimits limits);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Takes all of `bytes`. What is beyond the current message is kept for the next one. At most
  // head_bytes_max and one call's bytes are held.
  State feed(std::string_view bytes);
  // The peer sent its last byte.
  State feed_end();
  State state() const { return state_; }
  const HttpFailure& failure() const { return failure_; }

  // True when bytes of the current message have arrived.
  bool has_begun() const { return !pending_.empty() || state_ != State::kHead; }
  std::size_t pending_bytes() const { return pending_.size(); }

  // Once per message, from kBody or kDone on.
  Request take_request();
  Response take_response_head();
  bool keep_alive() const;
  // Client, before feeding: the answer to HEAD has no body whatever its fields say.
  void expect_no_body() { no_body_ = true; }

  // The body bytes decoded so far and not yet taken.
  std::string take_body() { return std::exchange(body_, std::string()); }
  std::size_t body_bytes() const { return body_.size(); }

  // After kDone: starts on the next message with the bytes kept.
  State next();
  // The bytes beyond the current message, for the protocol that takes over after an upgrade.
  std::string take_pending() { return std::exchange(pending_, std::string()); }

 private:
  struct Core;
  State advance();
  State parse_head();
  State parse_body();
  State refuse(int status, std::string message);
  bool check_head(std::string_view head);
  bool check_request();

  const Role role_;
  const HttpLimits limits_;
  std::unique_ptr<Core> core_;
  std::string pending_;
  std::string body_;
  HttpFailure failure_;
  std::size_t searched_ = 0;  // bytes of pending_ that hold no end of a head
  State state_ = State::kHead;
  bool no_body_ = false;
};

}  // namespace fallow::net
