// Problems (RFC 9457): every answer that is not a success, with a stable code and a sentence that
// says what to do.
//
// Values and free functions, any thread. Handlers give out Answer<T>; the API writes the problem.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "core/refusal.h"
#include "fallow/v1/events.pb.h"
#include "fallow/v1/views.pb.h"

namespace fallow::server {

template <class T>
using Answer = tl::expected<T, v1::Problem>;

v1::Problem make_problem(int status, std::string_view code, std::string detail,
                         std::string_view field = {});

// co_return refuse(404, "not_found", "order {} does not exist", id);
template <class... Args>
[[nodiscard]] tl::unexpected<v1::Problem> refuse(int status, std::string_view code,
                                                 fmt::format_string<Args...> format,
                                                 Args&&... args) {
  return tl::unexpected(
      make_problem(status, code, fmt::format(format, std::forward<Args>(args)...)));
}

// 400 value_invalid: `field` of the request is wrong, and why.
template <class... Args>
[[nodiscard]] tl::unexpected<v1::Problem> refuse_field(std::string_view field,
                                                       fmt::format_string<Args...> format,
                                                       Args&&... args) {
  return tl::unexpected(
      make_problem(400, "value_invalid", fmt::format(format, std::forward<Args>(args)...), field));
}

// The market's refusal. The table in problem.cc gives each its status; the code is the enum's name
// in lower case.
v1::Problem problem_of(const v1::Refused& refused);
v1::Problem problem_of(const core::Refusal& refusal);
int status_of(v1::Refusal refusal);
// A failure of the world that a handler met. `doing`: "read the receipt".
v1::Problem problem_of(const Error& error, std::string_view doing);

}  // namespace fallow::server
