// What a role may do: the one table, of keys within their account and of members within a team. A
// route states the right that it needs (route.proto); Api::authenticate() alone compares.
//
// Values and free functions, any thread.
#pragma once

#include <cstdint>

#include "fallow/v1/route.pb.h"

namespace fallow::server {

// Bit set of v1::Right values: 1 << right.
using RightSet = std::uint32_t;

constexpr RightSet right_bit(v1::Right right) {
  return RightSet{1} << static_cast<unsigned>(right);
}

constexpr RightSet rights_of(v1::Role role) {
  switch (role) {
    case v1::VIEWER:
      return right_bit(v1::MAY_READ);
    case v1::BILLING:
      return right_bit(v1::MAY_READ) | right_bit(v1::MAY_PAY);
    case v1::MEMBER:
      return right_bit(v1::MAY_READ) | right_bit(v1::MAY_RUN);
    case v1::OWNER:
    case v1::ROLE_UNSPECIFIED:  // of a key from before there were roles
      return right_bit(v1::MAY_READ) | right_bit(v1::MAY_RUN) | right_bit(v1::MAY_PAY) |
             right_bit(v1::MAY_MANAGE);
    default:
      return 0;
  }
}

// The role that a person reads.
constexpr v1::Role shown_role(v1::Role role) {
  return role == v1::ROLE_UNSPECIFIED ? v1::OWNER : role;
}

}  // namespace fallow::server
