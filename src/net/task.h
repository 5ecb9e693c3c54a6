// Task: the coroutine type of every asynchronous function, and the two macros that pass errors on.
//
// A Task starts when it is awaited and runs on the executor of whoever awaits it. A connection
// lives on one thread of an IoPool, so its coroutines need no locks among themselves.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <utility>

#include "base/result.h"

namespace fallow::net {

template <class T = void>
using Task = boost::asio::awaitable<T>;

// One thread of an IoPool. Cheap to copy; must not outlive its pool.
using Executor = boost::asio::any_io_executor;

}  // namespace fallow::net

// FALLOW_TRY and FALLOW_ASSIGN for coroutines.
#define FALLOW_CO_TRY_IMPL_(temporary, expression)            \
  do {                                                        \
    auto temporary = (expression);                            \
    if (!temporary) {                                         \
      co_return tl::unexpected(std::move(temporary).error()); \
    }                                                         \
  } while (false)
#define FALLOW_CO_TRY(expression) \
  FALLOW_CO_TRY_IMPL_(FALLOW_CONCAT(co_try_result_, __LINE__), expression)

#define FALLOW_CO_ASSIGN_IMPL_(temporary, declaration, expression)        \
  auto temporary = (expression);                                          \
  if (!temporary) co_return tl::unexpected(std::move(temporary).error()); \
  declaration = std::move(*temporary)
#define FALLOW_CO_ASSIGN(declaration, expression) \
  FALLOW_CO_ASSIGN_IMPL_(FALLOW_CONCAT(co_assign_result_, __LINE__), declaration, expression)
