// Result<T>: the answer of anything that the world can make fail.
//
// Three kinds of error exist in Fallow. A market refusal is an enum in an event. A failure of the
// world (a file, a peer, bad input) is a Result. A bug is FALLOW_CHECK. Exceptions never cross a
// module's border.
#pragma once

#include <fmt/core.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace fallow {

// Only the distinctions that some caller acts on. Everything else is kFailed with a good sentence.
enum class ErrorCode {
  kFailed,       // it did not work; the message says why and what to do
  kInvalid,      // the input is wrong; asking again unchanged is useless
  kNotFound,     // the named thing does not exist
  kClosed,       // the peer closed the connection, or the queue was shut down
  kTimedOut,     // the deadline passed
  kTooLarge,     // a stated maximum would be exceeded
  kFull,         // there is no room left where it should go; later there may be
  kBusy,         // a bounded queue is full; try again later
  kCorrupt,      // stored bytes are not what was written
  kUnreachable,  // no connection could be made
  kDenied,       // the caller may not do this
};

struct Error {
  ErrorCode code = ErrorCode::kFailed;
  std::string message;  // for a person: what happened, why, what to do next
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// return fail(ErrorCode::kInvalid, "port {} is not between 1 and 65535", port);
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format,
                                         Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// Passes an error on under a sentence of the caller's own: "cannot open the log: <cause>".
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail_with(const Error& cause,
                                              fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(
      Error{cause.code, fmt::format(format, std::forward<Args>(args)...) + ": " + cause.message});
}

}  // namespace fallow

// Evaluates `expression` (a Result); on failure returns its error from the enclosing function.
#define FALLOW_CONCAT_(a, b) a##b
#define FALLOW_CONCAT(a, b) FALLOW_CONCAT_(a, b)
#define FALLOW_TRY_IMPL_(temporary, expression)            \
  do {                                                     \
    if (auto temporary = (expression); !temporary) {       \
      return tl::unexpected(std::move(temporary).error()); \
    }                                                      \
  } while (false)
#define FALLOW_TRY(expression) FALLOW_TRY_IMPL_(FALLOW_CONCAT(try_result_, __LINE__), expression)

// FALLOW_ASSIGN(auto value, compute()): declares `value`, or returns the error.
#define FALLOW_ASSIGN_IMPL_(temporary, declaration, expression)        \
  auto temporary = (expression);                                       \
  if (!temporary) return tl::unexpected(std::move(temporary).error()); \
  declaration = std::move(*temporary)
#define FALLOW_ASSIGN(declaration, expression) \
  FALLOW_ASSIGN_IMPL_(FALLOW_CONCAT(assign_result_, __LINE__), declaration, expression)
