// Pages of lists: how many rows, and the opaque token with which the next page begins.
//
// Values and free functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/problem.h"

namespace fallow::server {

constexpr std::size_t kPageSizeMax = 1'000;
constexpr std::size_t kPageSizeDefault = 100;

// 0 is the default; 400 beyond the maximum.
Answer<std::size_t> page_size_of(std::uint32_t wanted);

// `list` names the list that a token belongs to, so that it fits no other. An empty token is 0.
std::string page_token(std::string_view list, std::uint64_t position);
Answer<std::uint64_t> page_position(std::string_view list, std::string_view token);

// The same of lists that go by a name; an empty token is an empty name.
std::string page_token(std::string_view list, std::string_view name);
Answer<std::string> page_name(std::string_view list, std::string_view token);

}  // namespace fallow::server
