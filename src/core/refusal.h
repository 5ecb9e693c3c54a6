// Why the market says no, before it becomes a Refused event or an API problem. A value.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fallow/v1/events.pb.h"
#include "fallow/v1/types.pb.h"

namespace fallow::core {

struct Refusal {
  v1::Refusal code = v1::REFUSAL_UNSPECIFIED;
  std::string message;  // for a person: what happened, why, what to do next
  std::string field;    // of the command; empty: none is at fault
  std::uint32_t column = 0;
  std::vector<v1::Relaxation> relaxations;
  std::optional<v1::BoundQuote> next_quote;  // of QUOTE_GONE, when there is one
};

template <class... Args>
[[nodiscard]] Refusal refusal(v1::Refusal code, std::string_view field,
                              fmt::format_string<Args...> format, Args&&... args) {
  return Refusal{code, fmt::format(format, std::forward<Args>(args)...), std::string(field), 0, {}};
}

}  // namespace fallow::core
