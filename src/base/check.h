// FALLOW_CHECK: a bug stops the process, in every build.
//
// The log is safe and a wrong ledger is worse than a restart, so a broken invariant aborts with
// the place and a sentence. Never use it for input, peers, files or memory of others: those are
// Results.
#pragma once

#include <fmt/core.h>

#include <string>

namespace fallow {

// Prints "CHECK failed: <condition> at <file>:<line>: <message>" to stderr and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& message);

}  // namespace fallow

#define FALLOW_CHECK(condition, ...)                                                    \
  do {                                                                                  \
    if (!(condition)) [[unlikely]] {                                                    \
      ::fallow::check_failed(#condition, __FILE__, __LINE__, fmt::format(__VA_ARGS__)); \
    }                                                                                   \
  } while (false)
